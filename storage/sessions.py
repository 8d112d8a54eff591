"""Connections: one path for writing, several for reading, and every setting they need."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Literal

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from storage.errors import explain
from storage.url import Address

BUSY_TIMEOUT_S = 30
READERS = 4

log = logging.getLogger(__name__)


class Sessions:
    """Short transactions on one database.

    SQLite has one writer at a time. Inside this process writers queue up at a lock, first come, first served,
    so that "database is locked" cannot happen; another process (a backup, a check) is waited for, up to
    ``BUSY_TIMEOUT_S``. Readers see the last committed state and never wait. PostgreSQL needs none of that.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.sqlite = address.path is not None
        self._writer = _engine(address, pool_size=1, write=True) if self.sqlite else _engine(address, pool_size=10)
        # A connection of its own: SQLite takes no other word on durability inside a transaction.
        self._durable = _engine(address, pool_size=1, write=True, synchronous="FULL") if self.sqlite else self._writer
        self._reader = _engine(address, pool_size=READERS) if self.sqlite else self._writer
        self._write = async_sessionmaker(self._writer, expire_on_commit=False)
        self._write_durably = async_sessionmaker(self._durable, expire_on_commit=False)
        self._read = async_sessionmaker(self._reader, expire_on_commit=False)
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent view; raises StorageError when the database fails."""
        try:
            async with self._read.begin() as session:
                yield session
        except DBAPIError as error:
            raise explain(error, self.address.where) from error

    @asynccontextmanager
    async def writing(self, *, durable: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction, committed at the end, undone by any exception.

        What is committed survives a kill of this process, and when ``durable`` also a power cut: it waits for the disk.
        Raises IntegrityError as it is, since the caller knows what it means, and StorageError for other failures.
        """
        try:
            begin = (self._write_durably if durable else self._write).begin
            async with self._one_writer(), begin() as session:
                yield session
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise explain(error, self.address.where) from error

    async def scrub(self) -> None:
        """Make a deletion real: move the zeroed pages from the write-ahead log into the file and empty the log.

        Readers that are busy for longer than a second leave it to the next checkpoint.
        """
        if not self.sqlite:
            return
        async with self._one_writer(), self._writer.connect() as connection:
            raw = await driver_connection(connection)
            await raw.execute("PRAGMA busy_timeout = 1000")
            try:
                async with raw.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                    (busy, *_) = await cursor.fetchone()
            finally:
                await raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
            if busy:
                log.info("deleted pages stay in the write-ahead log until its next checkpoint")

    async def prove(self) -> None:
        """Write, so that a database that can only be read shows it. Raises StorageDownError."""
        async with self.writing() as session:
            await session.execute(text("PRAGMA user_version = 0" if self.sqlite else "SELECT 1"))

    async def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the file."""
        for engine in (self._reader, self._durable, self._writer):
            await engine.dispose()

    def _one_writer(self) -> AbstractAsyncContextManager[object]:
        return self._lock if self.sqlite else nullcontext()


async def driver_connection(connection: AsyncConnection) -> Any:
    """Reach the driver, for the few commands that SQLite does not take inside a transaction."""
    return (await connection.get_raw_connection()).driver_connection


def opening_engine(address: Address) -> AsyncEngine:
    """Make an engine for migrations: one connection, with foreign keys off.

    Alembic changes a SQLite table by copying and dropping it; with foreign keys on, the drop would delete
    every row that refers to it.
    """
    return _engine(address, write=True, foreign_keys=False, poolclass=NullPool)


def _engine(
    address: Address,
    *,
    write: bool = False,
    foreign_keys: bool = True,
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
    **pool: Any,
) -> AsyncEngine:
    # Parameters are people's names and labels: they must not show up in an exception's text.
    if address.path is None:
        return create_async_engine(address.url, hide_parameters=True, pool_pre_ping=True, **pool)
    if "pool_size" in pool:
        pool["max_overflow"] = 0
    engine = create_async_engine(address.url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S}, **pool)
    pragmas = [
        f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        # NORMAL survives a kill of the process, not a power cut: enough for what the inbox would do again. FULL is for
        # the inbox itself, since updates are confirmed to Telegram on the strength of its commits.
        f"synchronous = {synchronous}",
        # Whoever deletes a scan means it: freed pages are zeroed instead of keeping the picture until reuse.
        "secure_delete = ON",
        f"query_only = {'OFF' if write else 'ON'}",
    ]

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not guess where transactions begin: it leaves out reads and changes of the schema.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a transaction that upgrades from reading can fail at any step.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
