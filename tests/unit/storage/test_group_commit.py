"""Many write at once: committed together, and yet each succeeds, fails or is given up as if it were alone."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError

from storage import Database, Person, ReceivedUpdate
from storage.errors import StorageBusyError
from tests.unit.storage.conftest import a_scan, add


@contextmanager
def commits() -> Iterator[list[Connection]]:
    """Every commit that happens meanwhile."""
    seen: list[Connection] = []
    note = seen.append
    event.listen(Engine, "commit", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", note)


@contextmanager
def the_file_locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def all_given(*tasks: "asyncio.Task[object]") -> None:
    """Let every task give its work to the writer."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_what_waits_together_is_committed_together(db: Database, file: Path) -> None:
    with commits() as seen:
        with the_file_locked(file):
            tasks = [asyncio.create_task(db.inbox.put(ReceivedUpdate(number, 1, "text"))) for number in range(40)]
            await all_given(*tasks)
        assert await asyncio.gather(*tasks) == [{number} for number in range(40)]
    assert len(seen) <= 2  # the writer may have begun with the first of them alone


async def test_who_fails_takes_nothing_from_those_beside(db: Database, anna: Person, file: Path) -> None:
    def mistaken(at: Connection) -> None:
        at.execute(text("INSERT INTO people (chat_id, name, language, role) VALUES (5, 'E', 'en', 'nobody')"))

    with the_file_locked(file):
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(db.people.register(2, "B", "en")),
            asyncio.create_task(db._sessions.write(mistaken)),
            asyncio.create_task(db.people.set_blocked(999, blocked=True)),
            asyncio.create_task(add(db, anna.id, a_scan())),
        ]
        await all_given(*tasks)
    kept, broken, unknown, scan = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(kept, Person)
    assert isinstance(broken, IntegrityError)
    assert type(unknown).__name__ == "UnknownPersonError"
    assert await db.people.get(2) == kept
    assert await db.people.get(5) is None
    assert await db.scans.last(anna.id) == scan


async def test_cancelled_write_is_not_done_and_delays_nobody(db: Database, file: Path) -> None:
    with the_file_locked(file):
        first, second, third = (asyncio.create_task(db.people.register(number, "P", "en")) for number in (1, 2, 3))
        await all_given(first, second, third)
        third.cancel()
        await asyncio.wait({third})
    assert third.cancelled()
    assert {(await first).chat_id, (await second).chat_id} == {1, 2}
    assert await db.people.get(3) is None


async def test_unwritable_file_fails_all_writes_and_later_recovers(db: Database, file: Path) -> None:
    await db._sessions.write(lambda at: at.execute(text("PRAGMA busy_timeout = 0")).close())
    with the_file_locked(file):
        given = [db.people.register(number, "P", "en") for number in range(1, 9)]
        answers = await asyncio.gather(*given, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StorageBusyError}
    assert (await db.people.register(1, "P", "en")).chat_id == 1


async def test_closing_finishes_pending_writes_and_new_work_reopens(db: Database) -> None:
    given = [asyncio.create_task(db.people.register(number, "P", "en")) for number in range(1, 9)]
    await asyncio.sleep(0)
    await asyncio.gather(db.close(), db.people.register(9, "P", "en"), db.close())
    assert [(await task).chat_id for task in given] == list(range(1, 9))
    assert await db.people.get(9) is not None


async def test_opening_anew_while_many_write_takes_no_time(db: Database) -> None:
    """In a pool the writer's connection could be taken away between two transactions: it then waited for 30 s."""
    done = 0
    ended = asyncio.Event()

    async def write(chat_id: int) -> None:
        nonlocal done
        while not ended.is_set():
            await db.people.register(chat_id, "P", "en")
            assert await db.people.get(chat_id) is not None
            done += 1

    writing = [asyncio.create_task(write(chat_id)) for chat_id in range(1, 9)]
    async with asyncio.timeout(20):
        for _ in range(20):
            before = done
            await db.mend()
            while done == before:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    ended.set()
    await asyncio.gather(*writing)
    assert await db.check() == ()


async def test_after_a_commit_that_failed_the_next_one_works(db: Database, anna: Person) -> None:
    def orphan(at: Connection) -> None:
        at.execute(text("PRAGMA defer_foreign_keys = ON"))  # looked at when it is committed, not before
        at.execute(text("INSERT INTO pictures (scan_id, original, overlay) VALUES (999, x'00', x'00')"))

    with pytest.raises(IntegrityError):
        await db._sessions.write(orphan)
    assert (await db.people.register(2, "B", "en")).chat_id == 2
    assert await db.check() == ()
