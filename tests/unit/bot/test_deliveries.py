"""How an update comes to its end: answered, refused, tried again, or kept for the operator."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from telegram import Chat, Message, Update
from telegram.error import BadRequest, NetworkError
from telegram.ext import Application, CallbackContext, TypeHandler

from bot.delivery import inbox
from bot.delivery.backoff import Backoff
from bot.delivery.durable_queue import MOST_COMMANDS_OF_CHAT
from bot.delivery.error_class import MOST_ATTEMPTS
from bot.delivery.inbox import STATUS, Deliveries, Delivery
from bot.delivery.storage_health import StorageHealth
from bot.operations.audit import AuditLog
from bot.operations.metrics import Ending, Metrics, UpdateKind
from storage import Database, ReceivedUpdate
from storage.claims import Claimed
from storage.errors import StorageDownError
from tests.bench.offline import InstantTelegram
from tests.databases import database_at

ANNA = 7


def a_text(update_id: int = 1) -> Update:
    return Update(update_id, message=Message(update_id, datetime.now(UTC), Chat(ANNA, Chat.PRIVATE), text="hello"))


class Counted(Metrics):
    """What came, and how updates ended."""

    def __init__(self) -> None:
        self.came: list[UpdateKind] = []
        self.endings: list[Ending] = []

    def update_came(self, kind: UpdateKind) -> None:
        self.came.append(kind)

    def update_ended(self, ending: Ending, seconds: float) -> None:
        assert seconds >= 0
        self.endings.append(ending)


class Noted(AuditLog):
    """What was noted."""

    def __init__(self) -> None:
        self.lines: list[tuple[int | None, str, str]] = []

    def note(self, who: int | None, what: str, outcome: str) -> None:
        self.lines.append((who, what, outcome))


@dataclass
class Desk:
    """A bot whose one handler fails as it is told, once for each error, and then answers."""

    database: Database
    deliveries: Deliveries
    metrics: Counted
    audit: Noted
    errors: list[Exception] = field(default_factory=list)
    attempts: list[Delivery] = field(default_factory=list)
    verdicts: list[tuple[bool, bool]] = field(default_factory=list)
    """For each error: whether the update is handled again, and whether it is kept for the operator."""
    what: str = ""
    outcome: str = ""
    erases: bool = False
    takes_up: tuple[int, ...] = ()
    """The other updates of its album; each is taken up before the errors come."""

    async def answer(self, update: Update, _: object) -> None:
        delivery = self.deliveries.of(update)
        self.attempts.append(delivery)
        delivery.what, delivery.outcome = self.what or delivery.what, self.outcome or delivery.outcome
        delivery.erases = self.erases or delivery.erases
        await delivery.gather((update.update_id, *self.takes_up))
        for other in self.takes_up:
            if not await delivery.take_up(other):
                return
        if self.errors:
            raise self.errors.pop(0)

    async def on_error(self, update: object, context: CallbackContext[Any, Any, Any, Any]) -> None:
        error = context.error
        assert error is not None
        again = self.deliveries.failed(update, error)
        self.verdicts.append((again, self.deliveries.becomes_dead_letter(update, error)))

    async def handle(self, *errors: Exception) -> None:
        """Keep an update and handle it to its end, the first attempts failing so."""
        self.errors += errors
        update = a_text()
        await self.deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
        async with asyncio.timeout(60):
            await self.deliveries.handle(update, self.deliveries.application.process_update(update))

    async def left(self) -> tuple[list[int], list[int]]:
        """Ids of what is unfinished, and of dead letters."""
        rows = self.deliveries.rows
        return [one.update_id for one in await rows.recover()], [one.update_id for one in await rows.dead_letters()]


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    for name in ("AFTER_A_BUG", "AFTER_TROUBLE"):
        monkeypatch.setattr(inbox, name, Backoff(0.0, 0.0))
    telegram = InstantTelegram(lambda _: b"", lambda *_: None)
    building = Application.builder().token("1:" + "t" * 35).request(telegram).get_updates_request(telegram)
    application = building.updater(None).job_queue(None).build()
    database = await Database.open(database_at(tmp_path / "bot.db"))
    metrics, audit = Counted(), Noted()
    deliveries = Deliveries(database, StorageHealth(database), metrics=metrics, audit=audit)
    desk = Desk(database, deliveries, metrics, audit)
    desk.deliveries.bind(application)
    application.add_handler(TypeHandler(Update, desk.answer))
    application.add_error_handler(desk.on_error)
    async with application:
        yield desk
    await database.close()


def times(count: int, error: type[Exception]) -> Iterable[Exception]:
    return (error("as a test wishes") for _ in range(count))


async def test_a_bug_is_tried_again_and_then_kept(desk: Desk) -> None:
    await desk.handle(*times(9, ZeroDivisionError))
    assert len(desk.attempts) == MOST_ATTEMPTS
    assert desk.verdicts == [(True, True)] * (MOST_ATTEMPTS - 1) + [(False, True)]
    assert desk.metrics.endings == [Ending.AGAIN] * (MOST_ATTEMPTS - 1) + [Ending.DEAD_LETTER]
    assert await desk.left() == ([], [1])


async def test_a_network_that_is_away_costs_no_attempt(desk: Desk) -> None:
    await desk.handle(*times(MOST_ATTEMPTS + 2, NetworkError))
    assert len(desk.attempts) == MOST_ATTEMPTS + 3
    assert {delivery.failed for delivery in desk.attempts} == {0}
    assert desk.verdicts == [(True, True)] * (MOST_ATTEMPTS + 2)
    assert desk.metrics.endings[-2:] == [Ending.AGAIN, Ending.DONE]
    assert await desk.left() == ([], [])


class Asked:
    """Pauses of no length, which note for how many failures each was asked."""

    def __init__(self) -> None:
        self.failures: list[int] = []

    def pause(self, failures: int) -> float:
        self.failures.append(failures)
        return 0.0


@pytest.mark.parametrize(("pauses", "error"), [("AFTER_A_BUG", ZeroDivisionError), ("AFTER_TROUBLE", NetworkError)])
async def test_pause_grows_with_each_failure_in_succession(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pauses: str, error: type[Exception]
) -> None:
    asked = Asked()
    monkeypatch.setattr(inbox, pauses, asked)
    await desk.handle(*times(MOST_ATTEMPTS - 1, error))
    assert asked.failures == list(range(MOST_ATTEMPTS - 1))


async def test_trouble_beyond_all_patience_is_kept_for_the_operator(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE", timedelta(0))
    await desk.handle(*times(1, NetworkError))
    assert desk.verdicts == [(False, True)]
    assert await desk.left() == ([], [1])


async def test_trouble_is_borne_for_a_day() -> None:
    patience = timedelta(seconds=Delivery(1).deadline - asyncio.get_running_loop().time())
    assert timedelta(hours=23) < patience <= timedelta(days=1)


async def test_a_final_refusal_ends_it_at_once(desk: Desk) -> None:
    await desk.handle(*times(1, BadRequest))
    assert desk.verdicts == [(False, False)]
    assert desk.metrics.endings == [Ending.REFUSED]
    assert await desk.left() == ([], [])


async def test_nothing_is_in_work_after_its_end(desk: Desk) -> None:
    await desk.handle()
    assert not desk.deliveries.becomes_dead_letter(a_text(), ZeroDivisionError())


async def test_errors_outside_the_queue_are_neither_retried_nor_kept(desk: Desk) -> None:
    for update in (a_text(9), object(), None):
        assert not desk.deliveries.failed(update, ZeroDivisionError())
        assert not desk.deliveries.becomes_dead_letter(update, ZeroDivisionError())


async def test_what_nobody_wants_any_more_ends_unhandled(desk: Desk) -> None:
    update = a_text()
    await desk.deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    coroutine = desk.deliveries.application.process_update(update)
    await desk.deliveries.handle(update, coroutine, is_wanted=lambda: False)
    assert desk.attempts == []
    assert await desk.left() == ([], [])


@pytest.mark.parametrize(
    ("errors", "outcome", "noted"),
    [([], "", "done"), ([BadRequest("no")], "", "refused"), ([], "refused: not_a_scan", "refused: not_a_scan")],
    ids=["done", "refused", "said by the handler"],
)
async def test_the_audit_log_hears_of_each_ending(
    desk: Desk, errors: list[Exception], outcome: str, noted: str
) -> None:
    desk.what, desk.outcome = "picture", outcome
    await desk.handle(*errors)
    assert desk.audit.lines == [(ANNA, "picture", noted)]


async def test_what_is_about_nothing_is_not_noted(desk: Desk) -> None:
    await desk.handle()
    assert desk.audit.lines == []


async def test_what_awaited_a_yes_is_accepted_until_its_end(desk: Desk) -> None:
    update, rows = a_text(), desk.deliveries.rows
    await rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    await rows.await_consent(1)
    assert not desk.deliveries.was_accepted(update)
    assert await desk.deliveries.release(ANNA) == 1
    assert desk.deliveries.was_accepted(update)
    assert desk.deliveries.queue.get_nowait() == update
    await desk.deliveries.handle(update, desk.deliveries.application.process_update(update))
    assert not desk.deliveries.was_accepted(update)


async def test_parked_update_is_in_work_when_resumed(desk: Desk) -> None:
    rows = desk.deliveries.rows
    await rows.put(ReceivedUpdate(1, ANNA, a_text().to_json()))
    delivery = Delivery(1, rows)
    parked = [delivery.is_parked]
    assert await delivery.begin()
    await delivery.park()
    parked.append(delivery.is_parked)
    assert await delivery.take_up(1)
    assert (delivery.current, [*parked, delivery.is_parked]) == (1, [False, True, False])
    [left] = await rows.recover()
    assert left.attempts == 1, "it was alone in work when its process ended"


async def test_next_attempt_knows_what_an_album_has_sent(desk: Desk) -> None:
    rows, album = desk.deliveries.rows, (1, 2)
    await rows.put(*(ReceivedUpdate(one, ANNA, a_text(one).to_json()) for one in album))
    first = Delivery(1, rows)
    await first.begin()
    await first.gather(album)
    await first.record(STATUS, 11)
    assert await first.take_up(2)
    await first.record("picture", 12, 2)
    assert [first.sent(), first.sent(2)] == [{STATUS: 11}, {"picture": 12}]

    again = Delivery(1, rows)
    await again.begin()
    assert (again.status, again.message_of("picture")) == (11, None)
    assert again.sent() == {STATUS: 11}
    await again.gather(album)
    assert [again.sent(), again.sent(2)] == [{STATUS: 11}, {"picture": 12}]
    assert again.message_of("picture") == 12


async def test_only_the_picture_in_work_is_blamed_for_a_kill(desk: Desk) -> None:
    rows = desk.deliveries.rows
    await rows.put(*(ReceivedUpdate(one, ANNA, a_text(one).to_json()) for one in (1, 2)))
    delivery = Delivery(1, rows)
    await delivery.begin()
    await delivery.take_up(2)
    assert {left.update_id: (left.attempts, left.kills) for left in await rows.recover()} == {1: (0, 0), 2: (1, 0)}


async def test_what_was_finished_meanwhile_is_not_handled_again(desk: Desk) -> None:
    update = a_text()
    await desk.deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    await desk.deliveries.rows.done(1)
    await desk.deliveries.handle(update, desk.deliveries.application.process_update(update))
    assert (desk.attempts, desk.metrics.endings) == ([], [])


async def test_update_that_failed_too_often_is_not_begun(desk: Desk) -> None:
    update, rows = a_text(), desk.deliveries.rows
    await rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    for _ in range(MOST_ATTEMPTS):
        await rows.fail(1)
    await desk.deliveries.handle(update, desk.deliveries.application.process_update(update))
    assert desk.attempts == []
    assert desk.verdicts == [(False, True)], "its sender is told"
    assert await desk.left() == ([], [1])


@pytest.mark.parametrize(
    ("error", "attempts", "kept"), [(BadRequest, 2, []), (ZeroDivisionError, MOST_ATTEMPTS + 1, [2])]
)
async def test_one_picture_that_fails_does_not_end_its_album(
    desk: Desk, error: type[Exception], attempts: int, kept: list[int]
) -> None:
    await desk.deliveries.rows.put(ReceivedUpdate(2, ANNA, a_text(2).to_json()))
    desk.takes_up = (2,)
    await desk.handle(*times(attempts - 1, error))
    assert len(desk.attempts) == attempts
    assert desk.metrics.endings[-1] is Ending.DONE
    assert await desk.left() == ([], kept)


async def test_answered_album_is_finished_whole(desk: Desk) -> None:
    await desk.deliveries.rows.put(ReceivedUpdate(2, ANNA, a_text(2).to_json()))
    desk.takes_up = (2,)
    await desk.handle()
    assert await desk.left() == ([], [])


async def test_a_pause_between_attempts_holds_no_slot(desk: Desk) -> None:
    held: list[str] = []

    @asynccontextmanager
    async def slot() -> AsyncIterator[None]:
        held.append("taken")
        yield
        held.append(f"left after {len(desk.attempts)}")

    update = a_text()
    await desk.deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    desk.errors = list(times(2, NetworkError))
    await desk.deliveries.handle(update, desk.deliveries.application.process_update(update), slot=slot)
    assert held == ["taken", "left after 1", "taken", "left after 2", "taken", "left after 3"]


@pytest.mark.parametrize("rejected", [True, False])
async def test_handler_knows_when_too_many_waited_before(desk: Desk, *, rejected: bool) -> None:
    update = a_text()
    await desk.deliveries.rows.put(ReceivedUpdate(1, ANNA, update.to_json()))
    coroutine = desk.deliveries.application.process_update(update)
    handle = desk.deliveries.handle
    await (handle(update, coroutine, rejected=True) if rejected else handle(update, coroutine))
    assert [delivery.rejected for delivery in desk.attempts] == [rejected]


@pytest.mark.parametrize("erases", [True, False])
async def test_disk_is_cleared_after_the_press_that_deleted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, erases: bool
) -> None:
    unfinished_then: list[list[int]] = []
    scrub = desk.deliveries.rows.scrub

    async def note_scrub() -> None:
        unfinished_then.append([one.update_id for one in await desk.deliveries.rows.recover()])
        await scrub()

    monkeypatch.setattr(desk.deliveries.rows, "scrub", note_scrub)
    desk.erases = erases
    await desk.handle()
    assert unfinished_then == [[]] * erases


async def test_tidying_keeps_what_is_not_old_enough(desk: Desk, tmp_path: Path) -> None:
    rows = desk.deliveries.rows
    days = {1: 1.9, 2: 2.1, 3: 29.9, 4: 30.1, 5: 6.9, 6: 7.1, 7: 99}
    await rows.put(*(ReceivedUpdate(update_id, ANNA, "words") for update_id in days))
    await rows.done(1, 2)
    for update_id in (3, 4):
        await rows.dead_letter(update_id, "an error")
    for update_id in (5, 6):
        await rows.await_consent(update_id)
    with closing(sqlite3.connect(tmp_path / "bot.db")) as raw:
        for update_id, ago in days.items():
            when = (datetime.now(UTC) - timedelta(days=ago)).replace(tzinfo=None).isoformat(" ")
            raw.execute("UPDATE inbox SET received_at = ? WHERE update_id = ?", (when, update_id))
            raw.execute(
                "UPDATE inbox SET finished_at = ? WHERE update_id = ? AND finished_at IS NOT NULL", (when, update_id)
            )
        raw.commit()
        await desk.deliveries.tidy()
        left = raw.execute("SELECT update_id, state, payload FROM inbox ORDER BY id").fetchall()
    assert left == [
        (1, "done", ""),
        (3, "dead_letter", "words"),
        (5, "awaiting_consent", "words"),
        (6, "done", ""),
        (7, "waiting", "words"),
    ]


async def test_tidying_forgets_strangers_and_counts_of_past_days(desk: Desk, tmp_path: Path) -> None:
    database = desk.database
    for chat_id in (1, 2, 3):
        await database.people.register(chat_id, "A", "en")
    await database.people.give_consent(3, 1)
    today = datetime.now(UTC).date()
    with closing(sqlite3.connect(tmp_path / "bot.db")) as raw:
        for chat_id, ago in ((1, 6), (2, 8), (3, 99)):
            when = (datetime.now(UTC) - timedelta(days=ago)).replace(tzinfo=None).isoformat(" ")
            raw.execute("UPDATE people SET created_at = ? WHERE chat_id = ?", (when, chat_id))
        for ago in range(4):
            raw.execute(
                "INSERT INTO usage (person_id, day, scans) SELECT id, ?, 1 FROM people WHERE chat_id = 3",
                ((today - timedelta(days=ago)).isoformat(),),
            )
        raw.commit()
        await desk.deliveries.tidy()
        assert raw.execute("SELECT chat_id FROM people ORDER BY chat_id").fetchall() == [(1,), (3,)]
        days = [day for (day,) in raw.execute("SELECT day FROM usage ORDER BY day DESC")]
    assert days == [(today - timedelta(days=ago)).isoformat() for ago in range(2)]


async def test_tidying_goes_on_whatever_a_round_met(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, enough = 0, asyncio.Event()

    async def tidy() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            enough.set()
        raise StorageDownError("full")

    monkeypatch.setattr(inbox, "TIDY_EVERY", 0.0)
    monkeypatch.setattr(desk.deliveries, "tidy", tidy)
    keeping = asyncio.create_task(desk.deliveries.keep_tidy())
    async with asyncio.timeout(60):
        await enough.wait()
    keeping.cancel()


@pytest.mark.parametrize("shared", [False, True])
async def test_updates_that_come_are_counted_once(desk: Desk, *, shared: bool) -> None:
    metrics = Counted()
    deliveries = Deliveries(desk.database, StorageHealth(desk.database), metrics=metrics, shared=shared)
    for _ in range(2):
        await deliveries.queue.put_all([a_text(1), a_text(2)])
    assert metrics.came == [UpdateKind.TEXT] * 2


async def test_replica_queues_claims_and_sets_unreadable_aside(desk: Desk) -> None:
    deliveries = Deliveries(desk.database, StorageHealth(desk.database), shared=True)
    deliveries.bind(desk.deliveries.application)
    updates = [ReceivedUpdate(one, ANNA, a_text(one).to_json()) for one in (1, 2)]
    await deliveries.rows.put(*updates, ReceivedUpdate(3, ANNA, "no json"), ReceivedUpdate(4, ANNA, "no json"))
    pending = await deliveries.rows.recover()
    await deliveries.take_in([Claimed(update, update.update_id % 2 == 0) for update in pending])
    taken = [deliveries.queue.get_nowait() for _ in range(2)]
    queued = {update.update_id for update in taken if isinstance(update, Update)}
    assert (queued, deliveries.queue.empty()) == ({1, 2}, True)
    assert [deliveries.was_accepted(a_text(one)) for one in (1, 2)] == [False, True], "taken in once, never turned away"
    letters = await deliveries.rows.dead_letters()
    assert [(one.update_id, "JSONDecodeError" in one.error) for one in letters] == [(3, True), (4, True)]


async def test_replica_finishes_commands_that_anothers_answer_covers(desk: Desk) -> None:
    deliveries = Deliveries(desk.database, StorageHealth(desk.database), shared=True)
    deliveries.bind(desk.deliveries.application)
    answered = list(range(1, MOST_COMMANDS_OF_CHAT + 2))  # the last of them by one word for all that follow
    for update_id in (*answered, 98, 99):
        await deliveries.rows.put(ReceivedUpdate(update_id, ANNA, a_text(update_id).to_json()))
    await deliveries.take_in([Claimed(update, was_claimed=False) for update in await deliveries.rows.recover()])
    assert await desk.left() == (answered, [])


async def test_replica_leaves_what_waits_to_be_claimed(desk: Desk) -> None:
    deliveries = Deliveries(desk.database, StorageHealth(desk.database), shared=True)
    deliveries.bind(desk.deliveries.application)
    await deliveries.rows.put(ReceivedUpdate(1, ANNA, a_text().to_json()))
    await deliveries.refill()
    assert deliveries.queue.empty()
