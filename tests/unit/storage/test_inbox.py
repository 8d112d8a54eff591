"""The inbox: nothing that was put in is lost, nothing is done twice, and what is finished tells nothing of anybody."""

import asyncio
import signal
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from storage import Database, Person, ReceivedUpdate, StorageError
from storage.inbox import TEXT_STEP
from tests.conftest import PROJECT
from tests.unit.storage.conftest import ANNA, BORIS, in_no_order, put

LATER = datetime.now(UTC) + timedelta(days=400)


async def ended_while_in_work(db: Database) -> tuple[int, ...]:
    """What the next process finds, oldest first."""
    return tuple(kept.update_id for kept in await db.inbox.recover())


async def test_redelivered_update_is_known_in_every_state(db: Database) -> None:
    await put(db, 1, 2, 3, 4, 5)
    await db.inbox.begin(2)
    await db.inbox.await_consent(3)
    await db.inbox.done(4)
    await db.inbox.dead_letter(5, "broken")
    again = [ReceivedUpdate(update_id, ANNA, "again") for update_id in range(1, 7)]
    assert await db.inbox.put(*again) == {6}
    assert [kept.payload for kept in await db.inbox.recover()] == ["update 1", "update 2", "again"]


async def test_unfinished_updates_return_in_order_of_arrival(db: Database) -> None:
    await put(db, 900_000_001, 7, 2**40, 8)
    await db.inbox.done(7)
    assert await ended_while_in_work(db) == (900_000_001, 2**40, 8)


async def test_order_of_arrival_is_asked_for_not_found_by_chance(db: Database) -> None:
    await put(db, 3, 1, 2)
    with in_no_order():
        assert await ended_while_in_work(db) == (3, 1, 2)


