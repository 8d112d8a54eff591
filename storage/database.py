"""Opening the database: folder, file, migrations, settings, and its care (check, backup)."""

import asyncio
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Coroutine, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError

from storage.access import Access
from storage.backups import APPLICATION_ID, stamp
from storage.broadcasts import Broadcasts
from storage.claims import Claims
from storage.errors import DataKeyError, StorageDownError, StorageError, explain
from storage.inbox import Inbox
from storage.outcomes import Outcomes
from storage.people import People
from storage.rekey import Progress, admit_keys, look_for_keys, rekey
from storage.replicas import ReplicaConnections, Replicas
from storage.retention import Retention
from storage.scans import Scans
from storage.schema import DATA_KEYS, REVISION, create_newest
from storage.sessions import BUSY_TIMEOUT_S, Sessions, opening_engine, opening_file_engine
from storage.statistics import Statistics
from storage.url import Address, parse, prepare_file
from storage.usage import Usage
from storage.vault import Vault

UNFINISHED_COPY = "unfinished_copy"
"""A table that is there as long as a copy into this database is not whole."""
SWITCH_PAUSE = 0.02
"""Seconds before the write-ahead log is tried for again."""


class Database:
    """People, scans and the inbox in one database, open until ``close``."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.people = People(sessions)
        self.scans = Scans(sessions)
        self.inbox = Inbox(sessions)
        self.access = Access(sessions)
        self.usage = Usage(sessions)
        self.statistics = Statistics(sessions)
        self.broadcasts = Broadcasts(sessions)
        self.outcomes = Outcomes(sessions)
        self.retention = Retention(sessions)
        self.replicas = Replicas(sessions)
        self.claims = Claims(sessions, self.inbox)

    @classmethod
    async def open(cls, url: str, *, migrate: bool = True, keys: Sequence[bytes] = ()) -> Self:
        """Open ``url``, such as ``sqlite+aiosqlite:///data/tumorscan.db``, creating and migrating what is needed.

        What people sent is sealed with the first of ``keys`` (32 bytes each) and opened with any of them.
        With ``migrate=False`` nothing is created or changed: for looking at a database as it is.
        Raises StorageError, whose text is one line that names DATABASE_URL or DATA_KEY, and the fix.
        """
        address, vault = parse(url), Vault(keys)
        await _to_its_end(_ready(address, vault, migrate=migrate))
        return cls(Sessions(address, vault))

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, which this program can copy."""
        return self._sessions.sqlite

    def replica_connections(self) -> ReplicaConnections:
        """Connections for the heartbeats of a replica, not opened yet."""
        return ReplicaConnections(self._sessions)

    async def close(self) -> None:
        """Close every connection."""
        await self._sessions.close()

    async def mend(self) -> None:
        """Open everything anew after a StorageDownError, as ``open`` does: the file may be another one by now.

        Raises StorageDownError while the trouble lasts.
        """
        await self._sessions.close()  # work in hand is finished; what comes next gets fresh connections
        try:
            await _ready(self._sessions.address, self._sessions.vault, migrate=True)
            await self._sessions.prove()
        except StorageDownError:
            raise
        except StorageError as error:  # not ours, or of another version: it stays unusable until somebody acts
            raise StorageDownError(str(error)) from error

    async def other_keys(self) -> frozenset[str]:
        """Ids of other keys than the first one with which something may be sealed yet; PLAIN if it may be plain."""
        known = await self._sessions.read(lambda at: frozenset(at.scalars(select(DATA_KEYS.c.key_id))))
        return known - {self._sessions.vault.seals_with}

    async def rekey(self, progress: Progress, *, plain: bool = False) -> int:
        """Seal everything with the first key that is not sealed with it yet, or make it all plain; see ``rekey``."""
        return await rekey(self._sessions, Vault() if plain else self._sessions.vault, progress)

    async def prove(self) -> None:
        """Write something that changes nothing. Raises StorageDownError when that can't be done."""
        await self._sessions.prove()

    async def check(self) -> tuple[str, ...]:
        """Look for damage. Returns one line for each problem; none means sound."""
        try:
            return tuple(await self._sessions.read(lambda at: _problems(at, self._sessions.vault)))
        except StorageError as error:  # too damaged for the check itself
            return (str(error),)

    async def free_disk(self) -> int | None:
        """Bytes that are free where the database grows; None when that is on a server, which looks after itself."""
        path = self._sessions.address.path
        return None if path is None else (await asyncio.to_thread(shutil.disk_usage, path.absolute().parent)).free

    async def backup(self, path: Path) -> None:
        """Write a consistent copy to the new file ``path`` while the bot goes on working.

        The copy is complete or not there: it gets its name only when it is on the disk and has been checked. A scan
        that is just being deleted, or is to be forgotten as soon as it is answered, is not in it.
        Raises StorageError when ``path`` exists or cannot be written, or the database is not SQLite.
        """
        source = self._sessions.address.path
        if source is None:
            raise StorageError("DATABASE_URL: only SQLite is copied by this program: use pg_dump for PostgreSQL")
        await asyncio.to_thread(_copy, source, path)


