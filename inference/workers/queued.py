"""What every executor has: a queue before its workers, fair to all clients, with slots of its own for what is slow."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Hashable
from types import TracebackType
from typing import Any, Final, Self, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from inference.analysis import Analysis
from inference.workers.executor import NotRunningError
from inference.workers.fairness import WorkerTime
from inference.workers.job_queue import JobQueue, QueuedJob
from inference.workers.job_table import Job, read_picture

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT: Final = 20.0
"""Seconds that one job may run."""


class QueuedExecutor(ABC):
    """The part of an ``Executor`` that is the same wherever its workers are."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._time = WorkerTime()
        # An asyncio semaphore belongs to one event loop, and this one to a number of workers.
        self._slots_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[int, asyncio.Semaphore]]
        self._slots_by_loop = WeakKeyDictionary()
        self._queue = JobQueue(self._time)

    @property
    @abstractmethod
    def places(self) -> int:
        """How many jobs can be done at once."""

    @abstractmethod
    async def start(self) -> None:
        """See ``Executor.start``."""

    @abstractmethod
    async def close(self) -> None:
        """See ``Executor.close``."""

    def _look_for_hope(self) -> None:  # noqa: B027 - where workers may always come, there is hope
        """Raise WorkerDiedError when nobody will ever take up a job."""

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._queue)

    def is_slow(self, client: Hashable) -> bool:
        """See ``Executor.is_slow``."""
        return self._time.has_failed(client)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def analyse(self, data: bytes, hint: str | None = None) -> Analysis:
        """Read one picture in a worker. Raises PictureError, AnalysisTimeoutError or WorkerDiedError."""
        return await self.run(read_picture, data, hint)

    def run(
        self, job: Job[T, *Ts], *args: *Ts, timeout: float | None = None, client: Hashable | None = None
    ) -> Coroutine[Any, Any, T]:
        """See ``Executor.run``."""
        return self._run(job, args, timeout or self._timeout, client)

    async def _run(self, job: Job[T, *Ts], args: tuple[Any, ...], limit: float, client: Hashable | None) -> T:
        # Whoever has many accounts has many first tries: what may take long never has all workers, whoever sends it.
        is_heavy = client is not None and limit > self._timeout
        if not is_heavy and not self._time.has_failed(client):
            return await self._queue_up(job, args, limit, client)
        await asyncio.sleep(self._time.pause(client))
        async with self._slow_slots():
            return await self._queue_up(job, args, limit, client)

    def _slow_slots(self) -> asyncio.Semaphore:
        """All but one of the workers, for long jobs and those who sent what took too long: others find one free."""
        loop, width = asyncio.get_running_loop(), max(1, self.places - 1)
        slots = self._slots_by_loop.get(loop)
        if slots is None or slots[0] != width:
            slots = self._slots_by_loop[loop] = width, asyncio.Semaphore(width)
        return slots[1]

    async def _queue_up(self, job: Job[T, *Ts], args: tuple[Any, ...], limit: float, client: Hashable | None) -> T:
        if not self._queue.is_open:
            raise NotRunningError
        self._look_for_hope()
        queued = QueuedJob(job, args, limit, client)
        self._queue.put(queued)
        try:
            answer: T = await asyncio.wrap_future(queued.answer)
        except asyncio.CancelledError:
            self._queue.drop(queued)
            raise
        return answer
