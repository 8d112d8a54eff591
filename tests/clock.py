"""Time that a test turns by hand, so that nobody waits for a flood limit."""

import asyncio
import heapq
import itertools


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(30):
        await asyncio.sleep(0)


class HandClock:
    """A ``bot.delivery.token_bucket.Clock`` that stands still until ``advance``; sleepers then wake in their order."""

    def __init__(self) -> None:
        self._now = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.sleeps: list[float] = []
        """How long each sleep was to be."""

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        waking = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._numbers), waking))
        await waking

    async def advance(self, seconds: float) -> None:
        """Go forward, stopping at each moment when somebody wakes."""
        end = self._now + seconds
        await settled()
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, waking = heapq.heappop(self._sleepers)
            self._now = max(self._now, when)
            if not waking.done():
                waking.set_result(None)
            await settled()
        self._now = end
