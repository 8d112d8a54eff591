"""Allowances fill with time, and who is due first goes first."""

import asyncio
from contextlib import suppress

import pytest

from bot.delivery.token_bucket import PausedTooLongError, PriorityQueue, TokenBucket
from tests.clock import HandClock, settled

LATE = 1_000.0


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(burst=3, rate=2)
    for _ in range(3):
        assert bucket.pause(10.0) == 0
        bucket.spend(10.0, 1)
    assert bucket.pause(10.0) == 0.5
    assert bucket.pause(10.5) == 0
    assert bucket.left(100.0) == 3


def test_a_bucket_that_was_overdrawn_waits_longer() -> None:
    bucket = TokenBucket(burst=3, rate=1)
    bucket.spend(0.0, 10)
    assert bucket.pause(0.0) == 8


def test_restarted_bucket_has_to_earn_its_burst() -> None:
    bucket = TokenBucket(burst=5, rate=1)
    bucket.begin_anew(20.0)
    assert bucket.left(20.0) == 1
    assert bucket.left(22.0) == 3


class Counter:
    """People who go through a line, and the moments when they did."""

    def __init__(self, rate: float = 1.0) -> None:
        self.clock = HandClock()
        self.queue = PriorityQueue(TokenBucket(burst=1, rate=rate), self.clock)
        self.passed: list[tuple[str, float]] = []

    async def come(self, name: str, due: float = 0.0, latest: float = LATE) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._go(name, due, latest))
        await settled()
        return task

    async def _go(self, name: str, due: float, latest: float) -> None:
        await self.queue.acquire(due, latest)
        self.passed.append((name, self.clock.now()))


async def test_first_comer_goes_first_when_all_are_due() -> None:
    desk = Counter()
    tasks = [await desk.come(name) for name in "abc"]
    await desk.clock.advance(5)
    assert desk.passed == [("a", 0), ("b", 1), ("c", 2)]
    await asyncio.gather(*tasks)


async def test_who_is_due_earlier_passes_those_who_wait_already() -> None:
    desk = Counter()
    tasks = [await desk.come("a"), await desk.come("file", due=30), await desk.come("text", due=0.5)]
    await desk.clock.advance(5)
    assert desk.passed == [("a", 0), ("text", 1), ("file", 2)]
    await asyncio.gather(*tasks)


async def test_nobody_waits_forever_behind_those_due_earlier() -> None:
    desk = Counter()
    tasks = [await desk.come("a"), await desk.come("file", due=5)]
    for second in range(10):
        tasks.append(await desk.come(f"text {second}", due=float(second)))
        await desk.clock.advance(1)
    names = [name for name, _ in desk.passed]
    assert names.index("text 4") < names.index("file") < names.index("text 6")
    await desk.clock.advance(20)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("who", [1, 2])
async def test_who_gives_up_waiting_holds_nobody_up(who: int) -> None:
    desk = Counter()
    tasks = [await desk.come(name) for name in "abcd"]
    tasks[who].cancel()
    await settled()
    await desk.clock.advance(10)
    left = [name for number, name in enumerate("abcd") if number != who]
    assert desk.passed == [(name, float(second)) for second, name in enumerate(left)]
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


async def test_nobody_passes_a_line_that_is_held() -> None:
    desk = Counter(rate=10)
    desk.queue.pause(7)
    task = await desk.come("a")
    await desk.clock.advance(6.9)
    assert desk.passed == []
    assert not await desk.queue.pass_at_once(0)
    await desk.clock.advance(0.2)
    assert desk.passed == [("a", 7)]
    await task


async def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    desk = Counter()
    assert desk.queue.pause(7) == 7
    assert desk.queue.pause(2) == 7
    assert desk.queue.paused_for == 7


async def test_prolonged_hold_rejects_only_those_who_cannot_wait() -> None:
    desk = Counter(rate=10)
    desk.queue.pause(7)
    hurried, patient = await desk.come("hurried", latest=60), await desk.come("patient")
    await desk.clock.advance(5)
    desk.queue.pause(100)
    await desk.clock.advance(3)
    with pytest.raises(PausedTooLongError) as raised:
        await hurried
    assert raised.value.seconds == pytest.approx(98)
    await desk.clock.advance(100)
    assert desk.passed == [("patient", 105)]
    await patient