def _problems(connection: Connection, vault: Vault) -> list[str]:
    revision = _revision(connection)
    problems = []
    if revision != REVISION:
        problems.append(
            f"the schema is at {revision or 'nothing'}, this program needs {REVISION}: run 'tumorscan db upgrade'"
        )
    else:
        try:
            look_for_keys(connection, vault)
        except DataKeyError as error:
            problems.append(str(error))
    if connection.dialect.name == "sqlite":
        integrity = connection.scalars(text("PRAGMA integrity_check")).all()
        problems += [f"damage: {line}" for line in integrity if line != "ok"]
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
        problems += [f"damage: table {row[0]}, row {row[1]} refers to a row that is gone" for row in orphans]
    return problems


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do it all even when the caller is cancelled: the driver's threads speak to the event loop, soon to be gone."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # read, so that asyncio does not complain
        raise


async def _ready(address: Address, vault: Vault, *, migrate: bool) -> None:
    try:
        if address.path is not None:
            await asyncio.to_thread(_prepare_file, address, address.path, vault, migrate=migrate)
            return
        engine = opening_engine(address)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(_prepare, vault, migrate=migrate)
        finally:
            await engine.dispose()
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise explain(error, address.where) from error


def _prepare_file(address: Address, path: Path, vault: Vault, *, migrate: bool) -> None:
    prepare_file(path, create=migrate)
    engine = opening_file_engine(address)
    try:
        if migrate:
            with engine.connect() as connection:
                raw: Any = connection.connection.driver_connection
                _use_write_ahead_log(raw)
                _no_copy_any_more(raw)
        with engine.begin() as connection:
            _prepare(connection, vault, migrate=migrate)
    finally:
        engine.dispose()


def _prepare(connection: Connection, vault: Vault, *, migrate: bool) -> None:
    if not migrate:
        _revision(connection)
        return
    _migrate(connection)
    admit_keys(connection, vault)


def _use_write_ahead_log(raw: sqlite3.Connection) -> None:
    """Switch to it. SQLite waits for nobody in this one case, and a second start may be at the same, so we do.

    Raises sqlite3.Error.
    """
    latest = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
            if not is_busy or time.monotonic() > latest:
                raise
        else:
            return
        time.sleep(SWITCH_PAUSE)


def _no_copy_any_more(raw: sqlite3.Connection) -> None:
    """A copy that was put in the database's place is the database from now on, and not to be pruned."""
    (mark,) = raw.execute("PRAGMA application_id").fetchone()
    if mark == APPLICATION_ID:
        raw.execute("PRAGMA application_id = 0")


def _revision(connection: Connection) -> str | None:
    """Name the schema's revision, None for an empty database; StorageError for one that is not ours to touch."""
    tables = set(inspect(connection).get_table_names())
    if UNFINISHED_COPY in tables:
        raise StorageError("DATABASE_URL: a copy into this database is not whole: run 'tumorscan db copy' once more")
    if "alembic_version" not in tables:
        if connection.dialect.name == "sqlite" and tables:
            raise StorageError(
                "DATABASE_URL: the file holds the tables of another program: choose another file for this one"
            )
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found is not None and found > REVISION:
        raise StorageError(
            f"DATABASE_URL: the database was made by a newer version of this program (schema {found}, "
            f"known here: {REVISION}): install the newer version, or choose another file"
        )
    return found


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Several replicas may start at once: the first one migrates, the others wait here and find it done.
        connection.execute(text("SELECT pg_advisory_xact_lock(7263490127)"))
    found = _revision(connection)
    if found == REVISION:
        return
    if found is None and connection.dialect.name == "sqlite":
        create_newest(connection)
        return
    from storage.migrations import upgrade  # loads Alembic, which the usual start does without

    upgrade(connection)
    if connection.dialect.name == "sqlite" and (orphans := connection.execute(text("PRAGMA foreign_key_check")).all()):
        raise StorageError(f"DATABASE_URL: {len(orphans)} rows refer to rows that are gone: put back a backup")


def _leave_out_what_goes(copy: sqlite3.Connection) -> None:
    """A copy may be kept for months: what people want gone, and is there for seconds more, is not to be in it."""
    names = {row[0] for row in copy.execute("SELECT name FROM pragma_table_info('scans')")}
    if not {"passes", "deleted_at"} <= names:
        return  # of an earlier version, which had neither
    copy.execute("PRAGMA foreign_keys = ON")
    gone = copy.execute("DELETE FROM scans WHERE passes OR deleted_at IS NOT NULL").rowcount
    copy.commit()
    if gone:
        copy.execute("VACUUM")


def _copy(source: Path, path: Path) -> None:
    try:
        if path.exists():
            raise StorageError(f"{path} exists already: name a new file for the backup")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # readable for this user alone
            partial = Path(folder, path.name)
            with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(partial)) as copy:
                original.backup(copy)
                _leave_out_what_goes(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
                copy.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                copy.execute(f"PRAGMA user_version = {stamp(datetime.now(UTC))}")
                (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise StorageError(f"DATABASE_URL: {source} is damaged, and so would the copy be: {verdict}")
            partial.chmod(0o600)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.rename(path)
    except sqlite3.Error as error:
        raise explain(error, str(source)) from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror}): choose another place") from error
