"""What a handler has said is not said again, wherever its process was killed; and what was not said, is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from telegram import Chat, InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.error import NetworkError
from telegram.ext import Application, TypeHandler

from bot.delivery import inbox
from bot.delivery.backoff import Backoff
from bot.delivery.inbox import Deliveries, Delivery
from bot.delivery.rate_limiter import RateLimiter
from bot.delivery.receipts import sent_as
from bot.delivery.storage_health import StorageHealth
from storage import Database, ReceivedUpdate
from storage.errors import StorageDownError
from tests.bench.offline import InstantTelegram
from tests.databases import database_at

ANNA = 7
BUTTONS = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="yes")]])
Handler = Callable[[Any, Delivery], Awaitable[None]]


class KilledHereError(BaseException):
    """Stands for the end of the process: nothing that is written below it runs, as after a kill."""


class Chatting(InstantTelegram):
    """Telegram, and all that it was given to say."""

    def __init__(self) -> None:
        super().__init__(lambda _: b"", lambda *_: None)
        self.said: list[str] = []

    def _message(self, endpoint: str, chat_id: int | None, data: dict[str, Any]) -> dict[str, Any]:
        self.said.append(data["text"])
        return super()._message(endpoint, chat_id, data)


@dataclass
class Desk:
    """Processes that follow each other, with one handler, one database and one update."""

    path: Path
    telegram: Chatting = field(default_factory=Chatting)
    background: list["asyncio.Task[Any]"] = field(default_factory=list)

    async def attend(self, handler: Handler, before: Callable[[Database], None] = lambda _: None) -> Database:
        """Start a process that has the update handled; returns its database, open."""
        telegram, limiter = self.telegram, RateLimiter()
        building = Application.builder().token("1:" + "t" * 35).request(telegram).get_updates_request(telegram)
        application = building.rate_limiter(limiter).updater(None).job_queue(None).build()
        database = await Database.open(database_at(self.path / "bot.db"))
        deliveries = Deliveries(database, StorageHealth(database))
        deliveries.bind(application)
        update = Update(1, message=Message(1, datetime.now(UTC), Chat(ANNA, Chat.PRIVATE), text="hello"))

        async def answer(came: Update, _: object) -> None:
            await handler(application.bot, deliveries.of(came))

        async def again(came: object, context: Any) -> None:
            deliveries.failed(came, context.error)

        application.add_handler(TypeHandler(Update, answer))
        application.add_error_handler(again)
        before(database)
        async with application:
            await deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
            await deliveries.rows.recover()
            try:
                async with asyncio.timeout(30):
                    await deliveries.handle(update, application.process_update(update))
            except KilledHereError:
                pass
        return database

    async def killed(self, handler: Handler) -> None:
        """A process that ends in the middle of the handler."""
        await (await self.attend(handler)).close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(inbox, "AFTER_TROUBLE", Backoff(0.0, 0.0))
    return Desk(tmp_path)


def saying(*words: str, then: BaseException | None = None) -> Handler:
    async def say(bot: Any, _: Delivery) -> None:
        for one in words:
            await bot.send_message(ANNA, one, reply_markup=BUTTONS)
        if then is not None:
            raise then

    return say


async def test_what_was_said_before_a_kill_is_not_repeated(desk: Desk) -> None:
    await desk.killed(saying("one", "two", then=KilledHereError()))
    await desk.killed(saying("one", "two", "three"))
    assert desk.telegram.said == ["one", "two", "three"]


async def test_other_words_are_said_after_a_kill(desk: Desk) -> None:
    await desk.killed(saying("3 scans are kept", then=KilledHereError()))
    await desk.killed(saying("2 scans are kept"))
    assert desk.telegram.said == ["3 scans are kept", "2 scans are kept"]


async def test_same_words_with_other_buttons_are_said(desk: Desk) -> None:
    async def bare(bot: Any, _: Delivery) -> None:
        await bot.send_message(ANNA, "one")

    await desk.killed(saying("one", then=KilledHereError()))
    await desk.killed(bare)
    assert desk.telegram.said == ["one", "one"]


async def test_what_a_handler_says_twice_is_heard_twice(desk: Desk) -> None:
    await desk.killed(saying("again", then=KilledHereError()))
    await desk.killed(saying("again", "again"))
    assert desk.telegram.said == ["again", "again"]


async def test_trouble_after_a_text_does_not_repeat_it(desk: Desk) -> None:
    troubles = [NetworkError("away"), NetworkError("away")]

    async def say(bot: Any, _: Delivery) -> None:
        await bot.send_message(ANNA, "one")
        if troubles:
            raise troubles.pop()
        await bot.send_message(ANNA, "two")

    await desk.killed(say)
    assert desk.telegram.said == ["one", "two"]


async def test_receipt_is_kept_before_the_handler_goes_on(desk: Desk) -> None:
    kept: list[list[str]] = []

    async def say(bot: Any, delivery: Delivery) -> None:
        message = await bot.send_message(ANNA, "one")
        assert delivery._rows is not None
        rows = await delivery._rows.recorded(1)
        kept.append([step for step, sent in rows[1].items() if sent == message.message_id])

    await desk.killed(say)
    assert [len(steps) for steps in kept] == [1]


async def test_a_repeated_text_is_known_by_its_message(desk: Desk) -> None:
    numbers: list[int] = []

    async def say(bot: Any, _: Delivery) -> None:
        message = await bot.send_message(ANNA, "one")
        numbers.append(message.message_id)
        assert message.chat.id == ANNA
        if len(numbers) == 1:
            raise KilledHereError

    await desk.killed(say)
    await desk.killed(say)
    assert numbers[0] == numbers[1]


async def test_named_step_is_noted_and_never_withheld(desk: Desk) -> None:
    async def show(bot: Any, delivery: Delivery) -> None:
        with sent_as("status"):
            await bot.send_message(ANNA, "looking")
        assert delivery.status is not None
        if len(desk.telegram.said) == 1:
            raise KilledHereError

    await desk.killed(show)
    await desk.killed(show)
    assert desk.telegram.said == ["looking", "looking"]


async def test_text_whose_receipt_fails_counts_as_sent(desk: Desk) -> None:
    def fail_to_record(database: Database) -> None:
        async def record(*_: object) -> None:
            raise StorageDownError("full")

        database.inbox.record = record  # type: ignore[method-assign,assignment]

    database = await desk.attend(saying("one"), fail_to_record)
    assert not await database.inbox.recover()
    await database.close()
    assert desk.telegram.said == ["one"]


async def test_what_outlives_its_handler_is_sent_without_receipt(desk: Desk) -> None:
    steps: list[str] = []
    ended = asyncio.Event()

    async def later(bot: Any) -> None:
        await ended.wait()
        await bot.send_message(ANNA, "to everybody")

    async def begin(bot: Any, _: Delivery) -> None:
        desk.background.append(asyncio.create_task(later(bot)))

    def watch(database: Database) -> None:
        async def record(_: int, step: str, __: int) -> None:
            steps.append(step)

        database.inbox.record = record  # type: ignore[method-assign,assignment]

    database = await desk.attend(begin, watch)
    ended.set()
    await asyncio.gather(*desk.background)
    await database.close()
    assert desk.telegram.said == ["to everybody"]
    assert not steps


@pytest.mark.parametrize("way", ["awaited consent", "was a dead letter"])
async def test_what_is_tried_anew_says_its_texts_again(desk: Desk, way: str) -> None:
    async def ask(bot: Any, delivery: Delivery) -> None:
        await delivery.record("status", 5)
        await bot.send_message(ANNA, "May I?")
        raise KilledHereError

    database = await desk.attend(ask)
    rows = database.inbox
    if way == "awaited consent":
        await rows.await_consent(1)
        await rows.release(ANNA)
    else:
        await rows.dead_letter(1, "why")
        assert await rows.try_again(1)
    assert dict((await rows.recorded(1))[1]) == {"status": 5}
    await database.close()
    await desk.killed(saying("May I?"))
    assert desk.telegram.said == ["May I?", "May I?"]
