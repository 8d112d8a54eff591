"""Replicas: processes that share one PostgreSQL. Each says again and again that it lives, else it is missed.

All times are by the database's clock: those of the machines may be wrong. What was a dead replica's becomes nobody's,
and the others take it (see ``storage.claims``).
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.exc import DBAPIError

from storage.errors import StorageError, explain
from storage.inbox import requeue_after_kill
from storage.schema import ALLOWANCES, INBOX, RECIPIENTS, REPLICAS, insert_into
from storage.sessions import Sessions, apart_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DEAD_AFTER = timedelta(seconds=7)
"""A replica that was not heard of for so long is dead, although its connection stands: its machine stands still."""
GONE_AFTER = timedelta(seconds=3)
"""The same of one whose connection is gone. The server sees the end of a killed process at once; one that lives, and
has lost nothing but its connection, makes another in less than this."""
CALL = "tumorscan_replicas"
"""The channel on which every replica listens."""
_LOCK = text("SELECT pg_advisory_xact_lock(7263490128)")
"""Who joins or leaves does so one after another."""
_NOW = func.clock_timestamp()
_ME = REPLICAS.c.id == bindparam("me")
_IS_ALIVE = REPLICAS.c.beat_at >= _NOW - DEAD_AFTER
_HOLD = text("SELECT pg_try_advisory_lock(:me)")
"""Said on the connection that carries the heartbeats: the server lets go of it when that connection ends."""
_HAS_FALLEN_SILENT = or_(
    REPLICAS.c.beat_at < _NOW - DEAD_AFTER,
    # Nobody holds it. It is given back at the end of the transaction, so that one that lives gets it again.
    and_(REPLICAS.c.beat_at < _NOW - GONE_AFTER, func.pg_try_advisory_xact_lock(REPLICAS.c.id)),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What all replicas of a database must have in common, and the name by which an operator knows one."""

    name: str
    version: str
    models: str
    messages_per_second: int


class OtherReplicaError(StorageError):
    """Another replica is alive, and is not like this one; the text names it and the fix."""


def channel_of(replica_id: int) -> str:
    """Where one replica alone is called."""
    return f"{CALL}_{replica_id}"


def call(at: Connection, channel: str) -> None:
    """Wake whoever listens there, when the transaction is committed."""
    at.execute(_NOTIFY, {"channel": channel})


class Replicas:
    """The replicas of one database, seen by one of them. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def join(self, identity: Identity, burst: float) -> int:
        """Become a replica and return its id. Raises OtherReplicaError.

        ``burst`` messages may be sent at once when nobody has sent any before.
        """
        me = secrets.randbits(62)

        def enter(at: Connection) -> None:
            at.execute(_LOCK)
            for row in at.execute(select(*_IDENTITY).where(_IS_ALIVE)):
                _compare(identity, Identity(*row))
            at.execute(insert(REPLICAS).values(id=me, **_values(identity), beat_at=_NOW))
            fresh = insert_into(ALLOWANCES, on_sqlite=False).values(name="messages", available=burst, filled_at=_NOW)
            at.execute(fresh.on_conflict_do_nothing())

        await self._sessions.write(enter)
        self._sessions.replica = me
        return me

    async def refuse_if_any(self) -> None:
        """For a process that works on the database alone. Raises OtherReplicaError while replicas are alive."""
        if self._sessions.sqlite:
            return
        name = await self._sessions.read(lambda at: at.scalar(select(REPLICAS.c.name).where(_IS_ALIVE).limit(1)))
        if name is not None:
            raise OtherReplicaError(
                f"REPLICAS: {name} works on this database as a replica: set REPLICAS=true, or end it"
            )

    async def clock_ahead(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
        """Seconds by which this machine's clock is before the database's; below 0 when it is behind."""
        began = now()
        there: datetime = await self._sessions.read(lambda at: at.execute(select(_NOW)).scalar_one())
        return (began + (now() - began) / 2 - there).total_seconds()

    async def bury(self) -> tuple[str, ...]:
        """Give up what dead replicas have in hand, and what belongs to none; returns the names of those that died.

        Of what was in work when its replica died is noted what ``Inbox.recover`` notes. Who calls this must be sure
        that it was the others that fell silent, and not the database.
        """
        return await self._sessions.write(_bury)

    async def leave(self) -> None:
        """End as a replica: what this one has in hand is for the others, and nothing is held against it."""
        me, self._sessions.replica = self._sessions.replica, None

        def go(at: Connection) -> None:
            at.execute(_LOCK)
            at.execute(delete(REPLICAS).where(_ME), {"me": me})
            mine = (INBOX.c.replica_id == me, INBOX.c.finished_at.is_(None), INBOX.c.state == "working")
            at.execute(update(INBOX).where(*mine).values(state="waiting"))
            _give_up(at)

        await self._sessions.write(go)


class ReplicaConnections:
    """A replica's own connections: one carries its heartbeats and hears calls, some ask for leave to send.

    No transaction of other work delays them, and none waits for the disk. Methods raise StorageDownError.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._engine: AsyncEngine = apart_engine(sessions.address)
        self._connection: AsyncConnection | None = None
        self._holds = False
        """Whether others can see by the connection that this replica lives."""

    async def beat(self, called: Callable[[], None], all_called: Callable[[], None]) -> int:
        """Say that this replica lives, and return how many do; 0 when it was taken for dead.

        From the first beat on one of the two is called when another replica calls this one, or all. A connection that
        was lost is made again at once: without one a replica is soon taken for dead.
        """
        if self._connection is not None:
            with suppress(StorageError):
                return await self._beat(called, all_called)
        return await self._beat(called, all_called)

    async def _beat(self, called: Callable[[], None], all_called: Callable[[], None]) -> int:
        me = self._sessions.replica
        try:
            if self._connection is None:
                self._connection, self._holds = await self._open(called, all_called), False
            # Not waited for: the server may not have noticed yet that the connection before is gone.
            self._holds = self._holds or bool(await self._connection.scalar(_HOLD, {"me": me}))
            row = (await self._connection.execute(_BEAT, {"me": me})).one_or_none()
        except Exception as error:  # the driver's own come too, where a listener is added
            await self._drop()
            raise explain(error, self._sessions.address.where) from error
        return 0 if row is None else int(row[0])

    async def _open(self, called: Callable[[], None], all_called: Callable[[], None]) -> "AsyncConnection":
        connection = await self._engine.connect()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(CALL, lambda *_: all_called())
        await driver.add_listener(channel_of(self._sessions.replica or 0), lambda *_: called())
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()

    async def may_send(self, cost: int, spare: int, burst: float, rate: float) -> float | None:
        """Take ``cost`` messages of what all replicas together may send, and leave ``spare``.

        Returns 0 when they may go, else the seconds until it is worth asking again; None when this replica was taken
        for dead. Of ``burst`` messages that may go at once, ``rate`` a second come anew.
        """
        values = {"me": self._sessions.replica, "cost": cost, "least": 1 + spare, "burst": burst, "rate": rate}
        try:
            async with self._engine.connect() as connection:
                if (await connection.execute(_SPEND, values)).rowcount == 1:
                    return 0.0
                row = (await connection.execute(_LOOK, values)).one()
        except (DBAPIError, OSError) as error:
            raise explain(error, self._sessions.address.where) from error
        return max(0.001, (1 + spare - float(row.available)) / rate) if row.is_alive else None

    async def close(self) -> None:
        """Close the connections."""
        await self._drop()
        await self._engine.dispose()


