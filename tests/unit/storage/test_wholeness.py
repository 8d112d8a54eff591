"""Times are moments in UTC, and a transaction is whole or was never there."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects import registry

from storage import Database, Person
from storage.columns import UtcDateTime
from tests.conftest import PROJECT
from tests.unit.storage.conftest import a_scan, add

DIALECTS = [registry.load(name)() for name in ("sqlite", "postgresql")]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), DIALECTS[0])  # noqa: DTZ001


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_aware_time_returns_as_same_moment_in_utc(dialect: Dialect) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    kind = UtcDateTime()

    back = kind.process_result_value(kind.process_bind_param(moment, dialect), dialect)

    assert back == moment
    assert back is not None
    assert back.utcoffset() == timedelta(0)


async def test_times_on_the_disk_are_utc(db: Database, anna: Person, raw: sqlite3.Connection) -> None:
    (text,) = raw.execute("SELECT created_at FROM people").fetchone()

    assert datetime.fromisoformat(text).replace(tzinfo=UTC) == anna.created_at


KILLED_BEFORE_COMMIT = """
import asyncio, os, signal, sys
from sqlalchemy import Engine, event
from tests.unit.storage.conftest import a_scan, add
from storage import Database

async def main():
    db = await Database.open(sys.argv[1])
    person = await db.people.register(1, "Anna", "en")
    await add(db, person.id, a_scan("first"))

    @event.listens_for(Engine, "commit")
    def die(connection):
        os.kill(os.getpid(), signal.SIGKILL)

    await add(db, person.id, a_scan("second", b"half-written" * 100_000))

asyncio.run(main())
"""


async def test_a_kill_before_the_commit_leaves_nothing_half_written(file: Path) -> None:
    url = f"sqlite+aiosqlite:///{file}"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_BEFORE_COMMIT, url, cwd=PROJECT)
    assert await process.wait() == -9

    database = await Database.open(url)
    try:
        assert await database.check() == ()
        person = await database.people.get(1)
        assert person is not None
        page = await database.scans.page(person.id, 1, 5)
        assert [(scan.number, scan.source_key) for scan in page.scans] == [(1, "first")]
        assert (await add(database, person.id, a_scan("second"))).number == 2
    finally:
        await database.close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM pictures").fetchone() == (2,)
