"""Who is let in, and what of them is kept: the real application and database, Telegram answered inside the process."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat.context import CONSENT_VERSION
from bot.delivery import durable_queue, inbox
from bot.delivery.backoff import Backoff
from tests.integration.stage import ANNA, NAME, USERNAME, Stage, chat, on_stage, pressed, said


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with on_stage(tmp_path) as stage:
        yield stage


async def has_consented(stage: Stage) -> bool:
    person = await stage.services.database.people.get(ANNA)
    return person is not None and person.has_consented


@pytest.mark.parametrize("data", [None, "", "agre", "agree:x", "agree\n"])
async def test_a_press_that_says_nothing_is_no_yes(stage: Stage, data: str | None) -> None:
    await stage.handle(stage.an_update(**said("/start")), stage.an_update(**pressed(data)))
    assert not await has_consented(stage)
    assert "button" in stage.texts[-1]
    await stage.handle(stage.an_update(**pressed("agree")))
    assert await has_consented(stage)


async def test_nobody_else_presses_or_writes_in_a_private_chat(stage: Stage) -> None:
    await stage.handle(stage.an_update(**said("/start")))
    before = len(stage.requests)
    await stage.handle(stage.an_update(**pressed("agree", by=99)), stage.an_update(**said("/privacy", by=99)))
    assert not await has_consented(stage)
    assert len(stage.requests) == before


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ("/faq", 1), ("/faq@tumorscan_bot", 1), ("/faq@TumorScan_Bot glioma", 1), ("/scan@tumorscan_bot", 1),
        ("/faq@another_bot", 0), ("/", 0), ("/ faq", 0), ("/nonsense", 0), ("hello", 0), ("/faq@", 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["text", "caption"])
async def test_in_a_group_only_our_own_commands_are_answered(
    stage: Stage, words: str, answers: int, place: str
) -> None:
    update = said(words, at=chat(-5, "supergroup"))
    if place == "caption":
        message = update["message"]
        message["caption"], message["caption_entities"] = message.pop("text"), message.pop("entities")
        message["photo"] = [{"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}]
    await stage.handle(stage.an_update(**update))
    assert len(stage.texts) == answers
    assert await stage.services.database.people.get(-5) is None


async def test_no_name_is_kept(stage: Stage, tmp_path: Path) -> None:
    await stage.handle(stage.an_update(**said("/start")), stage.an_update(**pressed("agree")))
    assert NAME in stage.texts[0]
    person = await stage.services.database.people.get(ANNA)
    assert person is not None
    assert person.name == ""


async def test_a_flood_of_texts_is_bounded_and_answered_once(stage: Stage) -> None:
    flood = [stage.an_update(**said("/nonsense", number=number)) for number in range(1, 1_001)]
    for start in range(0, len(flood), 100):
        await stage.services.deliveries.queue.put_all(flood[start : start + 100])
    other = chat(42)
    asked = stage.an_update(**said("/faq", at=other, by=42))
    began = time.perf_counter()
    await stage.services.deliveries.queue.put(asked)
    async with asyncio.timeout(60):
        while ("sendMessage", 42) not in stage.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert len([1 for _, chat_id in stage.requests if chat_id == ANNA]) <= durable_queue.MOST_COMMANDS_OF_CHAT
    assert time.perf_counter() - began < 30
    assert len(stage.services.deliveries._in_work) <= durable_queue.MOST_COMMANDS_OF_CHAT + 1
    await stage.quiet()  # some came while others were answered, which made room
    assert len([1 for _, chat_id in stage.requests if chat_id == ANNA]) < 2 * durable_queue.MOST_COMMANDS_OF_CHAT


async def test_deleting_leaves_nothing_on_the_disk(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.handle(stage.an_update(**said("/start")), stage.an_update(**pressed("agree")))
    await stage.handle(stage.an_update(**said(f"what is {USERNAME}?")), stage.an_update(**pressed("delete-all")))
    assert residues(tmp_path) == []
    assert not any(mark.decode() in caplog.text for mark in marks()[:2])


def residues(folder: Path) -> list[tuple[str, bytes]]:
    """What can still be found of her, in which file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.name, mark) for mark in marks() for path in files if mark in path.read_bytes()]


def marks() -> tuple[bytes, ...]:
    """Name, user name and chat id, as text and as SQLite writes a number."""
    return NAME.encode(), USERNAME.encode(), str(ANNA).encode(), ANNA.to_bytes(6, "big")


async def test_who_says_no_yes_is_forgotten_after_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = said("", number=3)
    photo["message"] |= {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}], "caption": NAME}
    del photo["message"]["text"]
    await stage.handle(stage.an_update(**photo))
    database = stage.services.database
    assert await database.inbox.awaiting_consent(ANNA) == 1
    deliveries = stage.services.deliveries
    monkeypatch.setattr(deliveries, "_consent_wait", -inbox.CONSENT_WAIT)  # as if that time had gone by
    await deliveries.tidy()
    assert await database.inbox.awaiting_consent(ANNA) == 0
    assert await database.people.get(ANNA) is None
    await database.people.register(ANNA, "", "en")
    await database.people.give_consent(ANNA, CONSENT_VERSION)
    await deliveries.tidy()
    assert await database.people.get(ANNA) is not None


async def test_update_that_stops_the_library_comes_to_an_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*, update: object) -> None:
        if getattr(update, "update_id", None) == odd.update_id:
            raise ArithmeticError

    monkeypatch.setattr(inbox, "AFTER_A_BUG", Backoff(0.001, 0.001))
    await stage.handle(stage.an_update(**said("/start")))
    odd = stage.an_update(**said("/help"))
    monkeypatch.setattr(stage.application, "_mark_for_persistence_update", stumble)  # runs after the handlers
    await stage.handle(odd)
    assert [letter.update_id for letter in await stage.services.database.inbox.dead_letters()] == [odd.update_id]
    assert await stage.answers(said("/privacy"))


def test_the_marks_would_be_found() -> None:
    assert NAME in json.dumps(said("/start"))
