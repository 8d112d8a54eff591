"""Where analyses run: worker processes of this machine, limited in memory and time, replaced when they die."""

import asyncio
import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, TypeVarTuple

from inference.analysis import Analysis
from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.registry import check_models
from inference.workers.supervisor import OutOfTimeError, Worker, WorkerLostError, WorkerSlot
from inference.workers.worker import WorkerSettings, analyse

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
ATTEMPTS: Final = 2
"""How many workers may die over a job until it is given up."""
LOSSES: Final = 6
"""How many may be lost to it in all, with those that ended before they took it up."""

_log = logging.getLogger(__name__)


class ExecutorError(Exception):
    """A job gave no answer; the text says why, in words for the person who waits."""


class AnalysisTimeoutError(ExecutorError):
    """The job took longer than it may; its worker was ended."""

    def __init__(self) -> None:
        super().__init__("This took too long, so I stopped. Please try another picture.")


class WorkerDiedError(ExecutorError):
    """The worker died twice over the same job: out of memory, or a fault in a decoder."""

    def __init__(self) -> None:
        super().__init__("Something went wrong while I read this picture. Please try another one.")


class LocalExecutor:
    """Worker processes, each on a seat of its own; each opens the models once, at its start.

    ``workers`` processes do one job each, first come, first served. Use it as an async context manager, or call
    ``start`` and ``close``; these and the jobs may belong to different event loops.
    """

    def __init__(
        self,
        workers: int,
        *,
        models_dir: Path = MODELS_DIR,
        backend: BackendName = "litert",
        timeout: float = TIMEOUT,
        memory: int | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError("at least one worker is needed")
        self.workers = workers
        self._settings = WorkerSettings(models_dir, backend, memory or MEMORY[backend])
        self._timeout = timeout
        self._line = _JobQueue()
        self._seats: tuple[WorkerSlot, ...] = ()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return self._line.length

    async def start(self) -> None:
        """Start every worker and wait until each has its models open and has read a first picture.

        Raises ModelError when a model is missing or altered, WorkerDiedError when workers can't start.
        """
        check_models(self._settings.models_dir)  # here already, because a worker can only die of it
        self._seats = tuple(WorkerSlot(self._settings, self._line.give, self._seat_failed) for _ in range(self.workers))
        self._line.open = True
        atexit.register(self._end_workers)  # else seats would be filled again while Python shuts down
        try:
            for seat in self._seats:
                seat.open()
            await asyncio.gather(*(asyncio.wrap_future(seat.started) for seat in self._seats))
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
        return await self.run(analyse, data, hint)

    def run(self, function: Callable[[*Ts], T], *args: *Ts, timeout: float | None = None) -> Coroutine[Any, Any, T]:
        """Run a top-level function in a worker; ``timeout`` in seconds counts from when it is given to one.

        What the function raises is raised here. A job whose worker died is run once more. Cancelling this call takes
        the job out of the line, or ends it. Raises AnalysisTimeoutError or WorkerDiedError; RuntimeError when not
        started or already closed.
        """
        return self._run(function, args, timeout or self._timeout)

    async def _run(self, function: Callable[..., T], args: tuple[Any, ...], limit: float) -> T:
        deaths = 0
        for loss in range(LOSSES):
            self._give_up_without_seats()
            worker = await self._line.take(first=loss > 0)
            try:
                return await worker.do(function, args, limit)
            except OutOfTimeError:
                raise AnalysisTimeoutError from None
            except WorkerLostError as lost:
                deaths += lost.taken_up
                if deaths == ATTEMPTS:
                    break
            finally:
                self._line.give_back(worker)
        raise WorkerDiedError

    def _give_up_without_seats(self) -> None:
        if self._seats and all(seat.empty for seat in self._seats):
            raise WorkerDiedError

    def _seat_failed(self) -> None:
        if all(seat.empty for seat in self._seats):
            self._line.turn_away(WorkerDiedError)

    async def close(self) -> None:
        """Let running jobs finish for a few seconds, then end every worker. Closing twice does nothing.

        Jobs that wait get a RuntimeError. Returns within CLOSE_TIMEOUT + END_TIMEOUT, whatever state workers are in.
        """
        if not self._line.open:
            return
        self._line.open = False
        self._line.turn_away(_not_running)
        try:
            if not await asyncio.to_thread(self._line.wait_until_quiet, CLOSE_TIMEOUT):
                _log.warning("jobs were still running after %.0f s and were ended", CLOSE_TIMEOUT)
        finally:
            self._end_workers()
            atexit.unregister(self._end_workers)
        if not await asyncio.to_thread(self._wait_until_tidy):
            _log.warning("workers were still not gone %.0f s after they were ended", END_TIMEOUT)

    def _end_workers(self) -> None:
        for seat in self._seats:
            seat.close()

    def _wait_until_tidy(self) -> bool:
        deadline = time.monotonic() + END_TIMEOUT
        return all(seat.join(max(0.0, deadline - time.monotonic())) for seat in self._seats)


def _not_running() -> RuntimeError:
    return RuntimeError("the executor is not running")


class _JobQueue:
    """Free workers, or jobs that wait for one; never both. Used by event loops and by the threads of seats."""

    def __init__(self) -> None:
        self.open = False
        self._changed = threading.Condition()
        self._free: deque[Worker] = deque()
        self._turns: deque[asyncio.Future[Worker]] = deque()
        self._busy = 0

    @property
    def length(self) -> int:
        return len(self._turns)

    async def take(self, *, first: bool) -> Worker:
        """A free worker, when it is this job's turn; ``first`` puts it before all others. Raises RuntimeError."""
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        with self._changed:
            if not self.open:
                raise _not_running()
            while self._free:
                worker = self._free.popleft()
                if not worker.gone:
                    self._busy += 1
                    return worker
            self._turns.insert(0 if first else len(self._turns), turn)
        try:
            return await turn
        except asyncio.CancelledError:
            with self._changed:
                if turn in self._turns:
                    self._turns.remove(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result())
            raise

    def give(self, worker: Worker) -> None:
        """Let the next in line have this worker."""
        here = _loop_here()
        with self._changed:
            if worker.gone or not self.open:
                return
            while self._turns:
                turn = self._turns.popleft()
                if turn.done():
                    continue
                loop = turn.get_loop()
                try:
                    if loop is here:
                        turn.set_result(worker)
                    else:
                        loop.call_soon_threadsafe(self._seat, turn, worker)
                except RuntimeError:  # its loop is closed: nobody waits
                    continue
                self._busy += 1
                return
            self._free.append(worker)

    def _seat(self, turn: "asyncio.Future[Worker]", worker: Worker) -> None:
        if turn.done():
            self.give_back(worker)
        else:
            turn.set_result(worker)

    def give_back(self, worker: Worker) -> None:
        """The job that had this worker has ended."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()
        self.give(worker)

    def turn_away(self, error: Callable[[], Exception]) -> None:
        """Tell all who wait that it is in vain."""
        with self._changed:
            turns = list(self._turns)
            self._turns.clear()
        for turn in turns:
            with suppress(RuntimeError):
                turn.get_loop().call_soon_threadsafe(_refuse, turn, error())

    def wait_until_quiet(self, timeout: float) -> bool:
        """Block until no job runs; whether that is so, after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout)


def _loop_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a thread of a seat
        return None


def _refuse(turn: "asyncio.Future[Worker]", error: Exception) -> None:
    if not turn.done():
        turn.set_exception(error)
