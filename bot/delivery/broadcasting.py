"""Sends a broadcast to everybody it is meant for, behind all answers, and goes on where a killed process was."""

import asyncio
import html
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from telegram.error import BadRequest, Forbidden, TelegramError
from telegram.ext import ExtBot

from bot.delivery.backoff import Backoff
from bot.delivery.rate_limiter import Guarantee, Priority, priority
from bot.delivery.storage_health import StorageHealth
from storage.broadcasts import BLOCKED, FAILED, SENT
from storage.database import Database
from storage.errors import UnknownPersonError
from storage.records import Broadcast

SENDERS = 4
"""Messages on their way at once; how fast they may leave is for the rate limiter to say."""
LOOK_EVERY = 60.0
"""Seconds between two looks for what another process has begun, or left when it ended."""
AFTER_TROUBLE = Backoff(1.0, 60.0)
_log = logging.getLogger(__name__)

Ended = Callable[[Broadcast], Awaitable[None]]
"""Tells whoever began a broadcast how it ended."""
MayRead = Callable[[int], Awaitable[bool]]
"""Whether a chat may (still) use the bot."""


class Broadcaster:
    """Takes one recipient after another from the database, so that nothing is lost and hardly anything comes twice.

    What can't be closed is one gap: a message that was sent when the process is killed before that is noted is sent
    again. A text that comes twice does no harm.
    """

    def __init__(self, database: Database, storage: StorageHealth) -> None:
        self._broadcasts, self._people = database.broadcasts, database.people
        self._storage = storage
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something was begun: do not wait for the next look."""
        self._news.set()

    async def run(self, bot: ExtBot[Guarantee], ended: Ended, may_read: MayRead, *, alone: bool) -> None:
        """Send whatever is under way, until cancelled. ``alone``: no other process sends from this database."""
        priority.set(Priority.GROUP)
        if alone:
            await self._storage.persist(self._broadcasts.resume)
        while True:
            self._news.clear()
            await asyncio.gather(*(self._send_all(bot, ended, may_read) for _ in range(SENDERS)))
            for broadcast in await self._storage.persist(self._broadcasts.end_idle):
                await ended(broadcast)
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _send_all(self, bot: ExtBot[Guarantee], ended: Ended, may_read: MayRead) -> None:
        failures = 0
        while (taken := await self._storage.persist(self._broadcasts.take)) is not None:
            recipient, chat_id, text = taken
            state = await self._send(bot, chat_id, text, may_read)
            broadcast = await self._settle(recipient, state)
            if broadcast is not None:
                await ended(broadcast)
            if state is not None:
                failures = 0
                continue
            await asyncio.sleep(AFTER_TROUBLE.pause(failures))
            failures += 1

    async def _settle(self, recipient: int, state: str | None) -> Broadcast | None:
        ended: Broadcast | None = await self._storage.persist(lambda: self._broadcasts.settle(recipient, state))
        return ended

    async def _send(self, bot: ExtBot[Guarantee], chat_id: int, text: str, may_read: MayRead) -> str | None:
        """What became of it; None when it is not the chat's fault, so that it is tried again later."""
        if not await self._storage.persist(lambda: may_read(chat_id)):  # blocked, or shut out, since it began
            return BLOCKED
        try:
            await bot.send_message(chat_id, html.escape(text, quote=False))
        except Forbidden:
            await self._storage.persist(lambda: self._note_block(chat_id))
            return BLOCKED
        except BadRequest as error:
            _log.warning("a broadcast could not be sent to a chat: %s", type(error).__name__)
            return FAILED
        except TelegramError as error:
            _log.info("a broadcast waits: %s", type(error).__name__)
            return None
        return SENT

    async def _note_block(self, chat_id: int) -> None:
        with suppress(UnknownPersonError):  # deleted meanwhile
            await self._people.set_blocked(chat_id, blocked=True)
