"""How many pictures are read at once, and the admission queue before that: first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable

CAPACITY = 32
"""Pictures that are fetched and read at the same moment: enough for workers never to wait for the network."""
BYTES = 48 << 20
"""Bytes of these together, as far as Telegram tells how many they are; one alone may have more."""
LONG_FILES, BYTES_OF_LONG_FILES = 8, 24 << 20
"""The same two bounds for the queue of files that may take long."""
ANSWERS = 64
"""Answers on their way at the same moment; each holds its pictures in memory."""
LONG = 3.0
"""Seconds of waiting that people are told of."""
REMIND_EVERY = 0.25
"""Seconds between two edits, over all people, that tell a position anew: answers need what Telegram lets through."""
_SMOOTHING = 0.1


class Slot:
    """A position in the queue, and then one of the slots for reading."""

    def __init__(self, size: int, release: Callable[["Slot"], None], queue: "deque[Slot]") -> None:
        self.size = size
        self._release = release
        self._queue = queue
        self._admitted = asyncio.Event()

    @property
    def position(self) -> int:
        """Where in the queue, from 1; 0 once admitted."""
        return 0 if self.is_admitted else self._queue.index(self) + 1

    @property
    def is_admitted(self) -> bool:
        """Whether its picture may be read."""
        return self._admitted.is_set()

    def admit(self) -> None:
        """Let its picture be read."""
        self._admitted.set()

    async def wait(self, seconds: float) -> bool:
        """Wait to be admitted for up to so long; True when that has happened."""
        if not self.is_admitted and seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._admitted.wait()
            except TimeoutError:
                return False
        return self.is_admitted

    def release(self) -> None:
        """Give the slot up, or the position in the queue."""
        self._release(self)


class AdmissionQueue:
    """Admits pictures by number and bytes. Each person has one at most in the queue, so no album holds others up."""

    def __init__(self, capacity: int = CAPACITY, size: int = BYTES) -> None:
        self._free, self._size = capacity, size
        self._whole = size
        self._queue: deque[Slot] = deque()
        self._last_released: float | None = None
        self._interval = 0.0
        """Seconds between two releases while others wait, smoothed."""
        self._next_reminder = 0.0
        self.answers = asyncio.Semaphore(ANSWERS)

    def enqueue(self, size: int) -> Slot:
        """Take the last position in the queue, for a picture of ``size`` bytes; it has to be released in the end."""
        slot = Slot(min(size, self._whole), self._released, self._queue)
        self._queue.append(slot)
        self._admit()
        return slot

    @property
    def waiting(self) -> int:
        """How many wait to be admitted."""
        return len(self._queue)

    @property
    def outlook(self) -> int | None:
        """The position that the next one would get, when that is likely to mean a long wait."""
        position = len(self._queue) + 1
        return position if self._queue and position * self._interval > LONG else None

    def may_remind(self) -> bool:
        """Whether one of those who wait may be told their position anew just now."""
        now = asyncio.get_running_loop().time()
        if now < self._next_reminder:
            return False
        self._next_reminder = now + REMIND_EVERY
        return True

    def _released(self, slot: Slot) -> None:
        if slot.is_admitted:
            self._free += 1
            self._size += slot.size
            self._measure()
        else:
            self._queue.remove(slot)
        self._admit()

    def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._last_released is not None and self._queue:
            self._interval += _SMOOTHING * (now - self._last_released - self._interval)
        self._last_released = now if self._queue else None

    def _admit(self) -> None:
        # A large picture at the head is not overtaken by small ones behind it: it would wait for ever.
        while self._queue and self._free and self._queue[0].size <= self._size:
            slot = self._queue.popleft()
            self._free -= 1
            self._size -= slot.size
            slot.admit()
