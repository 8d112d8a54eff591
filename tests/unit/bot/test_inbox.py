"""Between receipt and end: who is handled alone, what is tried again, what an album knows of its members."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text
from telegram import Chat, Message, Update
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter, TimedOut
from telegram.ext import Application

from bot.delivery import error_class, inbox
from bot.delivery.error_class import ErrorClass, KilledError, classify
from bot.delivery.inbox import Deliveries, Delivery
from bot.delivery.raw_update import UnparsableUpdate
from bot.delivery.storage_health import StorageHealth
from bot.errors import MaybeSentError, UserFacingError
from inference.workers.executor import NotRunningError, WorkerDiedError
from storage import Database, ReceivedUpdate
from storage.claims import Claimed
from storage.errors import StorageDownError, UnknownScanError
from tests.bench.offline import InstantTelegram
from tests.databases import database_at


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(database_at(tmp_path / "bot.db"))
    yield database
    await database.close()


def deliveries_of(database: Database, *, shared: bool = False) -> Deliveries:
    """A new process's, on what the one before has left."""
    application = Application.builder().token("1:" + "t" * 35).updater(None).job_queue(None).build()
    deliveries = Deliveries(database, StorageHealth(database), shared=shared)
    deliveries.bind(application)
    return deliveries


def a_text(update_id: int, chat_id: int = 1) -> Update:
    chat = Chat(chat_id, Chat.PRIVATE)
    return Update(update_id, message=Message(update_id, datetime.now(UTC), chat, text="/faq"))


async def put(database: Database, *update_ids: int) -> None:
    for update_id in update_ids:
        await database.inbox.put(ReceivedUpdate(update_id, 1, a_text(update_id).to_json()))


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BadRequest("chat not found"), ErrorClass.FINAL),
        (Forbidden("blocked"), ErrorClass.FINAL),
        (UserFacingError("error.busy"), ErrorClass.FINAL),
        (MaybeSentError("sendPhoto"), ErrorClass.FINAL),
        (WorkerDiedError(), ErrorClass.FINAL),
        (UnknownScanError("gone"), ErrorClass.FINAL),
        (NetworkError("away"), ErrorClass.TRANSIENT),
        (TimedOut(), ErrorClass.TRANSIENT),
        (InvalidToken("Unauthorized"), ErrorClass.TRANSIENT),
        (StorageDownError("full"), ErrorClass.TRANSIENT),
        (NotRunningError(), ErrorClass.TRANSIENT),
        (ZeroDivisionError(), ErrorClass.BUG),
        (KilledError(), ErrorClass.BUG),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_tells_whether_and_when_to_retry(error: Exception, expected: ErrorClass) -> None:
    assert classify(error) is expected


def test_telegrams_request_to_wait_means_retry_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    assert classify(RetryAfter(30)) is ErrorClass.TRANSIENT


async def test_the_raw_update_comes_back_as_it_was(database: Database) -> None:
    deliveries = deliveries_of(database)
    message = Message(7, datetime(2026, 1, 2, tzinfo=UTC), Chat(5, "private"), text="\ud800 \0 naïve 🧠")
    await deliveries.queue.put(Update(3, message=message))
    after = deliveries_of(database)
    await after.refill()
    update = after.queue.get_nowait()
    assert isinstance(update, Update)
    assert update.to_dict() == Update(3, message=message).to_dict()
    assert update.get_bot() is after.application.bot


async def test_an_update_is_queued_once_however_often_it_comes(database: Database) -> None:
    deliveries = deliveries_of(database)
    for _ in range(3):
        await deliveries.queue.put(a_text(1))
    assert deliveries.queue.qsize() == 1


async def test_cancelled_receipt_is_kept_and_queued_or_neither(database: Database) -> None:
    deliveries = deliveries_of(database)
    putting = asyncio.create_task(deliveries.queue.put(a_text(1)))
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait({putting})
    update = await asyncio.wait_for(deliveries.queue.get(), 10)
    assert update == a_text(1)
    assert len(await database.inbox.recover()) == 1


async def test_update_kept_after_stop_waits_for_next_start(database: Database, tmp_path: Path) -> None:
    queue = deliveries_of(database).queue
    telegram = InstantTelegram(lambda _: b"", lambda *_: None)
    building = Application.builder().token("1:" + "t" * 35).request(telegram).get_updates_request(telegram)
    application = building.update_queue(queue).updater(None).job_queue(None).build()
    await application.initialize()
    await application.start()
    with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the receipt takes until after the stop
        putting = asyncio.create_task(queue.put(a_text(1)))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await application.stop()
    await putting
    await application.shutdown()
    assert queue.empty()
    assert [kept.update_id for kept in await database.inbox.recover()] == [1]


