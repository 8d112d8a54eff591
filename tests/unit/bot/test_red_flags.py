"""What needs help at once is heard; a plain question is not taken for an emergency."""

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bot.chat.context import BotContext
from bot.handlers.knowledge import heed_red_flags
from bot.knowledge.knowledge import Knowledge

MESSAGES = tomllib.loads(
    (Path(__file__).parents[2] / "data" / "languages" / "en" / "red_flags.toml").read_text(encoding="utf-8")
)
RAISED = [(slug, text) for slug, texts in MESSAGES["raised"].items() for text in texts]
QUIET = [text for texts in MESSAGES["quiet"].values() for text in texts]


@pytest.fixture(scope="module")
def english() -> Knowledge:
    return Knowledge.load()


@pytest.mark.parametrize(("slug", "text"), RAISED)
def test_a_message_that_needs_help_raises_its_flag(english: Knowledge, slug: str, text: str) -> None:
    flag = english.red_flag(text)
    assert flag is not None
    assert flag.slug == slug


@pytest.mark.parametrize("text", QUIET)
def test_a_plain_question_or_other_talk_raises_no_flag(english: Knowledge, text: str) -> None:
    assert english.red_flag(text) is None


def test_the_lists_are_long_enough_to_mean_something() -> None:
    assert len(RAISED) >= 150
    assert len(QUIET) >= 150
    assert len(set(RAISED)) == len(RAISED)
    assert len(set(QUIET)) == len(QUIET)


def test_every_flag_is_tried(english: Knowledge) -> None:
    assert set(MESSAGES["raised"]) == {flag.slug for flag in english.red_flags}


def test_the_most_urgent_flag_wins(english: Knowledge) -> None:
    flag = english.red_flag("my headache is getting worse and I want to die")
    assert flag is not None
    assert flag.slug == "self-harm"


def test_every_red_flag_text_names_the_emergency_number(english: Knowledge) -> None:
    for flag in english.red_flags:
        assert "emergency number" in flag.text, flag.slug
        assert "112, 911 or 999" in flag.text, flag.slug


def test_a_flag_stands_out_in_a_long_message(english: Knowledge) -> None:
    text = "Hello. I have sent you two pictures. They are from May. My son had a seizure this morning. What now?"
    flag = english.red_flag(text)
    assert flag is not None
    assert flag.slug == "seizure"


def test_flag_is_heard_at_end_of_longest_message(english: Knowledge) -> None:
    last = "And I want to die."
    story = ("We went to the hospital and they looked at the pictures for a long time. " * 60)[: 4096 - len(last)]
    flag = english.red_flag(story + last)
    assert flag is not None
    assert flag.slug == "self-harm"


def test_negation_denies_a_sign_unless_before_follows_it(english: Knowledge) -> None:
    assert english.red_flag("he never had a seizure") is None
    flag = english.red_flag("he never had a seizure before")
    assert flag is not None
    assert flag.slug == "seizure"


def test_red_flag_is_heard_in_any_letter_case(english: Knowledge) -> None:
    for text in ("I WANT TO DIE", "i want to die", "I WANT TO DIIIIE!!!", "İ want to die"):
        flag = english.red_flag(text)
        assert flag is not None
        assert flag.slug == "self-harm"


async def test_picture_without_words_makes_nothing_that_hears_them() -> None:
    knowledge = Knowledge.load()
    context = cast(BotContext, SimpleNamespace(knowledge=knowledge))
    assert await heed_red_flags(context, " ") is None
    assert not {"_detector", "_index"} & vars(knowledge).keys(), "a batch of pictures would wait for them"
