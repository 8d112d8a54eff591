"""Whether the bot does its work: looked at again and again, so that whoever asks is answered at once."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.operations.prometheus import PrometheusMetrics
from storage.inbox import Backlog

EVERY = 10.0
"""Seconds between two samples."""
WITHIN = 25.0
"""Seconds that a worker has to answer: longer than the longest job that it may be busy with."""
SILENCE = 150.0
"""Seconds without a round of fetching after which it is taken for dead: a poll that hangs and the pause after it."""
KEPT = 180
"""Looks that are remembered for the status page: half an hour."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found at one time."""

    at: datetime
    database: bool
    workers: bool
    backlog: Backlog
    updates: float
    """Taken in so far."""

    @property
    def oldest(self) -> float:
        """Seconds since the oldest update came that is not answered; 0 when there is none."""
        since = self.backlog.oldest
        return 0.0 if since is None else max(0.0, (self.at - since).total_seconds())


@dataclass(frozen=True, slots=True)
class Health:
    """What is told to whoever asks."""

    fetching: bool
    database: bool
    workers: bool
    ready: bool
    waiting: int
    oldest: float

    @property
    def is_well(self) -> bool:
        """Whether everything works that this process is there for; a long queue alone is no illness."""
        return self.fetching and self.database and self.workers


@dataclass(frozen=True, slots=True)
class Probes:
    """How to find out. The first two raise or hang when something is wrong."""

    write: Callable[[], Awaitable[object]]
    ask_worker: Callable[[], Awaitable[object]]
    backlog: Callable[[], Awaitable[Backlog]]


class Watch:
    """Looks at database, workers and queue in the background, and remembers the last samples."""

    def __init__(self, probes: Probes, metrics: PrometheusMetrics) -> None:
        self._probes, self._metrics = probes, metrics
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._is_listening = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Telegram is reached and updates come in while the body runs."""
        self._is_listening = True
        try:
            yield
        finally:
            self._is_listening = False

    def show(self) -> None:
        """Have health and queue among the metrics."""
        gauge = self._metrics.gauge
        gauge("fetching_up", "1 while updates are fetched", lambda: self.health().fetching)
        gauge("database_up", "1 while the database can be written", lambda: self.health().database)
        gauge("workers_up", "1 while workers answer", lambda: self.health().workers)
        gauge("ready", "1 while what people send is answered", lambda: self.health().ready)
        gauge("updates_waiting", "Updates that are not answered yet", lambda: self.health().waiting)
        gauge("oldest_update_seconds", "Since the oldest of these came", lambda: self.health().oldest)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.samples.append(await self._sample())
            await asyncio.sleep(EVERY)

    async def _sample(self) -> Sample:
        probes = self._probes
        database, workers = await asyncio.gather(
            self._works(probes.write, "database"), self._works(probes.ask_worker, "workers")
        )
        backlog = Backlog(0, None)
        if database:
            try:
                async with asyncio.timeout(WITHIN):
                    backlog = await probes.backlog()
            except Exception as error:  # noqa: BLE001 - the sample is what tells of it
                _log.debug("the queue could not be counted: %s", type(error).__name__)
                database = False
        updates = sum(self._metrics.values("updates_total").values())
        return Sample(datetime.now(UTC), database, workers, backlog, updates)

    async def _works(self, probe: Callable[[], Awaitable[object]], name: str) -> bool:
        try:
            async with asyncio.timeout(WITHIN):
                await probe()
        except Exception as error:  # noqa: BLE001 - whatever it is, this part does not work
            _log.debug("%s: %s", name, type(error).__name__)
            return False
        return True

    def health(self) -> Health:
        """As of the last sample; nothing works that was not looked at yet, or not for a long time."""
        now = time.monotonic()
        sample = self.samples[-1] if self.samples else None
        fresh = sample is not None and (datetime.now(UTC) - sample.at).total_seconds() < 2 * (EVERY + 2 * WITHIN)
        fetching = now - self._metrics.last_asked < SILENCE
        answered = now - self._metrics.last_answered < SILENCE
        database, workers = (sample.database, sample.workers) if sample and fresh else (False, False)
        return Health(
            fetching=fetching,
            database=database,
            workers=workers,
            ready=self._is_listening and answered and database and workers,
            waiting=sample.backlog.updates if sample else 0,
            oldest=sample.oldest if sample else 0.0,
        )
