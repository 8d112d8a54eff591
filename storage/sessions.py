"""How the database is reached: the engines, every setting they need, and who waits for whom."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from storage.data_keys import note_key
from storage.errors import explain
from storage.group_commit import OwnConnection, Work, Writer
from storage.url import Address
from storage.vault import Vault

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

BUSY_TIMEOUT_S = 30
SCRUB_ATTEMPTS, SCRUB_PAUSE = 10, 0.1
"""How often the log is tried to be emptied; in seconds. Each attempt holds up the writer, so it is a short one."""
READERS = 4
NOTE_EVERY = 60.0
"""Seconds between two times that the key in use is noted."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Sessions:
    """Short transactions on one database, each a function of a connection.

    On SQLite they run in threads: one writes, so that "database is locked" cannot happen inside this process (another
    one, a backup or a check, is waited for, up to ``BUSY_TIMEOUT_S``); others read the last committed state and never
    wait for it. What comes while the writer is busy is committed together, which makes it cheap and quick for many at
    once. On PostgreSQL the same functions run on connections of the event loop.
    """

    def __init__(self, address: Address, vault: Vault | None = None) -> None:
        self.address = address
        self.vault = vault or Vault()
        """What seals and opens the values that are kept."""
        self._noted_at = -NOTE_EVERY
        self.replica: int | None = None
        """Who this process is among those that share the database; None: it works on it alone."""
        self.sqlite = address.path is not None
        self._side: _File | _Server = _File(address) if self.sqlite else _Server(address)

    async def read(self, work: Work[T]) -> T:
        """Run questions on one consistent view; raises StorageError when the database fails."""
        with self._explained():
            return await self._side.read(work)

    async def write(self, work: Work[T], *, durable: bool = False) -> T:
        """Run one transaction, undone by any exception. It may be undone and run again, so it changes nothing else.

        What is committed survives a kill of this process, and when ``durable`` also a power cut: it waits for the disk.
        Cancelling the caller leaves open whether it was committed. Raises IntegrityError as it is, since the caller
        knows what it means, and StorageError for other failures.
        """
        with self._explained():
            began = time.monotonic()
            if self.vault.key_ids and began - self._noted_at >= NOTE_EVERY:
                self._noted_at = began
                work = self._with_key_noted(work)
            answer = await self._side.write(work, durable=durable)
            log.debug("written in %.1f ms", 1000 * (time.monotonic() - began))
            return answer

    def _with_key_noted(self, work: Work[T]) -> Work[T]:
        """Another process may have brought everything under another key and forgotten ours, which goes on sealing."""

        def both(at: Connection) -> T:
            note_key(at, self.vault.seals_with)
            return work(at)

        return both

    async def scrub(self) -> None:
        """Make a deletion real: move the zeroed pages from the write-ahead log into the file and empty the log.

        Readers that are busy all the while leave it to the next checkpoint.
        """
        with self._explained():
            for _ in range(SCRUB_ATTEMPTS):
                if not isinstance(self._side, _File) or await self._side.scrub():
                    return
                await asyncio.sleep(SCRUB_PAUSE)
            log.warning("deleted pages stay in the write-ahead log until its next checkpoint")

    async def compact(self) -> None:
        """Write everything anew, so that nothing of what was there once stays in gaps; others wait meanwhile."""
        with self._explained():
            await self._side.compact()

    async def prove(self) -> None:
        """Write, so that a database that can only be read shows it. Raises StorageDownError."""
        await self.write(lambda connection: connection.execute(text(self._side.harmless)))

    async def close(self) -> None:
        """Close every connection; SQLite then folds its write-ahead log into the file."""
        await self._side.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error, self.address.where) from error


class _File:
    """SQLite: the threads of one generation at a time, each with a connection of its own."""

    harmless = "PRAGMA user_version = 0"

    def __init__(self, address: Address) -> None:
        self._address = address
        self._threads: _Threads | None = None
        self._closed = threading.Event()
        """Of the generation before."""
        self._closed.set()

    async def read(self, work: Work[T]) -> T:
        return await self._current().read(work)

    async def write(self, work: Work[T], *, durable: bool) -> T:
        return await self._current().writer.do(work, durable=durable)

    async def scrub(self) -> bool:
        return await self._current().writer.do(_empty_log, apart=True)

    async def compact(self) -> None:
        await self._current().writer.do(_write_anew, apart=True)

    def _current(self) -> "_Threads":
        if self._threads is None:
            self._threads = _Threads(self._address, self._closed)
        return self._threads

    async def close(self) -> None:
        """What was given is finished first; what comes meanwhile belongs to the next generation, and waits for it.

        The order is what matters: SQLite's last connection to a file folds the write-ahead log into it and deletes the
        log by its name. Were the next generation at work already, on a file that was put in this one's place, that
        would be its log.
        """
        threads = self._threads
        if threads is not None:
            self._threads, self._closed = None, threads.closed
            await asyncio.to_thread(threads.close)


