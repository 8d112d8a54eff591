"""Who was let in by an invitation, and whom an administrator has blocked."""

import asyncio
import secrets
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from storage.columns import names_of, storable
from storage.records import Invitation
from storage.schema import ACCESS, INVITATIONS, insert_into
from storage.sessions import Sessions

FRESH = 5.0
"""Seconds for which the list of who is blocked holds; a block by another process counts from then on at the latest."""
CODE_BYTES = 12
"""96 bits of chance: nobody finds a code by trying."""
_COLUMNS = tuple(INVITATIONS.c[name] for name in names_of(Invitation))
_OF_CHAT = ACCESS.c.chat_id == bindparam("chat")


class Standing(Enum):
    """What is known of a chat, apart from what the settings say of it."""

    UNKNOWN = "unknown"
    INVITED = "invited"
    BLOCKED = "blocked"


class _SpentError(Exception):
    """The code lets nobody in (any more); undoes the transaction that found it out."""


class Access:
    """Invitations and blocks. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._blocked: frozenset[int] = frozenset()
        self._blocked_until = float("-inf")
        """When the list above has to be read anew."""

    async def is_blocked(self, chat_id: int) -> bool:
        """Whether a chat is blocked: asked of every update, so from a list in memory, which ``FRESH`` keeps true."""
        now = asyncio.get_running_loop().time()
        if now >= self._blocked_until:
            rows = await self._sessions.read(lambda at: at.scalars(_ALL_BLOCKED).all())
            self._blocked, self._blocked_until = frozenset(rows), now + FRESH
        return chat_id in self._blocked

    async def of(self, chat_id: int) -> Standing:
        """What is known of a chat; a block goes before an invitation."""
        row = await self._sessions.read(lambda at: at.execute(_ROW, {"chat": chat_id}).first())
        if row is None:
            return Standing.UNKNOWN
        return Standing.INVITED if row.blocked_at is None else Standing.BLOCKED

    async def invite(self, uses: int, expires_at: datetime) -> Invitation:
        """Make a code that lets ``uses`` people in until ``expires_at``."""
        values = {
            "code": secrets.token_urlsafe(CODE_BYTES),
            "uses": uses,
            "uses_left": uses,
            "expires_at": expires_at,
            "created_at": datetime.now(UTC),
        }
        row = await self._sessions.write(lambda at: at.execute(_INVITE, values).one())
        return Invitation(*row)

    async def invitations(self, most: int) -> tuple[Invitation, ...]:
        """The newest ``most`` codes that still let somebody in, newest first."""
        rows = await self._sessions.read(lambda at: at.execute(_OPEN_ONES.limit(most), _now()).all())
        return tuple(Invitation(*row) for row in rows)

    async def withdraw(self, invitation_id: int) -> bool:
        """Have a code let nobody in any more; who came by it stays. False: there is no such code."""
        statement = delete(INVITATIONS).where(INVITATIONS.c.id == invitation_id)
        return await self._sessions.write(lambda at: at.execute(statement).rowcount == 1)

    async def redeem(self, chat_id: int, code: str) -> bool:
        """Let a chat in by a code. Who is in already uses nothing up; False: the code lets nobody in (any more).

        However many come at once, no more are let in than the code has uses: one UPDATE both asks and takes.
        """
        invited = _invited(self._sessions.sqlite)

        def take(at: Connection) -> None:
            now = datetime.now(UTC)
            if at.execute(invited, {"chat_id": chat_id, "invited_at": now, "blocked_at": None}).first() is None:
                return  # is in already
            if at.execute(_TAKE, {"typed": storable(code), "now": now}).rowcount != 1:
                raise _SpentError

        try:
            await self._sessions.write(take)
        except _SpentError:
            return False
        return True

    async def block(self, chat_id: int) -> bool:
        """Block a chat, also one that has never written. False: it was blocked already."""
        blocked = _blocked(self._sessions.sqlite)
        values = {"chat_id": chat_id, "invited_at": None, "blocked_at": datetime.now(UTC)}
        newly = await self._sessions.write(lambda at: at.execute(blocked, values).first() is not None)
        self._blocked_until = float("-inf")
        return newly

    async def unblock(self, chat_id: int) -> bool:
        """Undo a block; an invitation holds again. False: the chat was not blocked."""

        def undo(at: Connection) -> bool:
            if at.execute(_FORGET_BLOCKED, {"chat": chat_id}).rowcount:
                return True
            return at.execute(_UNBLOCK, {"chat": chat_id}).rowcount == 1

        was_blocked = await self._sessions.write(undo)
        self._blocked_until = float("-inf")
        return was_blocked

    async def forget_expired(self) -> int:
        """Delete codes that have run out; returns how many."""
        statement = delete(INVITATIONS).where(INVITATIONS.c.expires_at <= bindparam("now"))
        return await self._sessions.write(lambda at: at.execute(statement, _now()).rowcount)


def forget_invitation(at: Connection, chat_id: int) -> None:
    """Part of deleting a person: only a block outlives that, or it would end by deleting oneself."""
    at.execute(_FORGET_INVITED, {"chat": chat_id})
    at.execute(_UNINVITE, {"chat": chat_id})


def _now() -> dict[str, datetime]:
    return {"now": datetime.now(UTC)}


_ALL_BLOCKED = select(ACCESS.c.chat_id).where(ACCESS.c.blocked_at.is_not(None))
_ROW = select(ACCESS.c.blocked_at).where(_OF_CHAT)
_INVITE = insert(INVITATIONS).returning(*_COLUMNS)
_IS_OPEN = (INVITATIONS.c.uses_left > 0, INVITATIONS.c.expires_at > bindparam("now"))
_OPEN_ONES = select(*_COLUMNS).where(*_IS_OPEN).order_by(INVITATIONS.c.id.desc())
_TAKE = (
    update(INVITATIONS)
    .where(INVITATIONS.c.code == bindparam("typed"), *_IS_OPEN)
    .values(uses_left=INVITATIONS.c.uses_left - 1)
)
_IS_BLOCKED = (_OF_CHAT, ACCESS.c.blocked_at.is_not(None))
_FORGET_BLOCKED = delete(ACCESS).where(*_IS_BLOCKED, ACCESS.c.invited_at.is_(None))
_UNBLOCK = update(ACCESS).where(*_IS_BLOCKED).values(blocked_at=None)
_FORGET_INVITED = delete(ACCESS).where(_OF_CHAT, ACCESS.c.blocked_at.is_(None))
_UNINVITE = update(ACCESS).where(_OF_CHAT).values(invited_at=None)


@cache
def _invited(on_sqlite: bool) -> Any:
    fresh = insert_into(ACCESS, on_sqlite=on_sqlite)
    newly = fresh.on_conflict_do_update(
        index_elements=["chat_id"], set_={"invited_at": fresh.excluded.invited_at}, where=ACCESS.c.invited_at.is_(None)
    )
    return newly.returning(ACCESS.c.id)


@cache
def _blocked(on_sqlite: bool) -> Any:
    fresh = insert_into(ACCESS, on_sqlite=on_sqlite)
    newly = fresh.on_conflict_do_update(
        index_elements=["chat_id"], set_={"blocked_at": fresh.excluded.blocked_at}, where=ACCESS.c.blocked_at.is_(None)
    )
    return newly.returning(ACCESS.c.id)
