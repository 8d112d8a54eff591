"""Where analyses run: worker processes of this machine, limited in memory and time, replaced when they die."""

import asyncio
import atexit
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.registry import check_models
from inference.workers import job_table
from inference.workers.executor import WorkerDiedError
from inference.workers.queued import TIMEOUT, QueuedExecutor
from inference.workers.supervisor import WorkerLostError, WorkerSlot
from inference.workers.worker import WorkerSettings

MEMORY: Final[dict[BackendName, int]] = {"litert": 3 << 29, "tensorflow": 12 << 30}
"""Bytes of address space of one worker (TensorFlow reserves much more than it uses)."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds that running jobs have to finish when the executor closes; then their workers are ended by force."""
END_TIMEOUT: Final = 5.0
"""Seconds until workers that were ended by force must have been tidied away."""

_log = logging.getLogger(__name__)


class LocalExecutor(QueuedExecutor):
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
        super().__init__(timeout)
        self.workers = workers
        modules = (job_table.__name__, *jobs)
        self._settings = WorkerSettings(
            models_dir.absolute(), backend, memory or MEMORY[backend], modules, scratch, tuple(readable)
        )
        self._slots: tuple[WorkerSlot, ...] = ()

    @property
    def places(self) -> int:
        """How many jobs can be done at once."""
        return self.workers

    @property
    def restarts(self) -> int:
        """How many workers have taken the place of one that ended, but for those that were retired."""
        return sum(slot.restarts for slot in self._slots)

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

    def _look_for_hope(self) -> None:
        if self._slots and all(slot.empty for slot in self._slots):
            raise WorkerDiedError

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
