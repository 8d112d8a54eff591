"""How fast one may go: an allowance that fills with time, and the line of those who wait for it."""

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

    def begin_anew(self, at: float) -> None:
        """At that moment a single one may go, and then ``rate`` a second: the burst has to be earned again."""
        self._left, self._checked = 1.0, at


class HeldTooLongError(Exception):
    """The line stays closed for ``seconds`` more, longer than one is ready to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"closed for {seconds:.0f} s more")
        self.seconds = seconds


@dataclass(slots=True, order=True)
class _Place:
    due: float
    number: int
    called: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class PriorityQueue:
    """Who is due first goes first, as soon as the bucket has enough; all wait while the line is held."""

    def __init__(self, bucket: TokenBucket, clock: Clock) -> None:
        self._bucket = bucket
        self._clock = clock
        self._places: list[_Place] = []
        self._numbers = itertools.count()
        self._held_until = float("-inf")

    @property
    def held_for(self) -> float:
        """Seconds for which nothing may pass; 0 when the line is open."""
        left = self._held_until - self._clock.now()
        return left if left > _ROUNDING else 0.0

    @property
    def is_resting(self) -> bool:
        """Nobody waits and nothing holds."""
        return not self._places and not self.held_for

    def hold(self, seconds: float) -> float:
        """Let nothing pass for so long, or longer if that was said already; returns the moment when it opens."""
        self._held_until = max(self._held_until, self._clock.now() + seconds)
        return self._held_until

    def has_room(self, cost: int, spare: int = 0) -> bool:
        """Whether one could pass without waiting and leave ``spare`` for others."""
        return self.is_resting and self._bucket.left(self._clock.now()) + _ROUNDING >= cost + spare

    def spend(self, cost: int) -> None:
        """Pass at once; who does so has seen that there is room."""
        self._bucket.spend(self._clock.now(), cost)

    async def opening(self, latest: float) -> None:
        """Wait until nothing holds. Raises HeldTooLongError when that is after ``latest``."""
        while pause := self._held(latest):
            await self._clock.sleep(pause)

    async def turn(self, due: float, latest: float, cost: int = 1, spare: int = 0) -> None:
        """Wait for one's turn and take it, with ``spare`` left for others.

        Raises HeldTooLongError when the line is held until after ``latest``.
        """
        me = _Place(due, next(self._numbers))
        insort(self._places, me)
        try:
            while True:
                if self._places[0] is not me:
                    me.called.clear()
                    await me.called.wait()
                elif pause := max(self._held(latest), self._bucket.pause(self._clock.now(), spare)):
                    # Somebody who is due earlier may come during the sleep, or the line may be held: look again.
                    await self._clock.sleep(pause)
                else:
                    self.spend(cost)
                    return
        finally:
            self._places.remove(me)
            if self._places:
                self._places[0].called.set()

    def _held(self, latest: float) -> float:
        if self._held_until > latest and self.held_for:
            raise HeldTooLongError(self.held_for)
        return self.held_for
