"""The database while it is full, read-only or damaged: said once, waited for, and taken up again when it is mended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from telegram import Update
from telegram.error import TelegramError

from bot.delivery.backoff import Backoff
from storage.database import Database
from storage.errors import StorageDownError

T = TypeVar("T")
BETWEEN_PROBES = Backoff(0.5, 5.0)
"""Pauses between two probes of a database that fails."""
TELL_WITHIN = 5.0
LONG = 3.0
"""Seconds that keeping an update may take, as when another program locks the database, until its sender is told."""
Apology = Callable[[Update, int], Awaitable[object]]
"""Tells a chat that the answer to its update will take a while."""
MOST_TOLD = 10_000
_log = logging.getLogger(__name__)


class StorageHealth:
    """Whether the database can be relied on, as those who work with it find out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trouble: str | None = None
        self._probing = asyncio.Lock()
        self._probes = 0
        self._failed_probes = 0
        self._seems_mended = False
        self._broken = asyncio.Event()
        self._told: set[int] = set()

    @property
    def is_well(self) -> bool:
        """False from a failure until something has worked again."""
        return self._trouble is None

    def failed(self, error: StorageDownError) -> None:
        """Say what is wrong, and what it means; not again while it stays the same."""
        if str(error) != self._trouble:
            _log.error("%s (until then nothing new is accepted; it goes on by itself)", error)
        self._trouble, self._seems_mended = str(error), False
        self._broken.set()

    def worked(self) -> None:
        """Something was kept: after a failure, that is news."""
        if self._trouble is not None:
            _log.warning("DATABASE_URL: the database works again")
            self._trouble, self._failed_probes, self._seems_mended = None, 0, False
            self._broken.clear()
        self._told.clear()

    def nothing_failed(self) -> None:
        """Some time went by without work: when the database seemed mended before, take it as proven."""
        if self._seems_mended:
            self.worked()

    async def mended(self) -> None:
        """Wait until the database can be opened and written, or at least seems so: the work itself is the proof."""
        seen = self._probes
        async with self._probing:
            if seen != self._probes:  # somebody else has just seen it open, while this one waited for the lock
                return
            while self._trouble is not None:
                await asyncio.sleep(BETWEEN_PROBES.pause(self._failed_probes))
                self._failed_probes += 1
                try:
                    await self._database.mend()
                except StorageDownError as error:
                    self.failed(error)
                else:
                    self._seems_mended = True
                    break
            self._probes += 1

    async def persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work that must be written down, as often as it takes."""
        while True:
            try:
                result = await work()
            except StorageDownError as error:
                self.failed(error)
                await self.mended()
            else:
                self.worked()
                return result

    async def keep(
        self, work: Awaitable[None], updates: Sequence[object], apology: Apology, tell_after: float = LONG
    ) -> None:
        """Wait for work that keeps these updates; their senders are told when it takes long, or fails.

        Raises StorageDownError when it fails: the updates are not to be confirmed.
        """
        keeping = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({keeping}, timeout=tell_after)
            if not done:
                _log.warning("DATABASE_URL: the database has not answered for %.0f s", tell_after)
                await self._apologise_all(updates, apology)
            await keeping
        except StorageDownError as error:
            self.failed(error)
            await self._apologise_all(updates, apology)
            raise
        finally:
            keeping.cancel()  # nothing happens to what is done
        self.worked()

    async def _apologise_all(self, updates: Sequence[object], apology: Apology) -> None:
        await asyncio.gather(*(self.apologise(update, apology) for update in updates))

    async def look_after(self) -> None:
        """Look again and again after each failure, until cancelled; for when nobody else waits for it to be mended."""
        while await self._broken.wait():
            await self.mended()
            self._broken.clear()

    async def apologise(self, update: object, apology: Apology) -> None:
        """Have who sent this told that the answer will take a while: once in a time of trouble, in private chats."""
        if not isinstance(update, Update):
            return
        chat = update.effective_chat
        if chat is None or chat.type != chat.PRIVATE or chat.id in self._told or len(self._told) >= MOST_TOLD:
            return
        self._told.add(chat.id)
        try:
            async with asyncio.timeout(TELL_WITHIN):
                await apology(update, chat.id)
        except (TelegramError, TimeoutError) as error:
            _log.info("somebody could not be told that the database is out of order: %s", type(error).__name__)
