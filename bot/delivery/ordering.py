"""The order of handling: each chat's pictures in one queue, its commands in another, different chats at once."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.delivery.inbox import Deliveries, close_unrun
from bot.delivery.rate_limiter import Priority, lend_slot, priority
from bot.delivery.raw_update import brings_picture

ALBUM_QUIET = 0.8
"""Seconds without a further item after which an album counts as whole; Telegram never says how many there are."""
MAX_ALBUMS = 1_000
COMMAND_SLOTS = 64
"""Commands, questions and presses handled at the same moment, over all people."""
MOST_PICTURES, MOST_PICTURES_OF_ONE = 500, 40
"""Updates with pictures that may wait, over all people and of one of them; more are asked to come again later."""


class QueueKind(Enum):
    """Within one queue of one person, one update after another."""

    PICTURES = "pictures"
    COMMANDS = "commands"
    REJECTED = "rejected"
    """Pictures beyond the bound: quickly told."""


def queue_of(update: object) -> tuple[int, QueueKind] | None:
    """Chat id and queue of an update; None for updates that need no order."""
    if not isinstance(update, Update) or update.effective_chat is None:
        return None
    return update.effective_chat.id, QueueKind.PICTURES if brings_picture(update) else QueueKind.COMMANDS


@dataclass(slots=True)
class _Album:
    updates: list[Update]
    last: float
    leader: int | None = None
    """The update whose handler was given all of them."""
    grown: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Albums:
    """Gathers the items of an album, which arrive as one update each."""

    quiet: float = ALBUM_QUIET
    _growing: OrderedDict[tuple[int, str], _Album] = field(default_factory=OrderedDict)
    _of: dict[int, _Album] = field(default_factory=dict)

    def note(self, update: Update) -> None:
        """Remember an album's item at the moment when it arrives, before its turn comes."""
        if (key := _album_of(update)) is None:
            return
        album = self._growing.get(key)
        now = asyncio.get_running_loop().time()
        if album is None or album.leader is not None:
            album = self._growing[key] = _Album([update], now)
            self._growing.move_to_end(key)
            while len(self._growing) > MAX_ALBUMS:
                self._growing.popitem(last=False)
        elif all(_message_id(known) != _message_id(update) for known in album.updates):
            album.updates.append(update)
            album.last = now
            album.grown.set()
        else:  # the same message in another update
            return
        self._of[update.update_id] = album

    async def gather(self, update: Update) -> Sequence[Update]:
        """All items of the update's album for the one that asks first, as often as it asks, nothing for the others.

        An update that belongs to no album is an album of its own.
        """
        if _album_of(update) is None:
            return (update,)
        album = self._of.get(update.update_id)
        if album is None:
            return ()
        if album.leader is None:
            loop = asyncio.get_running_loop()
            while (left := album.last + self.quiet - loop.time()) > 0:
                album.grown.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await album.grown.wait()
            album.leader = update.update_id
        return sorted(album.updates, key=_message_id) if album.leader == update.update_id else ()

    def leave(self, update: Update) -> None:
        """An item has come to its end. When it led the album, the next one leads what is left of it."""
        album = self._of.pop(update.update_id, None)
        if album is None:
            return
        album.updates.remove(update)
        if album.leader == update.update_id:
            album.leader = None
        key = _album_of(update)
        if not album.updates and key is not None and self._growing.get(key) is album:
            del self._growing[key]


def _album_of(update: Update) -> tuple[int, str] | None:
    message = update.message
    return (message.chat_id, message.media_group_id) if message and message.media_group_id else None


def _message_id(update: Update) -> int:
    return update.message.message_id if update.message else 0


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    updates: list[int] = field(default_factory=list)


@dataclass(slots=True)
class ChatQueues:
    """Locks by person and kind of queue, made when needed and forgotten when empty; and who said /cancel when."""

    most: int = MOST_PICTURES
    most_of_one: int = MOST_PICTURES_OF_ONE
    _queues: dict[tuple[int, QueueKind], _Queue] = field(default_factory=dict)
    _cancelled: dict[int, int] = field(default_factory=dict)
    _pictures: int = 0

    @asynccontextmanager
    async def turn(self, chat_id: int, kind: QueueKind, update_id: int | None = None) -> AsyncIterator[None]:
        """Wait for this person's turn in the queue, with an update or without, and hold it."""
        queue = self._queues.setdefault((chat_id, kind), _Queue())
        queue.users += 1
        if update_id is not None:
            queue.updates.append(update_id)
            self._pictures += kind is QueueKind.PICTURES
        try:
            async with queue.lock:
                yield
        finally:
            queue.users -= 1
            if update_id is not None:
                queue.updates.remove(update_id)
                self._pictures -= kind is QueueKind.PICTURES
            if not queue.users:
                self._queues.pop((chat_id, kind), None)
                if kind is QueueKind.PICTURES:
                    self._cancelled.pop(chat_id, None)

    def waiting(self, chat_id: int, kind: QueueKind = QueueKind.PICTURES) -> tuple[int, ...]:
        """The updates of this person that wait in the queue or are at work, in their order."""
        queue = self._queues.get((chat_id, kind))
        return tuple(queue.updates) if queue else ()

    def are_full(self, chat_id: int) -> bool:
        """Whether no further picture of this person can be taken now."""
        return self._pictures >= self.most or len(self.waiting(chat_id)) >= self.most_of_one

    def cancel(self, chat_id: int) -> tuple[int, ...]:
        """Have all pictures of this person that wait now dropped when their turn comes; returns their updates."""
        waiting = self.waiting(chat_id)
        if waiting:
            self._cancelled[chat_id] = self.cancel_generation(chat_id) + 1
        return waiting

    def cancel_generation(self, chat_id: int) -> int:
        """A number that changes with each ``cancel``: take it when something begins to wait, compare it later."""
        return self._cancelled.get(chat_id, 0)


