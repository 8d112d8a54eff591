"""Where analyses run: worker processes of this machine, limited in memory and time, replaced when they die."""

import asyncio
import atexit
import logging
import time
from collections.abc import Coroutine, Hashable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from inference.analysis import Analysis
from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.registry import check_models
from inference.workers import job_table
from inference.workers.executor import NotRunningError, WorkerDiedError
from inference.workers.fairness import WorkerTime
from inference.workers.job_queue import JobQueue, QueuedJob
from inference.workers.job_table import Job, read_picture
from inference.workers.supervisor import WorkerLostError, WorkerSlot
from inference.workers.worker import WorkerSettings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT: Final = 20.0
"""Seconds that one job may run."""
MEMORY: Final[dict[BackendName, int]] = {"litert": 3 << 29, "tensorflow": 12 << 30}
"""Bytes of address space of one worker (TensorFlow reserves much more than it uses)."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds that running jobs have to finish when the executor closes; then their workers are ended by force."""
END_TIMEOUT: Final = 5.0
"""Seconds until workers that were ended by force must have been tidied away."""

_log = logging.getLogger(__name__)


class LocalExecutor:
    """Worker processes of this machine, each in a slot of its own; each opens the models once, at its start.

    ``workers`` processes do one job each. Besides ``read_picture`` they know the jobs of the modules ``jobs``, named
    as they are imported. Workers can read their code, their models and what is ``readable``, and write to ``scratch``
    alone, or nowhere; see ``inference.workers.confinement``. For the rest see ``Executor``, which this is.
    """

    def __init__(
        self,
        workers: int,
        *,
        jobs: Sequence[str] = (),
        models_dir: Path = MODELS_DIR,
        backend: BackendName = "litert",
        timeout: float = TIMEOUT,
        memory: int | None = None,
        scratch: Path | None = None,
        readable: Sequence[Path] = (),
    ) -> None:
        if workers < 1:
            raise ValueError("at least one worker is needed")
        self.workers = workers
        modules = (job_table.__name__, *jobs)
        self._settings = WorkerSettings(
            models_dir.absolute(), backend, memory or MEMORY[backend], modules, scratch, tuple(readable)
        )
        self._timeout = timeout
        self._time = WorkerTime()
        # An asyncio semaphore belongs to one event loop.
        self._slow_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._queue = JobQueue(self._time)
        self._slots: tuple[WorkerSlot, ...] = ()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._queue)

    @property
    def restarts(self) -> int:
        """How many workers have taken the place of one that ended."""
        return sum(max(0, slot.workers_started - 1) for slot in self._slots)

    def is_slow(self, client: Hashable) -> bool:
        """See ``Executor.is_slow``."""
        return self._time.has_failed(client)

    async def start(self) -> None:
        """Start every worker and wait until each has its models open and has read a first picture.

        Raises ModelError when a model is missing or altered, WorkerDiedError when workers can't start.
        """
        check_models(self._settings.models_dir)  # here already, because a worker can only die of it
        self._slots = tuple(WorkerSlot(self._settings, self._queue, self._slot_failed) for _ in range(self.workers))
        self._queue.open()
        atexit.register(self._end_workers)  # else slots would be filled again while Python shuts down
        try:
            for slot in self._slots:
                slot.open()
            await asyncio.gather(*(asyncio.wrap_future(slot.started) for slot in self._slots))
        except BaseException as error:
            await self.close()
            if isinstance(error, WorkerLostError):
                raise WorkerDiedError from None
            raise

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
        async with self._slow_lane():
            return await self._queue_up(job, args, limit, client)

    def _slow_lane(self) -> asyncio.Semaphore:
        """All but one of the workers, for long jobs and those who sent what took too long: others find one free."""
        return self._slow_lanes.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(max(1, self.workers - 1)))

    async def _queue_up(self, job: Job[T, *Ts], args: tuple[Any, ...], limit: float, client: Hashable | None) -> T:
        if not self._queue.is_open:
            raise NotRunningError
        if self._slots and all(slot.empty for slot in self._slots):
            raise WorkerDiedError
        queued = QueuedJob(job, args, limit, client)
        self._queue.put(queued)
        try:
            answer: T = await asyncio.wrap_future(queued.answer)
        except asyncio.CancelledError:
            self._queue.drop(queued)
            raise
        return answer

    def _slot_failed(self) -> None:
        if all(slot.empty for slot in self._slots):
            self._queue.refuse_all(WorkerDiedError)

    async def close(self) -> None:
        """Let running jobs finish for a few seconds, then end every worker. Closing twice does nothing.

        Jobs that wait get a NotRunningError. Returns within CLOSE_TIMEOUT + END_TIMEOUT, whatever state workers are in.
        """
        if not self._queue.is_open:
            return
        self._queue.close()
        try:
            if not await asyncio.to_thread(self._queue.wait_until_quiet, CLOSE_TIMEOUT):
                _log.warning("jobs were still running after %.0f s and were ended", CLOSE_TIMEOUT)
        finally:
            self._end_workers()
            atexit.unregister(self._end_workers)
        if not await asyncio.to_thread(self._wait_until_tidy):
            _log.warning("workers were still not gone %.0f s after they were ended", END_TIMEOUT)
        else:
            self._queue.jobs_wait.close()

    def _end_workers(self) -> None:
        for slot in self._slots:
            slot.close()

    def _wait_until_tidy(self) -> bool:
        deadline = time.monotonic() + END_TIMEOUT
        return all(slot.join(max(0.0, deadline - time.monotonic())) for slot in self._slots)
