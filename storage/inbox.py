"""The inbox: every update from its receipt until it is answered, so that a kill or a power cut loses none."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, case, delete, func, or_, select, update

from storage.columns import storable
from storage.errors import DataKeyError
from storage.schema import INBOX, insert_into
from storage.sessions import Sessions

_log = logging.getLogger(__name__)
OPEN = ("waiting", "working")
TEXT_STEP = "text "
"""How steps begin that stand for texts of one try at an update, and are forgotten when it is tried anew."""
BARE: Mapping[str, object] = {"state": "done", "payload": "", "chat_id": None, "error": None, "messages": {}}
"""What is left of a finished update: its id, which says nothing of anybody."""

# Every update passes here several times. Statements on the bare table, made once, cost half of what rows as objects do.
_COLUMN = INBOX.c


@dataclass(frozen=True, slots=True)
class ReceivedUpdate:
    """An update as it came."""

    update_id: int
    chat_id: int | None
    payload: str
    unreadable: str | None = None
    """Why no handler can be given it, a traceback: it is kept for the operator alone."""
    is_merged: bool = False
    """Whether another one's answer is to do for it, too: its id alone is kept."""


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """An update that waits to be handled."""

    update_id: int
    payload: str
    """As ``put`` was given it."""
    attempts: int
    """How often its handler failed, or the process ended while nothing else was being worked on."""
    kills: int
    """How often the process ended while this and others were working."""
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at handling an update."""

    failed: int
    """How many have failed before."""
    messages: Mapping[str, int]
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


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for its handler or is in work; what awaits a yes is not counted."""

    updates: int
    oldest: datetime | None
    """When the first of them came."""


