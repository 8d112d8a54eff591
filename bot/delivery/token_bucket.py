"""An allowance that fills with time, and the queue of those who wait for it."""

import asyncio
import itertools
import time
from bisect import insort
from dataclasses import dataclass, field
from typing import Protocol

_ROUNDING = 1e-9
"""Seconds or tokens that arithmetic with floats may be off by; waiting for them would take for ever."""


class Clock(Protocol):
    """Time as tests may turn it."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Come back when that time has gone by."""


class LoopClock:
    """Real time."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Come back when that time has gone by."""
        await asyncio.sleep(seconds)


class Allowance(Protocol):
    """How many may go, and when; kept in this process, or shared with others."""

    async def take(self, now: float, cost: int, spare: int = 0) -> float:
        """Let ``cost`` of them go if there is one and ``spare`` beside it, and return 0.

        Else returns the seconds until it is worth asking again.
        """
        ...


@dataclass(slots=True)
class TokenBucket:
    """``burst`` at once, then ``rate`` a second."""

    burst: float
    rate: float
    _left: float = field(init=False)
    _checked: float = float("-inf")

    def __post_init__(self) -> None:
        self._left = self.burst

    def left(self, now: float) -> float:
        """How many may go now; below 0 when more was spent than there was."""
        return min(self.burst, self._left + max(0.0, now - self._checked) * self.rate)

    def pause(self, now: float, spare: int = 0) -> float:
        """Seconds until the next one may go and ``spare`` are left; 0: now."""
        missing = 1 + spare - self.left(now)
        return missing / self.rate if missing > _ROUNDING else 0.0

    def spend(self, now: float, cost: int) -> None:
        """Let ``cost`` of them go."""
        self._left, self._checked = self.left(now) - cost, now

    def has(self, now: float, count: int) -> bool:
        """Whether so many may go now."""
        return self.left(now) + _ROUNDING >= count

    async def take(self, now: float, cost: int, spare: int = 0) -> float:
        """See ``Allowance``."""
        pause = self.pause(now, spare)
        if not pause:
            self.spend(now, cost)
        return pause

    def begin_anew(self, at: float) -> None:
        """At that moment a single one may go, and then ``rate`` a second: the burst has to be earned again."""
        self._left, self._checked = 1.0, at


class PausedTooLongError(Exception):
    """The queue is paused for ``seconds`` more, longer than one is ready to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.0f} s more")
        self.seconds = seconds


@dataclass(slots=True, order=True)
class _Waiter:
    due: float
    number: int
    at_head: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class PriorityQueue:
    """Who is due first goes first, as soon as there is enough; all wait while the queue is paused."""

    def __init__(self, allowance: Allowance, clock: Clock) -> None:
        self._allowance = allowance
        self._clock = clock
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._paused_until = float("-inf")

    @property
    def paused_for(self) -> float:
        """Seconds for which nothing may pass; 0 when it is not paused."""
        left = self._paused_until - self._clock.now()
        return left if left > _ROUNDING else 0.0

    @property
    def is_idle(self) -> bool:
        """Nobody waits, and it is not paused."""
        return not self._waiters and not self.paused_for

    def pause(self, seconds: float) -> float:
        """Let nothing pass for so long, or longer if that was said already; returns the moment when that ends."""
        self._paused_until = max(self._paused_until, self._clock.now() + seconds)
        return self._paused_until

    async def pass_at_once(self, cost: int, spare: int = 0) -> bool:
        """Pass without waiting and leave ``spare`` for others; False when that can't be done."""
        return self.is_idle and not await self._allowance.take(self._clock.now(), cost, cost + spare - 1)

    async def wait_until_open(self, latest: float) -> None:
        """Wait until it is not paused. Raises PausedTooLongError when that is after ``latest``."""
        while pause := self._pause_left(latest):
            await self._clock.sleep(pause)

    async def acquire(self, due: float, latest: float, cost: int = 1, spare: int = 0) -> None:
        """Wait for one's turn and pass, with ``spare`` left for others.

        Raises PausedTooLongError when the queue is paused until after ``latest``.
        """
        me = _Waiter(due, next(self._numbers))
        insort(self._waiters, me)
        try:
            while True:
                if self._waiters[0] is not me:
                    me.at_head.clear()
                    await me.at_head.wait()
                elif pause := self._pause_left(latest) or await self._allowance.take(self._clock.now(), cost, spare):
                    # Somebody who is due earlier may come during the sleep, or the queue be paused: look again.
                    await self._clock.sleep(pause)
                else:
                    return
        finally:
            # Also when cancelled: whoever is at the head now would sleep for ever otherwise.
            self._waiters.remove(me)
            if self._waiters:
                self._waiters[0].at_head.set()

    def _pause_left(self, latest: float) -> float:
        if self._paused_until > latest and self.paused_for:
            raise PausedTooLongError(self.paused_for)
        return self.paused_for
