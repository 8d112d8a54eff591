"""Who handles which update, where several replicas share one PostgreSQL: each chat is leased by one of them at a time.

An update is kept by whichever replica it comes to. If nobody holds the lease of its chat, that one takes it; else the
holder is called. The holder claims all that waits of its chats in the order of arrival, so that a person's order is
kept. What belongs to nobody, because its replica died or left, is adopted by whoever is quicker, some at a time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from storage.inbox import OPEN, PENDING, Inbox, PendingUpdate, ReceivedUpdate
from storage.replicas import CALL, call, channel_of
from storage.schema import INBOX, LEASES, REPLICAS, insert_into
from storage.sessions import Sessions

MOST_AT_ONCE = 200
"""Updates that are claimed together."""
MOST_ADOPTED = 20
"""The same of what belongs to nobody: the others are to have their share."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An update that this replica is to handle from now on."""

    update: PendingUpdate
    was_claimed: bool
    """Whether another replica, or this one, has taken it before: then nobody is told that there is no room for it."""


class Claims:
    """What one replica handles. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions, inbox: Inbox) -> None:
        self._sessions, self._inbox = sessions, inbox

    async def put(self, *updates: ReceivedUpdate) -> tuple[frozenset[int], bool]:
        """As ``Inbox.put``. Also says whether there is something to claim; other replicas are called by this.

        One that comes again is looked at too: it may be one that nobody has claimed yet.
        """
        chats = sorted({update.chat_id for update in updates if update.chat_id is not None})
        ours = False

        def lease(at: Connection) -> None:
            nonlocal ours
            holders = {self._holder(at, chat_id) for chat_id in chats}
            ours = self._sessions.replica in holders or not chats
            for holder in holders - {self._sessions.replica}:
                call(at, CALL if holder is None else channel_of(holder))

        return await self._inbox.put(*updates, also=lease), ours

    def _holder(self, at: Connection, chat_id: int) -> int | None:
        """Whose the chat is; it becomes ours when it was nobody's. None: this replica was taken for dead."""
        _take_lease(at, chat_id, self._sessions.replica)
        return at.scalar(select(LEASES.c.replica_id).where(LEASES.c.chat_id == chat_id))

    async def claim(self) -> tuple[Claimed, ...]:
        """Take what waits of the chats that are ours, oldest first, ``MOST_AT_ONCE`` at most."""
        return await self._sessions.write(self._claim)

    def _claim(self, at: Connection) -> tuple[Claimed, ...]:
        # Nobody else claims these, so nothing is skipped: that would change their order.
        of_ours = exists(select(LEASES.c.chat_id).where(LEASES.c.chat_id == INBOX.c.chat_id, _IS_OURS))
        statement = _UNCLAIMED.where(of_ours).limit(MOST_AT_ONCE).with_for_update()
        return self._taken(at, at.execute(statement, {"me": self._sessions.replica}).all())

    async def adopt(self) -> tuple[Claimed, ...]:
        """Take the leases of some chats that nobody holds and of which something waits, and claim what waits of them.

        What is of no chat is taken as well. Two replicas that do this at once pass one another by.
        """

        def take(at: Connection) -> tuple[Claimed, ...]:
            unleased = ~exists(select(LEASES.c.chat_id).where(LEASES.c.chat_id == INBOX.c.chat_id))
            statement = _UNCLAIMED.where(unleased).limit(MOST_ADOPTED).with_for_update(skip_locked=True)
            rows = at.execute(statement).all()
            for chat_id in sorted({row.chat_id for row in rows if row.chat_id is not None}):
                _take_lease(at, chat_id, self._sessions.replica)
            return self._taken(at, [row for row in rows if row.chat_id is None])

        without_chat = await self._sessions.write(take)
        return (*without_chat, *await self.claim())

    def _taken(self, at: Connection, rows: Collection[Any]) -> tuple[Claimed, ...]:
        if not rows:
            return ()
        mine = {"replica_id": self._sessions.replica, "claims": INBOX.c.claims + 1}
        at.execute(update(INBOX).where(INBOX.c.id.in_([row.id for row in rows])).values(**mine))
        return tuple(Claimed(self._inbox.opened(row), row.claims > 0) for row in rows)

    async def keep_only(self, update_ids: Collection[int]) -> None:
        """Undo the claims of all other updates than these: that they were made was never heard of."""
        known = INBOX.c.update_id.not_in(list(update_ids))
        mine = (INBOX.c.replica_id == self._sessions.replica, INBOX.c.finished_at.is_(None), INBOX.c.state == "waiting")
        await self._sessions.write(
            lambda at: at.execute(update(INBOX).where(*mine, known).values(replica_id=None)).rowcount
        )

    async def give_back(self, busy: Collection[int]) -> int:
        """Give back the leases of all chats but these, unless something of them waits; returns how many."""
        waits = exists(select(INBOX.c.id).where(INBOX.c.chat_id == LEASES.c.chat_id, _IS_UNFINISHED))
        statement = delete(LEASES).where(_IS_OURS, LEASES.c.chat_id.not_in(list(busy)), ~waits)
        return await self._sessions.write(lambda at: at.execute(statement, {"me": self._sessions.replica}).rowcount)


_IS_OURS = LEASES.c.replica_id == bindparam("me")
_IS_UNFINISHED = and_(INBOX.c.finished_at.is_(None), or_(*(INBOX.c.state == state for state in OPEN)))
_UNCLAIMED = (
    select(*PENDING, INBOX.c.id, INBOX.c.chat_id, INBOX.c.claims)
    .where(INBOX.c.finished_at.is_(None), INBOX.c.state == "waiting", INBOX.c.replica_id.is_(None))
    .order_by(INBOX.c.id)
)


def _take_lease(at: Connection, chat_id: int, replica_id: int | None) -> None:
    """Take it if it is nobody's. One that was taken for dead, and does not know it yet, gets none."""
    alive = select(bindparam("chat", type_=LEASES.c.chat_id.type), REPLICAS.c.id).where(REPLICAS.c.id == replica_id)
    fresh = insert_into(LEASES, on_sqlite=False).from_select(["chat_id", "replica_id"], alive)
    at.execute(fresh.on_conflict_do_nothing(), {"chat": chat_id})