class _Threads:
    """A writer and some readers."""

    def __init__(self, address: Address, before: threading.Event) -> None:
        self.closed = threading.Event()
        self.writer = Writer(_file_engine(address, write=True), before)
        self._before = before
        self._engine = _file_engine(address)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._of_thread = threading.local()
        self._connections: list[OwnConnection] = []

    async def read(self, work: Work[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, self._read, work)

    def _read(self, work: Work[T]) -> T:
        own: OwnConnection | None = getattr(self._of_thread, "connection", None)
        if own is None:
            self._before.wait()
            own = self._of_thread.connection = OwnConnection(self._engine)
            self._connections.append(own)
        with own.kept_sound(), own.get().begin():
            return work(own.get())

    def close(self) -> None:
        """Block until what was given is finished and every connection closed."""
        try:
            self.writer.close()
            self._pool.shutdown()
            for connection in self._connections:
                connection.close()
        finally:
            self.closed.set()  # else whoever comes next would wait for ever


class _Server:
    """PostgreSQL, which takes many writers and is durable in every commit."""

    # The number of a transaction is given to none that may only read: a standby refuses.
    harmless = "SELECT pg_current_xact_id()"

    def __init__(self, address: Address) -> None:
        self.engine = _server_engine(address, pool_size=10)

    async def read(self, work: Work[T]) -> T:
        async with self.engine.begin() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T], *, durable: bool) -> T:  # noqa: ARG002 - there is only one kind
        return await self.read(work)

    async def compact(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("VACUUM FULL"))

    async def close(self) -> None:
        await self.engine.dispose()


def _write_anew(connection: Connection) -> None:
    raw: Any = connection.connection.driver_connection
    raw.execute("VACUUM")
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _empty_log(connection: Connection) -> bool:
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA busy_timeout = 100")
    try:
        (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    return not busy


# SQLAlchemy's asyncio brings all of its ORM with it, which takes a while to load: only where it is used.


def opening_engine(address: Address) -> "AsyncEngine":
    """Make an engine for migrations: one connection, with foreign keys off.

    Alembic changes a SQLite table by copying and dropping it; with foreign keys on, the drop would delete
    every row that refers to it.
    """
    if address.path is None:
        return _server_engine(address, poolclass=NullPool)
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        address.url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S}, poolclass=NullPool
    )
    _settle(engine.sync_engine, write=True, foreign_keys=False)
    return engine


def apart_engine(address: Address) -> "AsyncEngine":
    """Make an engine for what is one statement, is not to wait for other work, and need not outlive a power cut."""
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(
        address.url,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": 5, "command_timeout": 5, "server_settings": {"synchronous_commit": "off"}},
    )


# Parameters are people's names and labels: in every engine they must not show up in an exception's text.


def _server_engine(address: Address, **pool: Any) -> "AsyncEngine":
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(address.url, hide_parameters=True, pool_pre_ping=True, **pool)


def opening_file_engine(address: Address) -> Engine:
    """As ``opening_engine``, for the file alone and for a thread."""
    return _file_engine(address, write=True, foreign_keys=False)


def _file_engine(address: Address, *, write: bool = False, foreign_keys: bool = True) -> Engine:
    engine = create_engine(
        address.url.set(drivername="sqlite"),
        hide_parameters=True,
        # Closed by the thread that closes the database; used by one at a time all the same.
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        poolclass=NullPool,
    )
    _settle(engine, write=write, foreign_keys=foreign_keys)
    return engine


def _settle(engine: Engine, *, write: bool, foreign_keys: bool) -> None:
    pragmas = [
        f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        # NORMAL survives a kill of the process, not a power cut: enough for what the inbox would do again. FULL is for
        # the inbox itself, since updates are confirmed to Telegram on the strength of its commits; the writer says so.
        "synchronous = NORMAL",
        # Whoever deletes a scan means it: freed pages are zeroed instead of keeping the picture until reuse.
        "secure_delete = ON",
        f"query_only = {'OFF' if write else 'ON'}",
    ]

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver must not guess where transactions begin: it leaves out reads and changes of the schema.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a transaction that upgrades from reading can fail at any step.
        # Said to the driver: as a statement of SQLAlchemy's it costs a tenth of all that the writer does.
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        cursor.close()
