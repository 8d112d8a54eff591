"""Where updates wait for their handlers when several replicas share the work: those that this one has claimed."""

import asyncio
from collections.abc import Sequence

from telegram import Update

from bot.delivery.durable_queue import DurableQueue, chat_of, questions_first
from bot.delivery.raw_update import UnparsableUpdate, as_received
from bot.operations.metrics import Metrics
from storage.claims import Claims
from storage.inbox import Inbox


class ClaimedQueue(DurableQueue):
    """``put`` keeps an update for whichever replica holds the lease of its chat; ``take_in`` queues up what is ours."""

    def __init__(self, rows: Inbox, claims: Claims, metrics: Metrics | None = None) -> None:
        super().__init__(rows, metrics)
        self._claims = claims
        self.news = asyncio.Event()
        """Something may be there to be claimed."""
        self._in_hand: dict[int | None, set[int]] = {}
        """Of each chat, the updates that wait here or are in work."""
        self._busy_until: dict[int, float] = {}

    async def _keep(self, updates: Sequence[Update | UnparsableUpdate]) -> None:
        fresh, ours = await self._claims.put(*map(as_received, updates))
        for update in updates:
            if update.update_id in fresh:
                self._tell_of(update)
        if ours:
            self.news.set()

    def take_in(self, updates: Sequence[Update]) -> tuple[int, ...]:
        """Queue up what was just claimed; returns those for which another one's answer does."""
        admitted = [update for update in updates if self._admit(update)]
        for update in questions_first(admitted):
            self._hold(update)
            self.put_nowait(update)
        return tuple({update.update_id for update in updates} - {update.update_id for update in admitted})

    def put_again(self, update: Update) -> None:
        """Queue up what was claimed before, by this replica or by one that is gone."""
        self._hold(update)
        super().put_again(update)

    def finished(self, update: Update | UnparsableUpdate) -> None:
        """An update that was queued up has come to its end."""
        super().finished(update)
        chat_id = chat_of(update)
        of_chat = self._in_hand.get(chat_id, set())
        of_chat.discard(update.update_id)
        if not of_chat and self._in_hand.pop(chat_id, None) is not None and chat_id is not None:
            self._busy_until[chat_id] = asyncio.get_running_loop().time()

    def _hold(self, update: Update) -> None:
        chat_id = chat_of(update)
        self._in_hand.setdefault(chat_id, set()).add(update.update_id)
        if chat_id is not None:
            self._busy_until.pop(chat_id, None)

    @property
    def in_hand(self) -> list[int]:
        """The updates that wait here or are in work."""
        return [update_id for of_chat in self._in_hand.values() for update_id in of_chat]

    def busy_chats(self, linger: float) -> set[int]:
        """The chats of which something is in work, or was within so many seconds."""
        since = asyncio.get_running_loop().time() - linger
        self._busy_until = {chat_id: ended for chat_id, ended in self._busy_until.items() if ended > since}
        return {chat_id for chat_id in self._in_hand if chat_id is not None} | self._busy_until.keys()
