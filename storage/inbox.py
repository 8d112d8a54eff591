"""The inbox: every update from its receipt until it is answered, so that a kill or a power cut loses none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Table, Update, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects import sqlite

from storage.schema import InboxRow, storable
from storage.sessions import Sessions

OPEN = ("waiting", "working")
BARE: Mapping[str, object] = {"state": "done", "payload": "", "chat_id": None, "error": None, "messages": {}}
"""What is left of a finished update: its id, which says nothing of anybody."""

# Every update passes here several times. Statements on the bare table, made once, cost half of what rows as objects do.
_TABLE = cast(Table, InboxRow.__table__)
_COLUMN = _TABLE.c


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """An update that waits to be handled."""

    update_id: int
    payload: str
    """As ``put`` was given it."""
    attempts: int
    """How often its handler failed, or the process ended while nothing else was working."""
    kills: int
    """How often the process ended while this and others were working."""
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at handling an update."""

    failed: int
    """How many have failed before."""
    messages: Mapping[str, int] = field(default_factory=dict)
    """What those have sent: step -> Telegram message id."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An update that could not be handled, without what it says."""

    update_id: int
    attempts: int
    error: str
    """The traceback of the last attempt; its words may be a person's."""
    received_at: datetime
    finished_at: datetime


class Inbox:
    """Updates in the order of their arrival. One process works on them at a time.

    A row is ``waiting``, ``working`` (a handler does something that might fail), ``held`` (until its sender says yes),
    ``done`` or ``set_aside``. Every method raises StorageError when the database fails.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def put(self, update_id: int, chat_id: int | None, payload: str) -> bool:
        """Keep an update for good: after the return no power cut loses it. False: it was known already."""
        values: dict[str, object] = {
            "update_id": update_id,
            "chat_id": chat_id,
            "payload": storable(payload),
            "state": "waiting",
            "attempts": 0,
            "kills": 0,
            "messages": {},
            "received_at": datetime.now(UTC),
        }
        insert = _insert(self._sessions.sqlite)
        return await self._sessions.write(lambda at: at.execute(insert, values).rowcount == 1, durable=True)

    async def recover(self) -> tuple[PendingUpdate, ...]:
        """At the start of a process: what the last one left unfinished, oldest first; held updates are not among it.

        What was ``working`` when that one ended may have ended it. If it was alone, that counts as a failed attempt;
        among several nobody knows which it was, and each is noted as present at a kill.
        """
        return await self._sessions.write(_recover)

    async def begin(self, update_id: int) -> Attempt | None:
        """Note, before it happens, that something is done with the update that might fail. None: it is finished."""
        return await self._sessions.write(lambda at: _begin(at, update_id))

    async def move_on(self, left: int, taken_up: int) -> Attempt | None:
        """As ``begin``, for a handler that has come through ``left`` and goes on with another update of its album."""

        def leave_and_begin(at: Connection) -> Attempt | None:
            at.execute(_LEAVE, {"one": left})
            return _begin(at, taken_up)

        return await self._sessions.write(leave_and_begin)

    async def rest(self, update_id: int) -> None:
        """The update waits: for a turn, for the network. If the process ends now, it was not the cause."""
        await self._sessions.write(lambda at: at.execute(_REST, {"one": update_id}).rowcount)

    async def fail(self, update_id: int) -> int:
        """Count a failed attempt; returns how many there are now, 0 for an update that is finished."""
        return await self._sessions.write(lambda at: at.scalar(_FAIL, {"one": update_id})) or 0

    async def done(self, *update_ids: int) -> None:
        """Finish updates; what they held is erased. One that is held by now stays so."""
        await self._sessions.write(lambda at: _finish(at, update_ids))

    async def set_aside(self, update_id: int, error: str) -> None:
        """Finish an update that can't be handled; it is kept with ``error``, a traceback, for the operator."""
        statement = _OPEN.values(state="set_aside", error=storable(error), finished_at=datetime.now(UTC))
        await self._sessions.write(lambda at: at.execute(statement, {"one": update_id}).rowcount)

    async def all_set_aside(self) -> tuple[DeadLetter, ...]:
        """What waits for the operator, oldest first."""
        columns = (_COLUMN.update_id, _COLUMN.attempts, _COLUMN.error, _COLUMN.received_at, _COLUMN.finished_at)
        statement = select(*columns).where(_COLUMN.state == "set_aside").order_by(_COLUMN.id)
        return tuple(DeadLetter(*row) for row in await self._sessions.read(lambda at: at.execute(statement).all()))

    async def try_again(self, update_id: int) -> bool:
        """Let an update that is set aside wait for its handler; ``recover`` finds it. False: it is not set aside."""
        fresh = {"state": "waiting", "attempts": 0, "kills": 0, "error": None, "finished_at": None}
        one = (_COLUMN.update_id == update_id, _COLUMN.state == "set_aside")
        statement = update(_TABLE).where(*one).values(**fresh)
        return await self._sessions.write(lambda at: at.execute(statement).rowcount == 1)

    async def hold(self, update_id: int) -> None:
        """Keep the update until its chat is released; this outlives the process."""
        statement = _OPEN.values(state="held", attempts=0, kills=0)
        await self._sessions.write(lambda at: at.execute(statement, {"one": update_id}).rowcount)

    async def held(self, chat_id: int) -> int:
        """How many updates of this chat are held."""
        return await self._sessions.read(lambda at: at.scalar(select(func.count()).where(*_held_of(chat_id)))) or 0

    async def release(self, chat_id: int) -> tuple[PendingUpdate, ...]:
        """Let the held updates of a chat wait for their handler; oldest first."""
        statement = update(_TABLE).where(*_held_of(chat_id)).values(state="waiting").returning(_COLUMN.id, *_KEPT)
        rows = await self._sessions.write(lambda at: at.execute(statement).all())
        return tuple(PendingUpdate(*row[1:]) for row in sorted(rows, key=lambda row: int(row[0])))

    async def drop(self, chat_id: int, *update_ids: int) -> int:
        """Finish the updates that are held for a chat, whose number is returned, and ``update_ids``, unanswered."""
        held = update(_TABLE).where(*_held_of(chat_id)).values(**BARE, finished_at=datetime.now(UTC))

        def finish(at: Connection) -> int:
            dropped = at.execute(held).rowcount
            _finish(at, update_ids)
            return dropped

        return await self._sessions.write(finish)

    async def record(self, update_id: int, step: str, message_id: int) -> None:
        """Note which message a step became. An update that is finished meanwhile is left alone."""

        def add(at: Connection) -> None:
            messages = at.scalar(_MESSAGES, {"one": update_id})
            if messages is not None:
                at.execute(_RECORD, {"one": update_id, "sent": {**messages, step: message_id}})

        await self._sessions.write(add)

    async def recorded(self, *update_ids: int) -> Mapping[int, Mapping[str, int]]:
        """What handlers of these updates have sent: update id -> step -> message id; nothing for unknown ones."""
        statement = select(_COLUMN.update_id, _COLUMN.messages).where(_COLUMN.update_id.in_(update_ids))
        rows = await self._sessions.read(lambda at: at.execute(statement).all())
        return {update_id: dict(messages) for update_id, messages in rows}

    async def prune(self, done_before: datetime, set_aside_before: datetime) -> int:
        """Forget what was finished before these times; returns how many updates. Telegram repeats none after a day."""
        limit = case((_COLUMN.state == "set_aside", set_aside_before), else_=done_before)
        old = _COLUMN.finished_at < max(done_before, set_aside_before)  # found by the index
        statement = delete(_TABLE).where(old, _COLUMN.finished_at < limit)
        return await self._sessions.write(lambda at: at.execute(statement).rowcount)