_NOTIFY = text("SELECT pg_notify(:channel, '')")
_IDENTITY = (REPLICAS.c.name, REPLICAS.c.version, REPLICAS.c.models, REPLICAS.c.messages_per_second)
_BEAT = text("UPDATE replicas SET beat_at = clock_timestamp() WHERE id = :me RETURNING (SELECT count(*) FROM replicas)")
_FILLED = "least(:burst, available + :rate * greatest(0, extract(epoch FROM clock_timestamp() - filled_at)::float8))"
_ALIVE = "EXISTS (SELECT 1 FROM replicas WHERE id = :me)"
# The row is locked while it is changed, and whoever waited for it looks at it anew: nothing is spent twice.
_SPEND = text(
    f"UPDATE allowances SET available = {_FILLED} - :cost, filled_at = clock_timestamp() "  # noqa: S608 - ours
    f"WHERE name = 'messages' AND {_FILLED} + 1e-9 >= :least AND {_ALIVE}"
)
_LOOK = text(
    f"SELECT {_FILLED} AS available, {_ALIVE} AS is_alive FROM allowances WHERE name = 'messages'"  # noqa: S608 - ours
)


def _values(identity: Identity) -> dict[str, Any]:
    name = identity.name[:100]
    return {
        "name": name, "version": identity.version, "models": identity.models,
        "messages_per_second": identity.messages_per_second,
    }  # fmt: skip


def _compare(mine: Identity, theirs: Identity) -> None:
    unlike = {
        "version": (mine.version, theirs.version, "install the same version everywhere"),
        "models": (mine.models, theirs.models, "give all the same MODELS_DIR"),
        "MESSAGES_PER_SECOND": (mine.messages_per_second, theirs.messages_per_second, "set the same everywhere"),
    }
    for what, (ours, other, fix) in unlike.items():
        if ours != other:
            raise OtherReplicaError(
                f"REPLICAS: {theirs.name}, which shares this database, has {what} {other}, and this one {ours}: {fix}, "
                "or end that one first"
            )


def _bury(at: Connection) -> tuple[str, ...]:
    stale = select(REPLICAS.c.id).where(_HAS_FALLEN_SILENT).with_for_update(skip_locked=True)
    dead = at.execute(delete(REPLICAS).where(REPLICAS.c.id.in_(stale)).returning(REPLICAS.c.id, REPLICAS.c.name)).all()
    for replica_id, _ in dead:
        requeue_after_kill(at, INBOX.c.replica_id == replica_id)
    if dead or at.scalar(select(exists(select(INBOX.c.id).where(_BELONGS_TO_NONE)))):
        _give_up(at)
    return tuple(name for _, name in dead)


def _give_up(at: Connection) -> None:
    """What belongs to replicas that are not there (any more) is for everybody."""
    at.execute(update(INBOX).where(_BELONGS_TO_NONE).values(replica_id=None))
    theirs = (RECIPIENTS.c.state == "sending", _is_gone(RECIPIENTS.c.replica_id))
    at.execute(update(RECIPIENTS).where(*theirs).values(state="waiting", replica_id=None))
    call(at, CALL)


def _is_gone(replica_id: Any) -> Any:
    return and_(replica_id.is_not(None), ~exists(select(REPLICAS.c.id).where(REPLICAS.c.id == replica_id)))


_BELONGS_TO_NONE = and_(INBOX.c.finished_at.is_(None), _is_gone(INBOX.c.replica_id))
