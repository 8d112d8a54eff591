"""One database copied into another, SQLite or PostgreSQL: in pieces, each compared with what was read."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import LargeBinary, Row, Table, delete, func, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage.database import UNFINISHED_COPY, Database
from storage.errors import StorageError, explain
from storage.schema import METADATA, OF_REPLICAS
from storage.sessions import opening_engine
from storage.url import Address, parse

PIECE, PIECE_WITH_PICTURES = 1000, 50
"""Rows that are in memory at once."""
COPIED = tuple(table for table in METADATA.sorted_tables if table.name not in OF_REPLICAS)
Progress = Callable[[str, int, int], None]
"""Told the table, how many of its rows are the same on both sides by now, and how many there are."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of a table."""

    rows: int
    written: int
    """Of these, those that were not there already."""
    sha256: str
    """Of all its values, read back from the copy; in hexadecimal."""


async def copy_database(
    source: str, target: str, progress: Progress, keys: Sequence[bytes] = ()
) -> Mapping[str, Copied]:
    """Make ``target`` hold what ``source`` holds, and nothing else; both are like DATABASE_URL.

    What is sealed is copied sealed; ``keys`` are those of the target, if it holds something already.
    Whoever writes to ``source`` waits meanwhile. After an interruption the same call goes on where it ended, and a
    target that holds the same already is only compared. Raises StorageError, also for a target with other data.
    """
    origin, goal = parse(source), parse(target)
    if origin == goal:
        raise StorageError("FROM and TO are the same database: name two")
    try:
        await (await Database.open(source, migrate=False)).close()
        async with _connected(origin) as reading:
            may_write = await _prepared(goal, target, keys)
            async with _connected(goal) as writing:
                return await _copy_all(reading, writing, progress, may_write=may_write)
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise explain(error, f"{origin.where} or {goal.where}") from error


async def _copy_all(
    reading: AsyncConnection, writing: AsyncConnection, progress: Progress, *, may_write: bool
) -> Mapping[str, Copied]:
    await _hold_still(reading)
    copied = {}
    for table in COPIED:
        copied[table.name] = await _copy_table(reading, writing, table, progress, may_write=may_write)
    if may_write:
        for table in COPIED:
            await _go_on_counting(reading, writing, table)
        await writing.execute(text(f"DROP TABLE {UNFINISHED_COPY}"))
        await writing.commit()
    return copied


@asynccontextmanager
async def _connected(address: Address) -> AsyncIterator[AsyncConnection]:
    engine: AsyncEngine = opening_engine(address)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def _hold_still(reading: AsyncConnection) -> None:
    """One view of everything; on SQLite the write lock comes with the first statement."""
    if reading.dialect.name == "postgresql":
        await reading.execution_options(isolation_level="REPEATABLE READ")
        names = ", ".join(table.name for table in COPIED)
        await reading.execute(text(f"LOCK TABLE {names} IN SHARE MODE"))


async def _prepared(goal: Address, target: str, keys: Sequence[bytes]) -> bool:
    """Whether the target is empty, or a copy into it was begun; False: it holds data that can only be compared."""
    if await _is_unfinished(goal):
        return True
    await (await Database.open(target, keys=keys)).close()
    async with _connected(goal) as writing:
        for table in COPIED:
            if table.name not in _ABOUT_THE_DATABASE and await writing.scalar(select(func.count()).select_from(table)):
                return False
        await writing.execute(text(f"CREATE TABLE {UNFINISHED_COPY} (id INTEGER)"))
        await writing.commit()
    return True


async def _is_unfinished(goal: Address) -> bool:
    if goal.path is not None and not await asyncio.to_thread(goal.path.is_file):
        return False
    async with _connected(goal) as writing:
        return UNFINISHED_COPY in await writing.run_sync(lambda at: inspect(at).get_table_names())


_ABOUT_THE_DATABASE = frozenset({"data_keys"})
"""Tables that a new database has rows in; they are copied too."""


async def _copy_table(
    reading: AsyncConnection, writing: AsyncConnection, table: Table, progress: Progress, *, may_write: bool
) -> Copied:
    (key,) = table.primary_key.columns
    total = await reading.scalar(select(func.count()).select_from(table)) or 0
    size = PIECE_WITH_PICTURES if any(isinstance(column.type, LargeBinary) for column in table.c) else PIECE
    whole, done, written, last = hashlib.sha256(), 0, 0, None
    while True:
        after: list[Any] = [] if last is None else [key > last]
        rows = (await reading.execute(select(table).where(*after).order_by(key).limit(size))).all()
        # The last piece goes on to the end, so that nothing is left behind it.
        piece = [*after] if len(rows) < size else [*after, key <= getattr(rows[-1], key.name)]
        theirs = (await writing.execute(select(table).where(*piece).order_by(key))).all()
        if digest(rows) != digest(theirs):
            if not may_write:
                raise StorageError("TO holds other data: name an empty database, or a new file")
            theirs = await _replace(writing, table, piece, rows, key)
            written += len(rows)
        if digest(rows) != digest(theirs):
            raise StorageError(f"TO gave back other values in {table.name} than were written: try another server")
        await writing.commit()
        whole.update(digest(theirs))
        done += len(rows)
        progress(table.name, done, total)
        if len(rows) < size:
            return Copied(done, written, whole.hexdigest())
        last = getattr(rows[-1], key.name)


async def _replace(
    writing: AsyncConnection, table: Table, piece: Sequence[Any], rows: Sequence[Row[Any]], key: Any
) -> Sequence[Row[Any]]:
    await writing.execute(delete(table).where(*piece))
    if rows:
        await writing.execute(insert(table), [dict(row._mapping) for row in rows])
    return (await writing.execute(select(table).where(*piece).order_by(key))).all()


def digest(rows: Sequence[Row[Any]]) -> bytes:
    """The same for the same values, whichever database they come from."""
    said = json.dumps([list(row) for row in rows], default=_plain, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is kept in no column")


async def _go_on_counting(reading: AsyncConnection, writing: AsyncConnection, table: Table) -> None:
    """Ids that were given to somebody who is deleted by now are given to nobody else, in the copy too."""
    (key,) = table.primary_key.columns
    if key.type.python_type is not int:
        return
    highest = await reading.scalar(select(func.max(key))) or 0
    given = max(highest, await _last_given(reading, table, key.name))
    if not given:
        return
    if writing.dialect.name == "postgresql":
        statement = "SELECT setval(pg_get_serial_sequence(:named, :key), :given)"
        await writing.execute(text(statement), {"named": table.name, "key": key.name, "given": given})
    elif table.dialect_options["sqlite"]["autoincrement"]:
        values = {"named": table.name, "given": given}
        await writing.execute(text("DELETE FROM sqlite_sequence WHERE name = :named"), {"named": table.name})
        await writing.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:named, :given)"), values)


async def _last_given(reading: AsyncConnection, table: Table, key: str) -> int:
    if reading.dialect.name == "postgresql":
        statement = "SELECT pg_sequence_last_value(pg_get_serial_sequence(:named, :key)::regclass)"
        return int(await reading.scalar(text(statement), {"named": table.name, "key": key}) or 0)
    if not table.dialect_options["sqlite"]["autoincrement"]:
        return 0
    statement = "SELECT seq FROM sqlite_sequence WHERE name = :named"
    return int(await reading.scalar(text(statement), {"named": table.name}) or 0)
