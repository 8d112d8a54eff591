"""Messages to everybody: who has them already is kept, so that a killed process goes on where it was."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from storage.columns import names_of
from storage.records import Broadcast
from storage.schema import ACCESS, BROADCASTS, PEOPLE, RECIPIENTS
from storage.sessions import Sessions

LEASE = timedelta(minutes=10)
"""Whoever was taken for sending so long ago is taken again: the process that did it is gone."""
SENT, BLOCKED, FAILED = "sent", "blocked", "failed"
_COLUMNS = tuple(BROADCASTS.c[name] for name in names_of(Broadcast))
_ONE = BROADCASTS.c.id == bindparam("broadcast")


@dataclass(frozen=True, slots=True)
class Readers:
    """Whom a broadcast is for: who may use the bot. Of these, whoever has blocked it or been blocked is left out."""

    chats: frozenset[int] | None = None
    """Chats that the settings name; None is everybody."""
    invited: bool = False
    """Whether those count, too, who were let in by an invitation."""


class Broadcasts:
    """Drafts, and those under way with their recipients. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def draft(self, text: str, created_by: int) -> Broadcast:
        """Keep a message that is not sent yet; an older draft of the same administrator is forgotten."""
        fresh = {"text": text, "created_by": created_by, "created_at": datetime.now(UTC), "state": "draft"}
        counts = dict.fromkeys(("recipients", SENT, BLOCKED, FAILED), 0)

        def keep(at: Connection) -> Any:
            old = (BROADCASTS.c.created_by == created_by, BROADCASTS.c.state == "draft")
            at.execute(delete(BROADCASTS).where(*old))
            return at.execute(insert(BROADCASTS).values(**fresh, **counts).returning(*_COLUMNS)).one()

        return Broadcast(*await self._sessions.write(keep))

    async def audience(self, readers: Readers) -> tuple[int, int]:
        """How many would get a message now, and how many of the readers have blocked the bot or been blocked."""
        audience = _audience(readers)
        row = await self._sessions.read(lambda at: at.execute(audience).one())
        return int(row[0] or 0), int(row[1] or 0)

    async def start(self, broadcast_id: int, readers: Readers) -> Broadcast | None:
        """Begin to send a draft to the readers who are there now; None when it is no draft (any more)."""
        audience, recipients = _audience(readers), _recipients_of(readers)

        def begin(at: Connection) -> Any:
            values = {"broadcast": broadcast_id}
            started = update(BROADCASTS).where(_ONE, BROADCASTS.c.state == "draft").values(state="sending")
            if at.execute(started, values).rowcount != 1:
                return None
            skipped = (at.execute(audience).one())[1] or 0
            at.execute(recipients, values)
            total = at.scalar(select(func.count()).where(RECIPIENTS.c.broadcast_id == broadcast_id)) or 0
            counts = {"recipients": total + skipped, "blocked": skipped}
            return at.execute(update(BROADCASTS).where(_ONE).values(**counts).returning(*_COLUMNS), values).one()

        row = await self._sessions.write(begin)
        return Broadcast(*row) if row else None

    async def forget_draft(self, broadcast_id: int) -> bool:
        """Drop a message that was not sent; False when it is no draft (any more)."""
        statement = delete(BROADCASTS).where(BROADCASTS.c.id == broadcast_id, BROADCASTS.c.state == "draft")
        return await self._sessions.write(lambda at: at.execute(statement).rowcount == 1)

    async def stop(self, broadcast_id: int) -> Broadcast | None:
        """Send it to nobody more; None when it is not under way."""
        return await self._end(broadcast_id, "stopped")

    async def last(self) -> Broadcast | None:
        """The newest that was confirmed, with its counts so far."""

        def newest(at: Connection) -> Any:
            row = at.execute(_NEWEST).first()
            return None if row is None else _with_counts(at, Broadcast(*row))

        found: Broadcast | None = await self._sessions.read(newest)
        return found

    async def resume(self) -> None:
        """At the start of the one process that sends: whoever was being sent to is sent to again."""
        statement = update(RECIPIENTS).where(RECIPIENTS.c.state == "sending").values(state="waiting")
        await self._sessions.write(lambda at: at.execute(statement).rowcount)

    async def take(self) -> tuple[int, int, str] | None:
        """Take the next recipient: its number, the chat and the text; None when nobody waits.

        Nobody else is given the same one, also not another process, until it is settled, its replica has died, or
        ``LEASE`` has gone by.
        """
        now, me = datetime.now(UTC), self._sessions.replica

        def take_one(at: Connection) -> Any:
            taken = at.execute(_TAKE, {"now": now, "long_ago": now - LEASE, "replica": me}).first()
            return None if taken is None else at.execute(_TAKEN, {"recipient": taken.id}).one()

        row = await self._sessions.write(take_one)
        return None if row is None else (row.id, row.chat_id, row.text)

    async def settle(self, recipient_id: int, state: str | None) -> Broadcast | None:
        """Note what became of a recipient; None as ``state`` lets it wait again. Returns a broadcast that this ends."""

        def note(at: Connection) -> int | None:
            values = {"state": state or "waiting"}
            one = update(RECIPIENTS).where(RECIPIENTS.c.id == recipient_id, RECIPIENTS.c.state == "sending")
            broadcast_id: int | None = at.scalar(one.values(**values).returning(RECIPIENTS.c.broadcast_id))
            return broadcast_id

        broadcast_id = await self._sessions.write(note)
        return None if state is None or broadcast_id is None else await self._end(broadcast_id, "done")

    async def end_idle(self) -> tuple[Broadcast, ...]:
        """End those that have nobody left to send to, as when their last recipient has deleted everything."""
        statement = select(BROADCASTS.c.id).where(BROADCASTS.c.state == "sending")
        under_way = await self._sessions.read(lambda at: at.scalars(statement).all())
        ended = [await self._end(broadcast_id, "done") for broadcast_id in under_way]
        return tuple(one for one in ended if one)

    async def _end(self, broadcast_id: int, state: str) -> Broadcast | None:
        """End one that is under way; as "done" only when nobody is left. Whoever ends it is given it, nobody else."""
        left = select(RECIPIENTS.c.id).where(
            RECIPIENTS.c.broadcast_id == broadcast_id, RECIPIENTS.c.state.in_(("waiting", "sending"))
        )
        conditions = [BROADCASTS.c.id == broadcast_id, BROADCASTS.c.state == "sending"]
        if state == "done":
            conditions.append(~left.exists())
        statement = update(BROADCASTS).where(*conditions).values(state=state).returning(*_COLUMNS)

        def end(at: Connection) -> Broadcast | None:
            row = at.execute(statement).one_or_none()
            if row is None:
                return None
            whole = _with_counts(at, Broadcast(*row))
            counts = {"sent": whole.sent, "blocked": whole.blocked, "failed": whole.failed}
            at.execute(update(BROADCASTS).where(BROADCASTS.c.id == broadcast_id).values(**counts))
            at.execute(delete(RECIPIENTS).where(RECIPIENTS.c.broadcast_id == broadcast_id))
            return whole

        return await self._sessions.write(end)