class _CommandSlot:
    """One of the slots, held while a handler works, and lent to others while it waits for Telegram.

    Otherwise as many groups as there are slots, each waiting for its limit, would keep everybody else from being heard.
    """

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._is_held = False
        self._requests = 0
        """How many wait at the same moment: the first of them gives the slot up, the last takes it back."""

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        self._is_held = True
        lend_slot.set(self.lent)

    async def __aexit__(self, *_: object) -> None:
        lend_slot.set(nullcontext)
        self._give_up()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Hold no slot while the body runs."""
        self._requests += 1
        self._give_up()
        try:
            yield
        except asyncio.CancelledError:
            self._requests -= 1
            raise  # and take nothing back: whoever gives up waits for nothing more
        except BaseException:
            await self._take_back()
            raise
        else:
            await self._take_back()

    async def _take_back(self) -> None:
        self._requests -= 1
        if not self._requests and not self._is_held:
            await self._slots.acquire()
            self._is_held = True

    def _give_up(self) -> None:
        if self._is_held:
            self._is_held = False
            self._slots.release()


class PerChatProcessor(BaseUpdateProcessor):
    """Runs handlers in each chat's order: pictures in one queue, and ``COMMAND_SLOTS`` commands at once in another.

    Who waits for their own turn takes no slot from others: the library's own limit, which counts those that wait
    too, is therefore set out of reach. How many pictures are read at once is decided further on, where their
    senders can be told of the wait; what can't even wait is let through at once to be told so.
    """

    def __init__(self, chat_queues: ChatQueues, albums: Albums, deliveries: Deliveries) -> None:
        super().__init__(max_concurrent_updates=1_000_000)
        self._chat_queues, self._albums, self._deliveries = chat_queues, albums, deliveries
        self._command_slots = asyncio.Semaphore(COMMAND_SLOTS)
        self._tidying: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.finished = 0
        """Updates that were handled to their end."""

    @property
    def pending(self) -> int:
        """Updates that are being handled or wait for their turn."""
        return len(self._tasks)

    def cancel_all(self) -> int:
        """Have all of them given up, and return how many updates that is; the inbox keeps them for the next start."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)

    async def initialize(self) -> None:
        """Queue up what the process before has left unfinished."""
        await self._deliveries.refill()
        self._tidying = asyncio.create_task(self._deliveries.keep_tidy())

    async def shutdown(self) -> None:
        """End what goes on in the background."""
        if self._tidying:
            self._tidying.cancel()
            await asyncio.wait({self._tidying})

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Handle one update when its turn has come, until it is answered or not wanted any more."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an update is handled in a task")
        self._tasks.add(task)
        try:
            await self._dispatch(update, coroutine)
            self.finished += 1
        finally:
            self._tasks.discard(task)
            close_unrun(coroutine)  # given up before its turn came

    async def _dispatch(self, update: object, coroutine: Awaitable[Any]) -> None:
        if not isinstance(update, Update):
            await coroutine
            return
        chat_id, kind = queue_of(update) or (None, QueueKind.COMMANDS)
        if kind is QueueKind.PICTURES:
            # What pictures are answered with lets answers to commands go first, also those that came after them.
            priority.set(Priority.PICTURE)
            await self._picture(update, coroutine, chat_id or 0)
        else:
            await self._command(update, coroutine, chat_id)

    async def _command(self, update: Update, coroutine: Awaitable[Any], chat_id: int | None) -> None:
        if chat_id is not None and chat_id < 0:  # a group or channel
            priority.set(Priority.GROUP)
        queues = self._chat_queues
        turn = nullcontext() if chat_id is None else queues.turn(chat_id, QueueKind.COMMANDS, update.update_id)
        # The slot is taken last: whoever waits in their chat's queue would hold it from other chats.
        async with turn, self._deliveries.isolated(update):
            await self._deliveries.handle(update, coroutine, slot=lambda: _CommandSlot(self._command_slots))

    async def _picture(self, update: Update, coroutine: Awaitable[Any], chat_id: int) -> None:
        queues = self._chat_queues
        if queues.are_full(chat_id) and not self._deliveries.was_accepted(update):
            async with queues.turn(chat_id, QueueKind.REJECTED, update.update_id):
                await self._deliveries.handle(update, coroutine, rejected=True)
            return
        # Noted before the first wait: an album's items are known to its leader although their turn comes later, and a
        # /cancel that is handled meanwhile changes the generation of what waits already.
        self._albums.note(update)
        generation = queues.cancel_generation(chat_id)
        try:
            async with (
                # The turn first: what is kept apart for a while goes before what its sender sent after it all the same.
                queues.turn(chat_id, QueueKind.PICTURES, update.update_id),
                self._deliveries.isolated(update),
            ):
                await self._deliveries.handle(
                    update, coroutine, is_wanted=lambda: queues.cancel_generation(chat_id) == generation
                )
        finally:
            self._albums.leave(update)