class Inbox:
    """Updates in the order of their arrival. One process works on them at a time, or replicas (see ``storage.claims``).

    A row is ``waiting``, ``working`` (a handler does something that might end the process), ``awaiting_consent`` (until
    its sender says yes), ``done`` or ``dead_letter``. Every method raises StorageError when the database fails.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._seal = sessions.vault.of(INBOX)

    async def put(self, *updates: ReceivedUpdate, also: Callable[[Connection], None] | None = None) -> frozenset[int]:
        """Keep updates for good, all or none: after the return no power cut loses them.

        ``also`` is done in the same transaction. Returns the ids of those that were not known already.
        """
        insert, now = _insert(self._sessions.sqlite), datetime.now(UTC)
        rows = [self._seal.values(_row(update, now)) for update in updates]

        def insert_all(at: Connection) -> frozenset[int]:
            # A batch of Telegram's, up to a hundred, in one statement, which returns those that are new.
            fresh = frozenset(at.scalars(insert, rows if len(rows) > 1 else rows[0])) if rows else frozenset()
            if also is not None:
                also(at)
            return fresh

        return await self._sessions.write(insert_all, durable=True)

    async def recover(self) -> tuple[PendingUpdate, ...]:
        """At the start of a process: what the last one left unfinished, oldest first, but not what awaits consent.

        What was ``working`` when that one ended may have ended it. If it was alone, that counts as a failed attempt;
        among several nobody knows which it was, and each is noted as present at a kill.
        """
        return tuple(map(self.opened, await self._sessions.write(_recover)))

    def opened(self, row: Row[*tuple[Any, ...]]) -> PendingUpdate:
        """What the columns ``PENDING`` of a row say; without a payload when it does not open."""
        try:
            return PendingUpdate(*self._seal.row(row)[: len(PENDING)])
        except DataKeyError as error:  # one that was changed holds up none of the others
            _log.error("update %d: %s", row.update_id, error)
            return PendingUpdate(row.update_id, "", row.attempts, row.kills, row.received_at)

    async def begin(self, update_id: int) -> Attempt | None:
        """Note, before it happens, that something is done with the update that might fail.

        None: it is finished, or another replica's by now.
        """
        replica = self._sessions.replica
        return await self._sessions.write(lambda at: _begin(at, update_id, replica))

    async def move_on(self, left: int, taken_up: int) -> Attempt | None:
        """As ``begin``, for a handler that has come through ``left`` and goes on with another update of its album."""
        replica = self._sessions.replica

        def leave_and_begin(at: Connection) -> Attempt | None:
            at.execute(_LEAVE, {"one": left})
            return _begin(at, taken_up, replica)

        return await self._sessions.write(leave_and_begin)

    async def park(self, update_id: int) -> None:
        """The update waits: for a turn, for the network. If the process ends now, it was not the cause."""
        await self._sessions.write(lambda at: at.execute(_PARK, {"one": update_id}).rowcount)

    async def fail(self, update_id: int) -> int:
        """Count a failed attempt; returns how many there are now, 0 for an update that is finished."""
        return await self._sessions.write(lambda at: at.scalar(_FAIL, {"one": update_id})) or 0

    async def done(self, *update_ids: int) -> None:
        """Finish updates; what they said is erased. One that awaits consent by now goes on doing so."""
        await self._sessions.write(lambda at: _finish(at, update_ids))

    async def dead_letter(self, update_id: int, error: str) -> None:
        """Finish an update that can't be handled; it is kept with ``error``, a traceback, for the operator."""
        values = {"state": "dead_letter", "error": storable(error), "finished_at": datetime.now(UTC)}
        statement = _OPEN.values(self._seal.values(values, update_id=update_id))
        await self._sessions.write(lambda at: at.execute(statement, {"one": update_id}).rowcount)

    async def dead_letters(self) -> tuple[DeadLetter, ...]:
        """What waits for the operator, oldest first."""
        columns = (_COLUMN.update_id, _COLUMN.attempts, _COLUMN.error, _COLUMN.received_at, _COLUMN.finished_at)
        statement = select(*columns).where(_COLUMN.state == "dead_letter").order_by(_COLUMN.id)
        rows = await self._sessions.read(lambda at: at.execute(statement).all())
        return tuple(DeadLetter(*self._seal.row(row)) for row in rows)

    async def try_again(self, update_id: int) -> bool:
        """Let a dead letter wait for its handler; ``recover`` finds it. False: it is none."""
        fresh = {"state": "waiting", "attempts": 0, "kills": 0, "error": None, "finished_at": None, "replica_id": None}
        one = (_COLUMN.update_id == update_id, _COLUMN.state == "dead_letter")

        def let_wait(at: Connection) -> bool:
            _forget_texts(at, *one)
            return at.execute(update(INBOX).where(*one).values(**fresh)).rowcount == 1

        return await self._sessions.write(let_wait)

    async def backlog(self) -> Backlog:
        """How many updates are not answered yet, and since when."""
        is_open = (_COLUMN.finished_at.is_(None), _COLUMN.state.in_(OPEN))
        statement = select(func.count(), func.min(_COLUMN.received_at)).where(*is_open)
        return Backlog(*await self._sessions.read(lambda at: at.execute(statement).one()))

    async def await_consent(self, update_id: int) -> None:
        """Keep the update until its chat is released; this outlives the process."""

        def let_wait(at: Connection) -> None:
            _forget_texts(at, *_IS_OPEN, one=update_id)
            at.execute(_AWAIT_CONSENT, {"one": update_id})

        await self._sessions.write(let_wait)

    async def awaiting_consent(self, chat_id: int) -> int:
        """How many updates of this chat await consent."""
        count = select(func.count()).where(*_awaiting(chat_id))
        return await self._sessions.read(lambda at: at.scalar(count)) or 0

    async def release(self, chat_id: int) -> tuple[PendingUpdate, ...]:
        """Let what awaited the consent of this chat wait for its handler; oldest first."""
        ours = {"state": "waiting", "replica_id": self._sessions.replica}
        statement = update(INBOX).where(*_awaiting(chat_id)).values(**ours).returning(*PENDING, _COLUMN.id)
        rows = await self._sessions.write(lambda at: at.execute(statement).all())
        return tuple(map(self.opened, sorted(rows, key=lambda row: int(row.id))))

    async def drop(self, chat_id: int, *update_ids: int) -> int:
        """Finish, unanswered, what awaits the consent of a chat, which is counted, and ``update_ids``."""
        awaiting = update(INBOX).where(*_awaiting(chat_id)).values(**BARE, finished_at=datetime.now(UTC))

        def finish(at: Connection) -> int:
            dropped = at.execute(awaiting).rowcount
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

    async def expire_consent(self, received_before: datetime) -> int:
        """Erase what has awaited consent since before this time; returns how many updates that was."""
        awaiting = (_COLUMN.finished_at.is_(None), _COLUMN.state == "awaiting_consent")
        statement = (
            update(INBOX)
            .where(*awaiting, _COLUMN.received_at < received_before)
            .values(**BARE, finished_at=datetime.now(UTC))
        )
        expired = await self._sessions.write(lambda at: at.execute(statement).rowcount)
        if expired:
            await self._sessions.scrub()
        return expired

    async def scrub(self) -> None:
        """Leave nothing on the disk of what was finished or deleted before."""
        await self._sessions.scrub()

    async def prune(self, done_before: datetime, dead_before: datetime) -> int:
        """Forget what was finished before these times; returns how many updates. Telegram repeats none after a day."""
        limit = case((_COLUMN.state == "dead_letter", dead_before), else_=done_before)
        old = _COLUMN.finished_at < max(done_before, dead_before)  # found by the index
        statement = delete(INBOX).where(old, _COLUMN.finished_at < limit)
        return await self._sessions.write(lambda at: at.execute(statement).rowcount)