def _with_counts(at: Connection, broadcast: Broadcast) -> Broadcast:
    """With what its recipients say, as long as they are kept: what the row itself counts was settled before."""
    rows = at.execute(_STATES, {"broadcast": broadcast.id}).all()
    counts = {state: int(number) for state, number in rows}
    return Broadcast(
        broadcast.id,
        broadcast.text,
        broadcast.created_by,
        broadcast.created_at,
        broadcast.state,
        broadcast.recipients,
        broadcast.sent + counts.get(SENT, 0),
        broadcast.blocked + counts.get(BLOCKED, 0),
        broadcast.failed + counts.get(FAILED, 0),
    )


_IS_SHUT_OUT = (
    select(ACCESS.c.id).where(ACCESS.c.chat_id == PEOPLE.c.chat_id, ACCESS.c.blocked_at.is_not(None)).exists()
)
_IS_REACHED = and_(PEOPLE.c.blocked.is_(False), ~_IS_SHUT_OUT)


def _are(readers: Readers) -> ColumnElement[bool]:
    """The condition that a person is one of these."""
    if readers.chats is None:
        return true()
    named = PEOPLE.c.chat_id.in_(sorted(readers.chats))
    was_invited = select(ACCESS.c.id).where(ACCESS.c.chat_id == PEOPLE.c.chat_id, ACCESS.c.invited_at.is_not(None))
    return or_(named, was_invited.exists()) if readers.invited else named


def _audience(readers: Readers) -> Any:
    reached, left_out = (func.sum(case((_IS_REACHED, one), else_=1 - one)) for one in (1, 0))
    return select(reached, left_out).select_from(PEOPLE).where(_are(readers))


def _recipients_of(readers: Readers) -> Any:
    people = select(bindparam("broadcast", type_=BROADCASTS.c.id.type), PEOPLE.c.id, literal("waiting"))
    reached = people.where(_IS_REACHED, _are(readers)).order_by(PEOPLE.c.id)
    return insert(RECIPIENTS).from_select(["broadcast_id", "person_id", "state"], reached)


_NEWEST = select(*_COLUMNS).where(BROADCASTS.c.state != "draft").order_by(BROADCASTS.c.id.desc()).limit(1)
_STATES = (
    select(RECIPIENTS.c.state, func.count())
    .where(RECIPIENTS.c.broadcast_id == bindparam("broadcast"))
    .group_by(RECIPIENTS.c.state)
)
_WAITS = or_(
    RECIPIENTS.c.state == "waiting",
    and_(RECIPIENTS.c.state == "sending", RECIPIENTS.c.taken_at < bindparam("long_ago")),
)
_NEXT = (
    select(RECIPIENTS.c.id)
    .join_from(RECIPIENTS, BROADCASTS, BROADCASTS.c.id == RECIPIENTS.c.broadcast_id)
    .where(BROADCASTS.c.state == "sending", _WAITS)
    .order_by(RECIPIENTS.c.id)
    .limit(1)
    # On PostgreSQL two processes pass one another by; SQLite has one writer and leaves this out.
    .with_for_update(of=RECIPIENTS, skip_locked=True)
    .scalar_subquery()
)
_TAKE = (
    update(RECIPIENTS)
    .where(RECIPIENTS.c.id == _NEXT)
    .values(state="sending", taken_at=bindparam("now"), replica_id=bindparam("replica"))
    .returning(RECIPIENTS.c.id)
)
_TAKEN = (
    select(RECIPIENTS.c.id, PEOPLE.c.chat_id, BROADCASTS.c.text)
    .join_from(RECIPIENTS, PEOPLE, PEOPLE.c.id == RECIPIENTS.c.person_id)
    .join(BROADCASTS, BROADCASTS.c.id == RECIPIENTS.c.broadcast_id)
    .where(RECIPIENTS.c.id == bindparam("recipient"))
)
