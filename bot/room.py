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


class Seat:
    """A place in the line, and then in the room."""

    def __init__(self, size: int, leave: Callable[["Seat"], None], line: "deque[Seat]") -> None:
        self.size = size
        self._leave = leave
        self._line = line
        self._called = asyncio.Event()

    @property
    def place(self) -> int:
        """Where in the line, from 1; 0 in the room."""
        return 0 if self._called.is_set() else self._line.index(self) + 1

    def call(self) -> None:
        """Let this one in."""
        self._called.set()

    async def wait(self, seconds: float) -> bool:
        """Wait to be called for up to so long; True when that has happened."""
        if not self._called.is_set() and seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._called.wait()
            except TimeoutError:
                return False
        return self._called.is_set()

    @property
    def is_in(self) -> bool:
        """Whether this one was called."""
        return self._called.is_set()

    def leave(self) -> None:
        """Leave the room, or the line."""
        self._leave(self)


class ReadingRoom:
    """Lets pictures in by number and bytes. Each person has one at most in the line, so no album holds others up."""

    def __init__(self, places: int = PLACES, size: int = BYTES) -> None:
        self._places, self._size = places, size
        self._line: deque[Seat] = deque()
        self.answers = asyncio.Semaphore(ANSWERS)

    def line_up(self, size: int) -> Seat:
        """Take a place at the end of the line; who does so has to leave it in the end."""
        seat = Seat(min(size, self._size), self._left, self._line)
        self._line.append(seat)
        self._let_in()
        return seat

    def _left(self, seat: Seat) -> None:
        if seat.is_in:
            self._places += 1
            self._size += seat.size
        else:
            self._line.remove(seat)
        self._let_in()

    def _let_in(self) -> None:
        while self._line and self._places and self._line[0].size <= self._size:
            seat = self._line.popleft()
            self._places -= 1
            self._size -= seat.size
            seat.call()
