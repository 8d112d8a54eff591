"""Updates of a form that nobody has seen yet: set aside, each by itself, and never in the way of others."""

import copy
from typing import Any

import pytest
from telegram import Bot, Update

from bot.delivery.raw_update import Raw, UnparsableUpdate, as_received, read
from tests.fuzz.corpus import JSON

BOT = Bot("1:" + "t" * 35)
PHOTO, FORWARDED = JSON[1], JSON[2]


def changed(update: Raw, **message: Any) -> dict[str, Any]:
    raw: dict[str, Any] = copy.deepcopy(dict(update))
    raw["message"] |= message
    return raw


@pytest.mark.parametrize("update", JSON, ids=lambda update: str(list(update)[1]))
def test_what_telegram_sends_is_read_and_kept(update: Raw) -> None:
    found = read(update, BOT)
    assert isinstance(found, Update)
    assert as_received(found).unreadable is None


def test_unknown_kind_of_origin_is_set_aside_and_kept() -> None:
    origin = {**FORWARDED["message"]["forward_origin"], "type": "a kind to come"}
    found = read(changed(FORWARDED, forward_origin=origin), BOT)
    assert isinstance(found, UnparsableUpdate)
    kept = as_received(found)
    assert kept.unreadable is not None
    assert "a kind to come" in kept.payload


@pytest.mark.parametrize("words", [{"id": 5}, ["x"], 7])
def test_words_that_are_no_text_are_set_aside(words: object) -> None:
    assert isinstance(read(changed(PHOTO, caption=words), BOT), UnparsableUpdate)
    assert isinstance(read(changed(JSON[0], text=words), BOT), UnparsableUpdate)
    assert isinstance(read(changed(PHOTO, media_group_id=words), BOT), UnparsableUpdate)


@pytest.mark.parametrize("number", [{}, [5], "5", True, 2**63])
def test_person_whose_number_is_none_is_set_aside(number: object) -> None:
    sender = {**JSON[0]["message"]["from"], "id": number}
    assert isinstance(read(changed(JSON[0], **{"from": sender}), BOT), UnparsableUpdate)
