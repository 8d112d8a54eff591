"""Scans that come at random, through workers and Telegram's limit, in simulated time."""

import heapq
import math
import random
from dataclasses import dataclass

from bot.delivery.rate_limiter import overall_bucket
from bot.delivery.token_bucket import TokenBucket

SPREAD = 0.5
"""Standard deviation of a job's time, as a share of its mean: pictures differ in size."""
FULL = 0.95
"""Of what there is; beyond it queues grow for ever."""
FETCH, SEND = 0.15, 0.25
"""Seconds that Telegram takes to hand a picture out, and to take a file in; supposed, they add nothing to the load."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a scan costs."""

    worker: float
    """Seconds of a worker's processor."""
    loop: float
    """Seconds of the bot's own process."""
    messages: int
    """That count for Telegram's limit, those that can't be left out."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What there is to do it with: ``bots`` tokens, each with a process and ``workers`` of its own."""

    bots: int
    workers: int
    per_second: int = 30
    """Messages a second that Telegram takes of each bot."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from the arrival of a picture to its PDF, and how much of everything was used (0 to 1)."""

    half: float
    most: float
    """95 of 100 took at most so long."""
    workers_used: float
    loop_used: float
    telegram_used: float

    @property
    def keeps_up(self) -> bool:
        """Whether nothing was used to its end, so that no queue grows for ever."""
        return max(self.workers_used, self.loop_used, self.telegram_used) < FULL


def simulate(an_hour: float, cost: Cost, stage: Stage, seed: int = 1, scans: int = 8_000) -> Outcome:
    """Let so many scans come, ``an_hour`` on average, spread evenly over the bots."""
    rng = random.Random(seed)
    rate = an_hour / 3600 / stage.bots
    each = max(200, scans // stage.bots)
    taken: list[float] = []
    busy_workers = busy_loop = span = 0.0
    for _ in range(min(stage.bots, 4)):  # the others are just the same
        times, worked, looped, end = _one_bot(rate, each, cost, stage, rng)
        taken += times
        busy_workers, busy_loop, span = busy_workers + worked, busy_loop + looped, span + end
    taken.sort()
    return Outcome(
        half=taken[len(taken) // 2],
        most=taken[int(0.95 * len(taken))],
        workers_used=busy_workers / (span * stage.workers),
        loop_used=busy_loop / span,
        telegram_used=rate * cost.messages / _lasting(stage.per_second),
    )


def _lasting(per_second: int) -> float:
    return overall_bucket(per_second).rate


def _one_bot(
    rate: float, scans: int, cost: Cost, stage: Stage, rng: random.Random
) -> tuple[list[float], float, float, float]:
    """First come, first served at each station: the loop, Telegram's limit, a worker, Telegram's limit again."""
    now, loop_free = 0.0, 0.0
    workers = [0.0] * stage.workers
    bucket = overall_bucket(stage.per_second)
    telegram = _Line(bucket)
    worked = looped = 0.0
    arrivals: list[float] = []
    finished: list[tuple[float, int]] = []
    for number in range(scans):
        now += rng.expovariate(rate)
        arrivals.append(now)
        loop_free = max(loop_free, now) + cost.loop
        looped += cost.loop
        begun = max(loop_free + FETCH, heapq.heappop(workers))
        seconds = rng.gammavariate(1 / SPREAD**2, cost.worker * SPREAD**2)
        worked += seconds
        heapq.heappush(workers, begun + seconds)
        finished.append((begun + seconds, number))
    # Messages in the order in which they want to leave: the status at once, the files when they are done.
    wishes = [(arrival, 1, -1) for arrival in arrivals]
    wishes += [(done, cost.messages - 1, number) for done, number in finished]
    wishes.sort()
    times = [
        telegram.pass_at(wanted, count) + SEND - arrivals[number] if number >= 0 else telegram.pass_at(wanted, count)
        for wanted, count, number in wishes
    ]
    answers = [seconds for seconds, (_, _, number) in zip(times, wishes, strict=True) if number >= 0]
    return answers, worked, looped, max(now, telegram.last)


class _Line:
    """Telegram's limit over all chats of a bot, by the very bucket that the bot uses."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self.last = 0.0

    def pass_at(self, wanted: float, count: int) -> float:
        """When the last of ``count`` messages has passed that want to at ``wanted``."""
        self.last = max(self.last, wanted)
        for _ in range(count):
            self.last += self._bucket.pause(self.last)
            self._bucket.spend(self.last, 1)
        return self.last


def smallest(an_hour: float, cost: Cost, per_second: int, patience: float, most_workers: int) -> tuple[Stage, Outcome]:
    """The fewest bots, and of them the fewest workers each, with which 95 of 100 scans take at most ``patience``."""
    a_second = an_hour / 3600
    # Fewer could not keep up, however long one waits: there is nothing to try.
    bots = max(1, math.ceil(a_second * cost.messages / (FULL * _lasting(per_second))))
    bots = max(bots, math.ceil(a_second * cost.loop / FULL), math.ceil(a_second * cost.worker / FULL / most_workers))
    while True:
        for workers in range(max(1, math.ceil(a_second / bots * cost.worker / FULL)), most_workers + 1):
            stage = Stage(bots, workers, per_second)
            outcome = simulate(an_hour, cost, stage)
            if outcome.keeps_up and outcome.most <= patience:
                return stage, outcome
            if outcome.telegram_used > outcome.workers_used:
                break  # more workers would wait for the same limit
        bots += 1
