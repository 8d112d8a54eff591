"""The order of things: each person's pictures in one lane, their commands in another, different people at once."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from inspect import iscoroutine
from typing import Any

from telegram import Message, Update
from telegram.ext import BaseUpdateProcessor

ALBUM_QUIET = 0.8
"""Seconds without a further item after which an album counts as whole; Telegram never says how many there are."""
MAX_ALBUMS = 1_000
AT_WORK = 64
"""Updates handled at the same moment, over all people."""


class Lane(Enum):
    """Within one lane of one person, one update after another."""

    PICTURES = "pictures"
    COMMANDS = "commands"


def lane_of(update: object) -> tuple[int, Lane] | None:
    """Chat id and lane of an update; None for updates that need no order."""
    if not isinstance(update, Update) or update.effective_chat is None:
        return None
    message = update.message
    brings_picture = message is not None and (bool(message.photo) or message.document is not None)
    return update.effective_chat.id, Lane.PICTURES if brings_picture else Lane.COMMANDS


@dataclass(slots=True)
class _Album:
    messages: list[Message]
    last: float
    taken: bool = False
    grown: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Albums:
    """Gathers the items of an album, which arrive as one update each."""

    quiet: float = ALBUM_QUIET
    _albums: OrderedDict[tuple[int, str], _Album] = field(default_factory=OrderedDict)

    def note(self, update: object) -> None:
        """Remember an album's item at the moment when it arrives, before its turn comes."""
        if not isinstance(update, Update) or (message := update.message) is None or not message.media_group_id:
            return
        key = (message.chat_id, message.media_group_id)
        album = self._albums.get(key)
        now = asyncio.get_running_loop().time()
        if album is None or album.taken:
            self._albums[key] = _Album([message], now)
            self._albums.move_to_end(key)
            while len(self._albums) > MAX_ALBUMS:
                self._albums.popitem(last=False)
        elif all(known.message_id != message.message_id for known in album.messages):
            album.messages.append(message)
            album.last = now
            album.grown.set()

    async def gather(self, message: Message) -> Sequence[Message]:
        """All items of the message's album for the one that asks first, nothing for the others.

        A message that belongs to no album is an album of its own.
        """
        album = self._albums.get((message.chat_id, message.media_group_id or ""))
        if album is None or message not in album.messages:
            return (message,) if not message.media_group_id else ()
        if album.taken:
            return ()
        loop = asyncio.get_running_loop()
        while (left := album.last + self.quiet - loop.time()) > 0:
            album.grown.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await album.grown.wait()
        album.taken = True
        return sorted(album.messages, key=lambda item: item.message_id)


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass(slots=True)
class Lanes:
    """Locks by person and lane, made when needed and forgotten when empty; and who said /cancel when."""

    _queues: dict[tuple[int, Lane], _Queue] = field(default_factory=dict)
    _cancelled: dict[int, int] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, chat_id: int, lane: Lane) -> AsyncIterator[None]:
        """Wait for this person's turn in the lane and hold it."""
        queue = self._queues.setdefault((chat_id, lane), _Queue())
        queue.users += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.users -= 1
            if not queue.users:
                self._queues.pop((chat_id, lane), None)
                if lane is Lane.PICTURES:
                    self._cancelled.pop(chat_id, None)

    def waiting(self, chat_id: int) -> int:
        """How many updates with pictures of this person wait or are at work."""
        queue = self._queues.get((chat_id, Lane.PICTURES))
        return queue.users if queue else 0

    def cancel(self, chat_id: int) -> int:
        """Have all pictures of this person that wait now dropped when their turn comes; returns how many."""
        waiting = self.waiting(chat_id)
        if waiting:
            self._cancelled[chat_id] = self.ticket(chat_id) + 1
        return waiting

    def ticket(self, chat_id: int) -> int:
        """A number that changes with each ``cancel``: take it when something begins to wait, compare it later."""
        return self._cancelled.get(chat_id, 0)


class PersonalOrder(BaseUpdateProcessor):
    """Runs handlers in each person's order, and at most ``AT_WORK`` of them at once.

    Who waits for their own turn takes no place from others: the library's own limit, which counts those that wait
    too, is therefore set out of reach.
    """

    def __init__(self, lanes: Lanes, albums: Albums) -> None:
        super().__init__(max_concurrent_updates=1_000_000)
        self._lanes = lanes
        self._albums = albums
        self._places = {lane: asyncio.Semaphore(AT_WORK) for lane in Lane}

    async def initialize(self) -> None:
        """Nothing to set up."""

    async def shutdown(self) -> None:
        """Nothing to take down."""

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Handle one update when its turn has come; one that was cancelled in the meantime is left out."""
        where = lane_of(update)
        if where is None:
            await coroutine
            return
        chat_id, lane = where
        if lane is Lane.PICTURES:
            self._albums.note(update)
        ticket = self._lanes.ticket(chat_id)
        async with self._lanes.turn(chat_id, lane), self._places[lane]:
            if lane is Lane.PICTURES and self._lanes.ticket(chat_id) != ticket:
                _leave_out(coroutine)
                return
            await coroutine


def _leave_out(coroutine: Awaitable[Any]) -> None:
    if iscoroutine(coroutine):
        coroutine.close()