def _awaiting(chat_id: int) -> tuple[Any, Any]:
    return _COLUMN.chat_id == chat_id, _COLUMN.state == "awaiting_consent"


PENDING = (_COLUMN.update_id, _COLUMN.payload, _COLUMN.attempts, _COLUMN.kills, _COLUMN.received_at)
# "IN (...)" would be written out anew each time that a statement runs.
_IS_OPEN = (_COLUMN.update_id == bindparam("one"), or_(*(_COLUMN.state == state for state in OPEN)))
_OPEN: Update = update(INBOX).where(*_IS_OPEN)
_IS_NOBODY_ELSES = or_(_COLUMN.replica_id.is_(None), _COLUMN.replica_id == bindparam("replica"))
_BEGIN = _OPEN.where(_IS_NOBODY_ELSES).values(state="working").returning(_COLUMN.attempts, _COLUMN.messages)
_LEAVE = _OPEN.values(state="waiting", attempts=0, kills=0)
_PARK = _OPEN.values(state="waiting")
_FAIL = _OPEN.values(state="waiting", attempts=_COLUMN.attempts + 1).returning(_COLUMN.attempts)
_AWAIT_CONSENT = _OPEN.values(state="awaiting_consent", attempts=0, kills=0)
_MESSAGES = select(_COLUMN.messages).where(*_IS_OPEN).with_for_update()
_RECORD = _OPEN.values(messages=bindparam("sent"))
_FINISH = _OPEN.values(**BARE, finished_at=bindparam("now"))


@cache
def _insert(on_sqlite: bool) -> Any:
    insert = insert_into(INBOX, on_sqlite=on_sqlite).on_conflict_do_nothing(index_elements=["update_id"])
    return insert.returning(_COLUMN.update_id)


def _row(update: ReceivedUpdate, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {
        "update_id": update.update_id,
        "chat_id": update.chat_id,
        "payload": storable(update.payload),
        "state": "waiting",
        "attempts": 0,
        "kills": 0,
        "messages": {},
        "error": None,
        "received_at": now,
        "finished_at": None,
    }
    if update.is_merged:
        return {**row, **BARE, "finished_at": now}
    if update.unreadable is not None:
        return row | {"state": "dead_letter", "error": storable(update.unreadable), "finished_at": now}
    return row


def requeue_after_kill(at: Connection, *whose: Any) -> None:
    """Note what was ``working`` in a process that has ended: it may have ended it, and waits now."""
    working = (_COLUMN.state == "working", *whose)
    # Alone it must have ended the process; among several nobody knows which one did.
    alone = at.scalar(select(func.count()).where(*working)) == 1
    counted = {"attempts": _COLUMN.attempts + 1} if alone else {"kills": _COLUMN.kills + 1}
    at.execute(update(INBOX).where(*working).values(state="waiting", **counted))


def _recover(at: Connection) -> Sequence[Row[*tuple[Any, ...]]]:
    requeue_after_kill(at)
    at.execute(
        update(INBOX).where(_COLUMN.finished_at.is_(None), _COLUMN.replica_id.is_not(None)).values(replica_id=None)
    )
    return at.execute(
        select(*PENDING).where(_COLUMN.finished_at.is_(None), _COLUMN.state == "waiting").order_by(_COLUMN.id)
    ).all()


def _begin(at: Connection, update_id: int, replica: int | None) -> Attempt | None:
    row = at.execute(_BEGIN, {"one": update_id, "replica": replica}).one_or_none()
    return None if row is None else Attempt(row[0], dict(row[1]))


def _forget_texts(at: Connection, *whose: Any, **values: object) -> None:
    """What was said at this try may have to be said again at another time."""
    messages = at.scalar(select(_COLUMN.messages).where(*whose).with_for_update(), values)
    if messages:
        kept = {step: message for step, message in messages.items() if not step.startswith(TEXT_STEP)}
        at.execute(update(INBOX).where(*whose).values(messages=kept), values)


def _finish(at: Connection, update_ids: tuple[int, ...]) -> None:
    now = datetime.now(UTC)
    if update_ids:
        at.execute(_FINISH, [{"one": update_id, "now": now} for update_id in update_ids])
