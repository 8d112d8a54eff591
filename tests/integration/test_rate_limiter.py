"""The sender against a Telegram with its flood limit on, and one that breaks off, refuses and goes away."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from telegram.error import BadRequest, RetryAfter
from telegram.ext import ExtBot

from bot.delivery.rate_limiter import Guarantee, RateLimiter
from bot.delivery.token_bucket import Clock
from bot.errors import MaybeSentError
from bot.sandbox import Message, Person, Rules, Sandbox
from bot.sandbox.rules import Clock as SandboxTime
from bot.sandbox.world import FIRST_PERSON_ID
from tests import pictures
from tests.clock import HandClock

pytestmark = pytest.mark.telegrams_pace

PDF = b"%PDF-1.7 of a scan"


class ForwardClock:
    """Sleeping takes no time: it moves the sandbox's clock instead, and then lets ``afterwards`` happen."""

    def __init__(self, time: SandboxTime) -> None:
        self._time = time
        self.sleeps: list[float] = []
        self.afterwards: Callable[[], Awaitable[object]] | None = None

    def now(self) -> float:
        return self._time.now()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._time.advance(seconds)
        if self.afterwards is not None:
            await self.afterwards()


@asynccontextmanager
async def a_bot(sandbox: Sandbox, clock: Clock) -> AsyncIterator[ExtBot[Guarantee]]:
    async with ExtBot(
        sandbox.token, sandbox.base_url, sandbox.base_file_url, rate_limiter=RateLimiter(clock=clock)
    ) as bot:
        yield bot


@pytest.fixture
async def strict() -> AsyncIterator[Sandbox]:
    """A Telegram that answers 429 to who sends too much."""
    async with Sandbox.start(rules=Rules(flood_limit=True)) as sandbox:
        yield sandbox


@pytest.fixture
def clock(strict: Sandbox) -> ForwardClock:
    return ForwardClock(strict.world.clock)


@pytest.fixture
async def sending(strict: Sandbox, clock: ForwardClock) -> AsyncIterator[ExtBot[Guarantee]]:
    async with a_bot(strict, clock) as bot:
        yield bot


@pytest.fixture
async def ann(strict: Sandbox) -> Person:
    return await started(strict, "Ann")


async def started(sandbox: Sandbox, name: str) -> Person:
    """Somebody to whom the bot may speak."""
    person = await sandbox.person(name)
    await person.send_text("/start")
    return person


async def from_bot(person: Person) -> list[Message]:
    return [message for message in await person.messages() if message.from_bot]


def mended(sandbox: Sandbox) -> Callable[[], Awaitable[object]]:
    """All is well from now on."""
    return sandbox.client.set_faults


async def send_many(bot: ExtBot[Any], person: Person, count: int) -> None:
    for number in range(count):
        await bot.send_message(person.id, f"{number}")


