"""How many pictures are read at once, and the line before the door: first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable

PLACES = 32
"""Pictures that are fetched and read at the same moment: enough for workers never to wait for the network."""
BYTES = 48 << 20
"""Bytes of these together, as far as Telegram tells how many they are; one alone may have more."""
ANSWERS = 64
"""Answers on their way at the same moment; each holds its pictures in memory."""
LONG = 3.0
"""Seconds of waiting that people are told of."""
REMIND_EVERY = 0.25
"""Seconds between two edits, over all people, that tell a place anew: answers need the room that Telegram gives."""
_SMOOTHING = 0.1


class Slot:
    """A place in the line, and then in the room."""

    def __init__(self, size: int, leave: Callable[["Slot"], None], line: "deque[Slot]") -> None:
        self.size = size
        self._leave = leave
        self._line = line
        self._called = asyncio.Event()

    @property
    def place(self) -> int:
        """Where in the line, from 1; 0 in the room."""
        return 0 if self.is_in else self._line.index(self) + 1

    @property
    def is_in(self) -> bool:
        """Whether this one was called."""
        return self._called.is_set()

    def call(self) -> None:
        """Let this one in."""
        self._called.set()

    async def wait(self, seconds: float) -> bool:
        """Wait to be called for up to so long; True when that has happened."""
        if not self.is_in and seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._called.wait()
            except TimeoutError:
                return False
        return self.is_in

    def leave(self) -> None:
        """Leave the room, or the line."""
        self._leave(self)


class AdmissionQueue:
    """Lets pictures in by number and bytes. Each person has one at most in the line, so no album holds others up."""

    def __init__(self, places: int = PLACES, size: int = BYTES) -> None:
        self._places, self._size = places, size
        self._whole = size
        self._line: deque[Slot] = deque()
        self._last_left: float | None = None
        self._interval = 0.0
        """Seconds between two that leave while others wait, smoothed."""
        self._next_reminder = 0.0
        self.answers = asyncio.Semaphore(ANSWERS)

    def enqueue(self, size: int) -> Slot:
        """Take a place at the end of the line; who does so has to leave it in the end."""
        slot = Slot(min(size, self._whole), self._left, self._line)
        self._line.append(slot)
        self._let_in()
        return slot

    @property
    def outlook(self) -> int | None:
        """The place in the line that the next one would get, when that is likely to mean a long wait."""
        place = len(self._line) + 1
        return place if self._line and place * self._interval > LONG else None

    def may_remind(self) -> bool:
        """Whether one of those who wait may be told their place anew just now."""
        now = asyncio.get_running_loop().time()
        if now < self._next_reminder:
            return False
        self._next_reminder = now + REMIND_EVERY
        return True

    def _left(self, slot: Slot) -> None:
        if slot.is_in:
            self._places += 1
            self._size += slot.size
            self._measure()
        else:
            self._line.remove(slot)
        self._let_in()

    def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._last_left is not None and self._line:
            self._interval += _SMOOTHING * (now - self._last_left - self._interval)
        self._last_left = now if self._line else None

    def _let_in(self) -> None:
        while self._line and self._places and self._line[0].size <= self._size:
            slot = self._line.popleft()
            self._places -= 1
            self._size -= slot.size
            slot.call()