def _held_of(chat_id: int) -> tuple[Any, Any]:
    return _COLUMN.chat_id == chat_id, _COLUMN.state == "held"


_KEPT = (_COLUMN.update_id, _COLUMN.payload, _COLUMN.attempts, _COLUMN.kills, _COLUMN.received_at)
# "IN (...)" would be written out anew each time that a statement runs.
_IS_OPEN = (_COLUMN.update_id == bindparam("one"), or_(*(_COLUMN.state == state for state in OPEN)))
_OPEN: Update = update(_TABLE).where(*_IS_OPEN)
_BEGIN = _OPEN.values(state="working").returning(_COLUMN.attempts, _COLUMN.messages)
_LEAVE = _OPEN.values(state="waiting", attempts=0, kills=0)
_REST = _OPEN.values(state="waiting")
_FAIL = _OPEN.values(state="waiting", attempts=_COLUMN.attempts + 1).returning(_COLUMN.attempts)
_MESSAGES = select(_COLUMN.messages).where(*_IS_OPEN).with_for_update()
_RECORD = _OPEN.values(messages=bindparam("sent"))
_FINISH = _OPEN.values(**BARE, finished_at=bindparam("now"))


@cache
def _insert(on_sqlite: bool) -> Any:
    """The INSERT that knows ON CONFLICT; PostgreSQL's takes a while to load, so only where it is used."""
    if on_sqlite:
        insert: Any = sqlite.insert
    else:
        from sqlalchemy.dialects import postgresql

        insert = postgresql.insert
    return insert(_TABLE).on_conflict_do_nothing(index_elements=["update_id"])


def _recover(at: Connection) -> tuple[PendingUpdate, ...]:
    working = _COLUMN.state == "working"
    alone = at.scalar(select(func.count()).where(working)) == 1
    counted = {"attempts": _COLUMN.attempts + 1} if alone else {"kills": _COLUMN.kills + 1}
    at.execute(update(_TABLE).where(working).values(state="waiting", **counted))
    rows = at.execute(
        select(*_KEPT).where(_COLUMN.finished_at.is_(None), _COLUMN.state == "waiting").order_by(_COLUMN.id)
    )
    return tuple(PendingUpdate(*row) for row in rows)


def _begin(at: Connection, update_id: int) -> Attempt | None:
    row = at.execute(_BEGIN, {"one": update_id}).one_or_none()
    return None if row is None else Attempt(row[0], dict(row[1]))


def _finish(at: Connection, update_ids: tuple[int, ...]) -> None:
    now = datetime.now(UTC)
    if update_ids:
        at.execute(_FINISH, [{"one": update_id, "now": now} for update_id in update_ids])