async def test_messages_to_one_person_stay_under_flood_limit(
    strict: Sandbox, sending: ExtBot[Guarantee], clock: ForwardClock, ann: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.delivery.rate_limiter")
    await send_many(sending, ann, 22)
    assert [message.text for message in await from_bot(ann)] == [f"{number}" for number in range(22)]
    assert "asks for a pause" not in caplog.text
    assert sum(clock.sleeps) < 22


async def test_the_same_messages_without_the_sender_reach_it(strict: Sandbox, ann: Person) -> None:
    async with ExtBot(strict.token, strict.base_url, strict.base_file_url) as bare:
        with pytest.raises(RetryAfter):
            await send_many(bare, ann, 100)
    assert len(await from_bot(ann)) >= strict.world.rules.flood_burst


async def test_messages_to_many_people_stay_under_flood_limit(
    strict: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot.delivery.rate_limiter")
    people = [await started(strict, f"Person {number}") for number in range(50)]
    async with ExtBot(strict.token, strict.base_url, strict.base_file_url, rate_limiter=RateLimiter()) as bot:
        await asyncio.gather(*(bot.send_message(person.id, "hello") for person in people))
    assert [len(await from_bot(person)) for person in people] == [1] * 50
    assert "asks for a pause" not in caplog.text


async def test_who_is_held_by_telegram_holds_nobody_else(strict: Sandbox, ann: Person) -> None:
    ben, clock = await started(strict, "Ben"), HandClock()
    async with a_bot(strict, clock) as bot:
        await strict.client.set_faults({"sendMessage": {"flood": 1}}, retry_after=30)
        to_ann = asyncio.create_task(bot.send_message(ann.id, "hello Ann"))
        while not clock.sleeps:
            await asyncio.wait({to_ann}, timeout=0.01)
        await strict.client.set_faults()
        await bot.send_message(ben.id, "hello Ben")
        assert not to_ann.done()
        assert await from_bot(ann) == []
        await clock.advance(31)
        await to_ann
    assert [message.text for message in await from_bot(ann)] == ["hello Ann"]


async def test_fetching_updates_is_not_limited(sending: ExtBot[Guarantee], clock: ForwardClock) -> None:
    for _ in range(40):
        await sending.get_updates()
    assert clock.sleeps == []


async def test_a_refused_request_is_tried_once(sending: ExtBot[Guarantee], clock: ForwardClock, ann: Person) -> None:
    with pytest.raises(BadRequest):
        await sending.send_message(999, "hello")
    with pytest.raises(BadRequest):
        await sending.send_document(ann.id, "no-such-file")
    assert clock.sleeps == []


@pytest.mark.parametrize("fault", ["bad_gateway", "flood"])
@pytest.mark.parametrize(
    ("method", "send"),
    [
        ("sendMessage", lambda bot, chat_id: bot.send_message(chat_id, "hello")),
        ("sendPhoto", lambda bot, chat_id: bot.send_photo(chat_id, pictures.brain())),
        ("sendDocument", lambda bot, chat_id: bot.send_document(chat_id, PDF, filename="report.pdf")),
    ],
)
async def test_failed_send_is_repeated_and_arrives_once(
    strict: Sandbox,
    sending: ExtBot[Guarantee],
    clock: ForwardClock,
    ann: Person,
    method: str,
    send: Callable[[ExtBot[Guarantee], int], Awaitable[object]],
    fault: str,
) -> None:
    await strict.client.set_faults({method: {fault: 1}})
    clock.afterwards = mended(strict)
    await send(sending, ann.id)
    assert await strict.client.injected() == {method: {fault: 1}}
    assert len(clock.sleeps) == 1
    assert len(await from_bot(ann)) == 1


@pytest.mark.parametrize(("fault", "arrived"), [("drop_after", 1), ("drop_before", 0)])
async def test_file_with_lost_answer_is_not_resent(
    strict: Sandbox, sending: ExtBot[Guarantee], clock: ForwardClock, ann: Person, fault: str, arrived: int
) -> None:
    await strict.client.set_faults({"sendDocument": {fault: 1}})
    with pytest.raises(MaybeSentError):
        await sending.send_document(ann.id, PDF, filename="report.pdf")
    assert len(await from_bot(ann)) == arrived
    assert clock.sleeps == []


@pytest.mark.parametrize(("fault", "arrived"), [("drop_after", 2), ("drop_before", 1)])
async def test_text_with_lost_answer_is_resent_despite_duplicates(
    strict: Sandbox, sending: ExtBot[Guarantee], clock: ForwardClock, ann: Person, fault: str, arrived: int
) -> None:
    await strict.client.set_faults({"sendMessage": {fault: 1}})
    clock.afterwards = mended(strict)
    await sending.send_message(ann.id, "hello")
    assert [message.text for message in await from_bot(ann)] == ["hello"] * arrived


async def test_edits_and_deletions_with_lost_answers_repeat_without_error(
    strict: Sandbox, sending: ExtBot[Guarantee], clock: ForwardClock, ann: Person
) -> None:
    clock.afterwards = mended(strict)
    kept, gone = await sending.send_message(ann.id, "one"), await sending.send_message(ann.id, "two")
    await strict.client.set_faults({"editMessageText": {"drop_after": 1}})
    await sending.edit_message_text("changed", ann.id, kept.message_id)
    await strict.client.set_faults({"deleteMessage": {"drop_after": 1}})
    assert await sending.delete_message(ann.id, gone.message_id)
    assert [message.text for message in await from_bot(ann)] == ["changed"]
    assert len(clock.sleeps) == 2


async def test_file_waits_for_absent_telegram_and_arrives_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    clock = ForwardClock(SandboxTime())
    async with AsyncExitStack() as stack:
        async with Sandbox.start(port) as first:
            token, url = first.token, first.base_url
            bot = await stack.enter_async_context(ExtBot(token, url, rate_limiter=RateLimiter(clock=clock)))
        people: list[Person] = []

        async def comes_back() -> None:
            if len(clock.sleeps) == 3:
                people.append(await started(await stack.enter_async_context(Sandbox.start(port, token=token)), "Ann"))

        clock.afterwards = comes_back
        await bot.send_document(FIRST_PERSON_ID, PDF, filename="report.pdf")
        assert [message.document is not None for message in await from_bot(people[0])] == [True]