async def test_stored_update_survives_an_immediate_kill(file: Path, db: Database) -> None:
    program = (
        "import asyncio, sys\n"
        "from storage import Database, ReceivedUpdate\n"
        "async def main():\n"
        "    db = await Database.open(sys.argv[1])\n"
        "    await db.inbox.put(ReceivedUpdate(77, 1, 'a text'))\n"
        "    print('put', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, f"sqlite+aiosqlite:///{file}", cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"put\n"
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert [(kept.update_id, kept.payload) for kept in await db.inbox.recover()] == [(77, "a text")]


async def test_only_the_receipt_waits_for_the_disk(db: Database) -> None:
    def level(at: Connection) -> object:
        return at.scalar(text("PRAGMA synchronous"))

    full, normal = 2, 1
    assert [await db._sessions.write(level, durable=durable) for durable in (True, False)] == [full, normal]
    levels: list[object] = []
    await db.inbox.put(ReceivedUpdate(1, ANNA, "update 1"), also=lambda at: levels.append(level(at)))
    assert levels == [full]


async def test_failures_are_counted_and_finished_updates_are_not_begun(db: Database) -> None:
    await put(db, 1, 2)
    assert [await db.inbox.fail(1) for _ in range(3)] == [1, 2, 3]
    attempt = await db.inbox.begin(1)
    assert attempt is not None
    assert attempt.failed == 3
    await db.inbox.done(2)
    assert await db.inbox.begin(2) is None
    assert await db.inbox.fail(2) == 0
    assert await db.inbox.begin(3) is None


async def test_kill_during_a_lone_update_counts_against_it(db: Database) -> None:
    await put(db, 1, 2)
    for _ in range(2):
        await db.inbox.begin(1)
        await db.inbox.recover()
    first, second = await db.inbox.recover()
    assert (first.attempts, first.kills) == (2, 0)
    assert (second.attempts, second.kills) == (0, 0)


async def test_kill_among_several_is_noted_without_blaming_any(db: Database) -> None:
    await put(db, 1, 2, 3)
    for _ in range(5):
        await db.inbox.begin(1)
        await db.inbox.begin(2)
        await db.inbox.recover()
    assert [(kept.attempts, kept.kills) for kept in await db.inbox.recover()] == [(0, 5), (0, 5), (0, 0)]


async def test_a_kill_counts_against_none_that_rested(db: Database) -> None:
    await put(db, 1)
    await db.inbox.begin(1)
    await db.inbox.park(1)
    [kept] = await db.inbox.recover()
    assert (kept.attempts, kept.kills) == (0, 0)


async def test_moving_on_in_album_leaves_previous_update_unblamed(db: Database) -> None:
    await put(db, 1, 2)
    await db.inbox.fail(1)
    await db.inbox.begin(1)
    assert await db.inbox.move_on(1, 2) is not None
    first, second = await db.inbox.recover()
    assert (first.attempts, second.attempts) == (0, 1)


async def test_what_was_sent_is_known_to_the_next_attempt(db: Database) -> None:
    await put(db, 1, 2)
    await db.inbox.begin(1)
    await db.inbox.record(1, "status", 40)
    await db.inbox.record(1, "refusal", 41)
    attempt = await db.inbox.begin(1)
    assert attempt is not None
    assert attempt.messages == {"status": 40, "refusal": 41}
    assert await db.inbox.recorded(1, 2, 3) == {1: {"status": 40, "refusal": 41}, 2: {}}


async def test_held_updates_survive_restart_and_keep_their_order(db: Database) -> None:
    await put(db, 3, 1, 2)
    await put(db, 9, chat_id=BORIS)
    for update_id in (1, 2, 3, 9):
        await db.inbox.begin(update_id)
        await db.inbox.await_consent(update_id)
        await db.inbox.done(update_id)  # what the processor says after every handler
    assert await ended_while_in_work(db) == ()
    assert await db.inbox.awaiting_consent(ANNA) == 3
    assert [kept.update_id for kept in await db.inbox.release(ANNA)] == [3, 1, 2]
    assert await db.inbox.awaiting_consent(ANNA) == 0
    assert await ended_while_in_work(db) == (3, 1, 2)
    assert await db.inbox.awaiting_consent(BORIS) == 1


async def test_held_update_says_its_own_texts_anew(db: Database) -> None:
    await put(db, 1)
    await db.inbox.record(1, f"{TEXT_STEP}hello", 41)
    await db.inbox.record(1, "status", 51)
    await db.inbox.await_consent(1)
    assert await db.inbox.recorded(1) == {1: {"status": 51}}


async def test_dropping_finishes_what_is_held_and_what_is_named(db: Database) -> None:
    await put(db, 1, 2, 3)
    await db.inbox.await_consent(1)
    assert await db.inbox.drop(ANNA, 2) == 1
    assert await ended_while_in_work(db) == (3,)


async def test_a_finished_update_is_a_bare_id(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1)
    await db.inbox.record(1, "status", 4)
    await db.inbox.done(1)
    row = raw.execute("SELECT update_id, chat_id, payload, messages, error FROM inbox").fetchone()
    assert row == (1, None, "", "{}", None)


async def test_only_what_was_finished_long_ago_is_forgotten(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1, 2, 3, 4)
    await db.inbox.done(1)
    await db.inbox.dead_letter(2, "broken")
    await db.inbox.await_consent(3)
    before = datetime.now(UTC) - timedelta(days=1)
    assert await db.inbox.prune(before, before) == 0
    assert await db.inbox.prune(LATER, before) == 1
    assert [one.update_id for one in await db.inbox.dead_letters()] == [2]
    assert await db.inbox.prune(before, LATER) == 1
    assert raw.execute("SELECT update_id FROM inbox").fetchall() == [(3,), (4,)]


async def test_deleting_a_person_keeps_only_what_redelivery_needs(
    db: Database, anna: Person, raw: sqlite3.Connection
) -> None:
    await put(db, 1, 2)
    await db.inbox.await_consent(1)
    await db.inbox.dead_letter(2, "Anna")
    await db.people.delete(ANNA)
    assert raw.execute("SELECT chat_id, payload, error FROM inbox").fetchall() == [(None, "", None)] * 2
    assert not await db.inbox.put(ReceivedUpdate(1, ANNA, "again"))


async def test_concurrent_updates_are_all_kept_without_lock_errors(db: Database) -> None:
    async def one(number: int) -> None:
        await db.people.register(number, "P", "en")
        await put(db, number, chat_id=number)
        await db.inbox.begin(number)
        await db.inbox.record(number, "status", 1)
        await db.inbox.done(number)

    await asyncio.gather(*(one(number) for number in range(64)))
    assert await db.inbox.recover() == ()


async def test_no_question_reads_through_all_that_was_ever_finished(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    now = datetime.now(UTC)
    await put(db, 2)
    await db.inbox.begin(1)
    await db.inbox.record(1, "status", 1)
    await db.inbox.recorded(1, 2)
    await db.inbox.move_on(1, 2)
    await db.inbox.await_consent(2)
    await db.inbox.awaiting_consent(ANNA)
    await db.inbox.release(ANNA)
    await db.inbox.drop(ANNA)
    await db.inbox.done(1, 2)
    await db.inbox.prune(now, now)
    event.remove(Engine, "before_cursor_execute", note)
    asked = [statement for statement in statements if "inbox" in statement]
    assert len(asked) >= 12
    for statement in asked:
        plan = raw.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * statement.count("?")).fetchall()
        assert not [line for *_, line in plan if line.startswith("SCAN")], statement


async def test_unwritable_disk_is_reported_and_nothing_is_kept(db: Database) -> None:
    pages = await db._sessions.write(lambda at: at.scalar(text("PRAGMA page_count")))
    await db._sessions.write(lambda at: at.execute(text(f"PRAGMA max_page_count = {pages}")).close())
    with pytest.raises(StorageError, match="disk is full"):
        await db.inbox.put(ReceivedUpdate(1, ANNA, "x" * 100_000))
    assert await db.inbox.recover() == ()


BARE = "state = 'done' AND chat_id IS NULL AND payload = '' AND messages = '{}' AND error IS NULL"


def bare_ids(raw: sqlite3.Connection) -> list[int]:
    """Finished updates of which nothing is left but the id."""
    rows = raw.execute(f"SELECT update_id FROM inbox WHERE {BARE} AND finished_at IS NOT NULL ORDER BY id")  # noqa: S608
    return [update_id for (update_id,) in rows]


def came_long_ago(raw: sqlite3.Connection, *update_ids: int) -> None:
    for update_id in update_ids:
        raw.execute("UPDATE inbox SET received_at = '2020-01-01 00:00:00' WHERE update_id = ?", (update_id,))
    raw.commit()


async def test_dropped_update_is_a_bare_id_of_its_own(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1, 2, 3, 4)
    await put(db, 9, chat_id=BORIS)
    for update_id in (1, 2, 9):
        await db.inbox.record(update_id, "status", 50)
        await db.inbox.await_consent(update_id)
    assert await db.inbox.drop(ANNA, 3) == 2
    assert bare_ids(raw) == [1, 2, 3]
    assert await db.inbox.awaiting_consent(BORIS) == 1
    assert await ended_while_in_work(db) == (4,)


async def test_only_what_awaits_a_yes_for_too_long_expires(db: Database, file: Path, raw: sqlite3.Connection) -> None:
    await put(db, 1, 2, 3)
    for update_id in (1, 2):
        await db.inbox.record(update_id, "status", 50)
        await db.inbox.await_consent(update_id)
    came_long_ago(raw, 1, 3)
    before = datetime.now(UTC) - timedelta(days=1)
    assert await db.inbox.expire_consent(before) == 1
    assert bare_ids(raw) == [1]
    assert await db.inbox.awaiting_consent(ANNA) == 1
    assert await db.inbox.expire_consent(before) == 0
    on_disk = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert [f"update {number}".encode() in on_disk for number in (1, 2, 3)] == [False, True, True]


async def test_ended_update_is_unchanged_by_latecomers(db: Database) -> None:
    await put(db, 1, 2)
    await db.inbox.done(1)
    await db.inbox.dead_letter(2, "first")
    for update_id in (1, 2):
        await db.inbox.record(update_id, "status", 50)
        await db.inbox.park(update_id)
        await db.inbox.await_consent(update_id)
        await db.inbox.dead_letter(update_id, "late")
        await db.inbox.done(update_id)
    assert await db.inbox.recorded(1, 2) == {1: {}, 2: {}}
    assert [(one.update_id, one.error) for one in await db.inbox.dead_letters()] == [(2, "first")]
    assert await db.inbox.awaiting_consent(ANNA) == 0
    assert await db.inbox.recover() == ()


async def test_failed_attempt_is_counted_once_despite_a_kill(db: Database) -> None:
    await put(db, 1)
    await db.inbox.begin(1)
    await db.inbox.fail(1)
    [kept] = await db.inbox.recover()
    assert (kept.attempts, kept.kills) == (1, 0)


@pytest.mark.parametrize("way", ["a yes", "the next of its album"])
async def test_who_came_through_is_not_blamed_for_earlier_kills(db: Database, way: str) -> None:
    await put(db, 1, 2)
    await db.inbox.begin(1)
    await db.inbox.begin(2)
    await db.inbox.recover()
    await db.inbox.fail(1)
    if way == "a yes":
        await db.inbox.await_consent(1)
        [left] = await db.inbox.release(ANNA)
    else:
        await db.inbox.begin(1)
        await db.inbox.move_on(1, 2)
        left = next(kept for kept in await db.inbox.recover() if kept.update_id == 1)
    assert (left.update_id, left.attempts, left.kills) == (1, 0, 0)


async def test_merged_update_is_bare_id_unreadable_one_set_aside(db: Database, raw: sqlite3.Connection) -> None:
    merged = ReceivedUpdate(1, ANNA, "update 1", is_merged=True)
    unreadable = ReceivedUpdate(2, ANNA, "update 2", unreadable="Traceback \0 of it")
    assert await db.inbox.put(merged, unreadable) == {1, 2}
    assert bare_ids(raw) == [1]
    [letter] = await db.inbox.dead_letters()
    assert (letter.update_id, letter.error) == (2, "Traceback  of it")
    assert letter.finished_at == letter.received_at  # so that it goes in time
    assert raw.execute("SELECT payload FROM inbox WHERE update_id = 2").fetchone() == ("update 2",)
    assert await db.inbox.recover() == ()
    assert await db.inbox.put(merged, unreadable) == frozenset()


async def test_unreadable_update_keeps_its_traceback_in_any_batch(db: Database) -> None:
    await db.inbox.put(
        ReceivedUpdate(1, ANNA, "update 1"), ReceivedUpdate(2, ANNA, "update 2", unreadable="Traceback of it")
    )
    [letter] = await db.inbox.dead_letters()
    assert (letter.update_id, letter.error) == (2, "Traceback of it")
    assert letter.finished_at == letter.received_at


async def test_what_is_kept_together_is_kept_or_lost_together(db: Database) -> None:
    def note(at: Connection) -> None:
        at.execute(text("UPDATE inbox SET attempts = 2 WHERE update_id = 1"))

    def end_badly(at: Connection) -> None:
        note(at)
        raise ZeroDivisionError

    await db.inbox.put(ReceivedUpdate(1, ANNA, "update 1"), also=note)
    with pytest.raises(ZeroDivisionError):
        await db.inbox.put(ReceivedUpdate(2, ANNA, "update 2"), also=end_badly)
    assert [(kept.update_id, kept.attempts) for kept in await db.inbox.recover()] == [(1, 2)]
    assert await db.inbox.put() == frozenset()


async def test_backlog_counts_what_waits_or_is_in_work(db: Database) -> None:
    await put(db, 1, 2, 3)
    first, *_ = await db.inbox.recover()
    await put(db, 4)
    await db.inbox.begin(1)
    await db.inbox.await_consent(2)
    await db.inbox.done(3)
    backlog = await db.inbox.backlog()
    assert (backlog.updates, backlog.oldest) == (2, first.received_at)
    await db.inbox.done(1, 4)
    backlog = await db.inbox.backlog()
    assert (backlog.updates, backlog.oldest) == (0, None)


async def test_what_another_replica_works_on_is_left_to_it(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1, 2)
    raw.execute("UPDATE inbox SET replica_id = 9 WHERE update_id = 1")
    raw.commit()
    assert await db.inbox.begin(1) is None
    assert await db.inbox.move_on(2, 1) is None
    assert await ended_while_in_work(db) == (1, 2)  # who starts alone takes over whatever is left
    assert await db.inbox.begin(1) is not None


async def test_replica_begins_what_it_has_claimed_itself(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1, 2)
    raw.execute("UPDATE inbox SET replica_id = 9")
    raw.commit()
    db._sessions.replica = 9
    assert await db.inbox.begin(1) is not None
    assert await db.inbox.move_on(1, 2) is not None
    await db.inbox.await_consent(2)
    await db.inbox.release(ANNA)
    assert raw.execute("SELECT replica_id FROM inbox").fetchall() == [(9,), (9,)]