@pytest.mark.parametrize(
    "payload",
    ['{"update_id": "no json', '{"update_id": 1, "message": {"message_id": 1, "date": "soon"}}', '{"message": 1}'],
    ids=["no json", "a date of another kind", "a message of another kind"],
)
async def test_unreadable_stored_update_is_set_aside_alone(database: Database, payload: str) -> None:
    await database.inbox.put(ReceivedUpdate(1, 1, payload))
    await put(database, 2)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    assert deliveries.queue.get_nowait() == a_text(2)
    assert deliveries.queue.empty()
    assert [kept.update_id for kept in await database.inbox.recover()] == [2]


class Gate:
    """Goes through ``isolated`` with updates, and stays inside until let go."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self.inside: list[int] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._go: dict[int, asyncio.Event] = {}
        self._news = asyncio.Condition()

    async def holds(self, *update_ids: int) -> None:
        """Wait until these are inside."""
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(lambda: self.inside == list(update_ids))

    async def come(self, *update_ids: int) -> None:
        for update_id in update_ids:
            self._go[update_id] = asyncio.Event()
            self._tasks[update_id] = asyncio.create_task(self._pass(update_id))
        await settled()

    async def _pass(self, update_id: int) -> None:
        async with self._deliveries.isolated(a_text(update_id)):
            self.inside.append(update_id)
            async with self._news:
                self._news.notify_all()
            await self._go[update_id].wait()
        self.inside.remove(update_id)

    async def leave(self, *update_ids: int) -> None:
        for update_id in update_ids:
            self._go[update_id].set()
            await self._tasks[update_id]
        await settled()


async def killed_in_company(database: Database, times: int, *update_ids: int) -> None:
    for _ in range(times):
        for update_id in update_ids:
            await database.inbox.begin(update_id)
        await database.inbox.recover()


async def the_suspects_go_first(deliveries: Deliveries) -> None:
    """Of 1, 2 and 3, of which 1 and 3 are suspects."""
    gate = Gate(deliveries)
    await gate.come(1, 2, 3)
    assert gate.inside == [1]
    await gate.leave(1)
    assert gate.inside == [3]
    await gate.leave(3)
    assert gate.inside == [2]
    await gate.leave(2)


async def test_suspects_are_handled_one_by_one_before_all_others(database: Database) -> None:
    await put(database, 1, 2, 3)
    await killed_in_company(database, inbox.KILLS_TO_QUARANTINE, 1, 3)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    await the_suspects_go_first(deliveries)


async def test_replica_handles_claimed_suspects_one_by_one(database: Database) -> None:
    await put(database, 1, 2, 3)
    await killed_in_company(database, inbox.KILLS_TO_QUARANTINE, 1, 3)
    deliveries = deliveries_of(database, shared=True)
    await deliveries.take_in([Claimed(update, was_claimed=True) for update in await database.inbox.recover()])
    await the_suspects_go_first(deliveries)


async def test_update_alone_at_a_kill_goes_first(database: Database) -> None:
    await put(database, 1, 2)
    await killed_in_company(database, 1, 2)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    gate = Gate(deliveries)
    await gate.come(1, 2)
    assert gate.inside == [2]
    await gate.leave(2)
    assert gate.inside == [1]
    await gate.leave(1)


async def test_suspect_that_cannot_be_read_makes_nobody_wait(database: Database) -> None:
    await database.inbox.put(ReceivedUpdate(1, 1, "no json"))
    await put(database, 2)
    await killed_in_company(database, inbox.KILLS_TO_QUARANTINE, 1)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    gate = Gate(deliveries)
    await gate.come(2)
    assert gate.inside == [2]
    await gate.leave(2)


async def test_a_few_kills_in_company_make_nobody_wait(database: Database) -> None:
    await put(database, 1, 2, 3)
    await killed_in_company(database, inbox.KILLS_TO_QUARANTINE - 1, 1, 2)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    gate = Gate(deliveries)
    await gate.come(1, 2, 3)
    assert gate.inside == [1, 2, 3]
    await gate.leave(1, 2, 3)


async def test_slow_suspects_hold_up_neither_others_nor_each_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "QUARANTINE_FOR", 0.01)
    await put(database, 1, 2, 3)
    await killed_in_company(database, inbox.KILLS_TO_QUARANTINE, 1, 2)
    deliveries = deliveries_of(database)
    await deliveries.refill()
    gate = Gate(deliveries)
    await gate.come(1, 2, 3)
    await gate.holds(1, 3, 2)
    await gate.leave(1, 2, 3)


async def test_long_running_update_is_not_blamed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "PARK_AFTER", 0.01)
    await put(database, 1)
    deliveries = deliveries_of(database)
    parked, go = asyncio.Event(), asyncio.Event()
    park = database.inbox.park

    async def note_park(update_id: int) -> None:
        await park(update_id)
        parked.set()

    monkeypatch.setattr(database.inbox, "park", note_park)
    handling = asyncio.create_task(deliveries.handle(a_text(1), go.wait()))
    await asyncio.wait_for(parked.wait(), 10)
    [kept] = await database.inbox.recover()
    assert (kept.attempts, kept.kills) == (0, 0)
    go.set()
    await handling
    assert await database.inbox.recover() == ()


async def test_update_is_parked_once_storage_is_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "PARK_AFTER", 0.0)
    await put(database, 1)
    delivery = Delivery(1, database.inbox)
    assert await delivery.begin()
    park, failures, parked = database.inbox.park, [StorageDownError("full")], asyncio.Event()

    async def park_at_last(update_id: int) -> None:
        if failures:
            raise failures.pop()
        await park(update_id)
        parked.set()

    monkeypatch.setattr(database.inbox, "park", park_at_last)
    parking = asyncio.create_task(delivery.park_when_waiting())
    await asyncio.wait_for(parked.wait(), 10)
    parking.cancel()
    [kept] = await database.inbox.recover()
    assert (kept.attempts, kept.kills) == (0, 0)


async def test_cancelled_handler_leaves_its_update_for_next_process(database: Database) -> None:
    await put(database, 1)
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    handling = asyncio.create_task(deliveries_of(database).handle(a_text(1), work()))
    await asyncio.wait_for(begun.wait(), 10)
    handling.cancel()
    await asyncio.wait({handling})
    [kept] = await database.inbox.recover()
    assert (kept.attempts, kept.kills) == (0, 0)


async def test_handler_ends_when_stopped_without_a_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(database, 1)
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def park(_: int) -> None:
        raise StorageDownError("full")

    monkeypatch.setattr(database.inbox, "park", park)
    handling = asyncio.create_task(deliveries_of(database).handle(a_text(1), work()))
    await asyncio.wait_for(begun.wait(), 10)
    handling.cancel()
    await asyncio.wait({handling})
    assert handling.cancelled()


async def test_album_members_know_what_was_sent_and_finished(database: Database) -> None:
    await put(database, 1, 2, 3)
    await database.inbox.record(1, inbox.STATUS, 50)
    await database.inbox.record(2, inbox.REFUSAL, 51)
    await database.inbox.done(3)
    delivery = Delivery(2, database.inbox)
    assert await delivery.begin()
    await delivery.gather((1, 2, 3))
    assert delivery.status == 50
    assert delivery.sent(2) == {inbox.REFUSAL: 51}
    assert await delivery.take_up(2)
    assert await delivery.take_up(1)
    assert not await delivery.take_up(3)


async def test_picture_that_failed_three_times_is_not_restarted(database: Database) -> None:
    await put(database, 1, 2)
    for _ in range(error_class.MOST_ATTEMPTS):
        await database.inbox.fail(2)
    delivery = Delivery(1, database.inbox)
    assert await delivery.begin()
    with pytest.raises(KilledError):
        await delivery.take_up(2)
    assert delivery.current == 2


async def test_update_that_bypassed_the_queue_needs_no_row(database: Database) -> None:
    delivery = deliveries_of(database).of(a_text(9))
    assert (delivery.update_id, delivery.rejected) == (9, False)
    assert delivery.sent() == deliveries_of(database).of(None).sent() == {}
    assert await delivery.begin()
    await delivery.gather((9, 10))
    await delivery.park()
    assert not delivery.is_parked
    assert await delivery.take_up(10)
    await delivery.record(inbox.STATUS, 4)
    assert delivery.status == 4


async def test_a_batch_is_kept_in_one_transaction(database: Database) -> None:
    deliveries = deliveries_of(database)
    commits: list[object] = []
    note = commits.append
    event.listen(Engine, "commit", note)
    try:
        await deliveries.queue.put_all([a_text(number, chat_id=number) for number in range(1, 101)])
    finally:
        event.remove(Engine, "commit", note)
    assert len(commits) == 1
    assert deliveries.queue.qsize() == 100


async def test_only_new_readable_updates_of_batch_are_queued(database: Database) -> None:
    deliveries = deliveries_of(database)
    await deliveries.queue.put(a_text(1))
    unreadable = UnparsableUpdate({"update_id": 3, "message": {"chat": {"id": 5}}}, ValueError("odd"))
    await deliveries.queue.put_all([a_text(1), a_text(2), unreadable, a_text(2), a_text(4)])
    queued = [deliveries.queue.get_nowait() for _ in range(deliveries.queue.qsize())]
    assert queued == [a_text(1), a_text(2), a_text(4)]
    assert [letter.update_id for letter in await database.inbox.dead_letters()] == [3]


async def test_batch_that_cannot_be_kept_is_not_queued(database: Database) -> None:
    deliveries = deliveries_of(database)
    await database._sessions.write(lambda at: at.execute(text("DROP TABLE inbox")).close())
    with pytest.raises(StorageDownError):
        await deliveries.queue.put_all([a_text(1), a_text(2)])
    assert deliveries.queue.empty()
