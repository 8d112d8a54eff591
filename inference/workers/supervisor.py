"""Seats for worker processes: each holds one worker at a time, and gives its place to a new one when it ends.

Each worker has a Pebble pool to itself. Workers of one pool share pipes and locks, so that one that is stopped or
killed at the wrong moment can hold up the others; here it holds up nobody, and is ended by force whatever its state.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, TypeVar

from pebble import ProcessExpired, ProcessPool

from inference.workers.worker import WorkerSettings, initialise, limited

T = TypeVar("T")

START_TIMEOUT: Final = 60.0
"""Seconds until a worker must have its models open."""
TAKE_UP: Final = 5.0
"""Seconds within which an idle worker must take up the job that it is given, unless it only waits for a processor."""
LOOKS: Final = 6
"""So many times TAKE_UP is the most that any worker has for that."""
GRACE: Final = 0.25
"""Seconds on top of a job's limit, for the ways there and back."""
PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds until the next try when no new worker can be started: after the first failure, the second, and so on."""

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
_PRELOADED = ["inference.analyser", "inference.backends.litert", "inference.workers.worker", "pebble"]
_forkserver_lock = threading.Lock()
_log = logging.getLogger(__name__)


class WorkerLostError(Exception):
    """The worker ended, or never took up its job."""

    taken_up = False
    """Whether the job is known to have run when the worker ended, and so may be to blame."""


class OutOfTimeError(Exception):
    """The job ran longer than its limit; its worker was ended."""


class Worker:
    """One worker process, ready, seen from this side; it does one job at a time."""

    def __init__(self, pool: ProcessPool, process: BaseProcess, process_id: int) -> None:
        self.gone = False
        """Whether it has ended, or is about to; it takes no more jobs then."""
        self._pool = pool
        self._process = process
        self._process_id = process_id
        self._wanted = False
        self._left = False
        self._answer: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def do(self, function: Callable[..., T], args: tuple[Any, ...], limit: float) -> T:
        """Run a function in the worker, for at most ``limit`` seconds.

        What the function raises is raised here. Raises WorkerLostError or OutOfTimeError. After these, and when this
        call is cancelled before the job is done, the worker is gone.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._answer = answer
        job: Future[T] | None = None
        try:
            job = self._schedule(limited, function, args, limit)
            job.add_done_callback(partial(_answer_with, answer))
            self._timer = loop.call_later(min(TAKE_UP, limit), self._taken_up, job, answer, limit, LOOKS - 1)
            return await answer
        except WorkerLostError as loss:
            self.end(wanted=False)
            loss.taken_up = job is not None and _was_taken_up(job)
            raise
        finally:
            self._answer = None
            if self._timer is not None:
                self._timer.cancel()
            if job is not None and not job.done():
                self.end()

    def _schedule(self, function: Callable[..., T], /, *args: Any) -> "Future[T]":
        if self.gone:  # looked at after self._answer is set, as wait() does it the other way round
            raise WorkerLostError
        try:
            job: Future[T] = self._pool.schedule(function, args=args)
        except RuntimeError as error:  # Pebble's word for a pool that broke while nothing ran
            raise WorkerLostError from error
        return job

    def _taken_up(self, job: "Future[T]", answer: "asyncio.Future[T]", limit: float, looks: int) -> None:
        """Give a job that runs the rest of its time, and one that was not even taken up none.

        On a machine with too much to do a sound worker, or Pebble's thread here, can be late by several seconds.
        """
        loop = answer.get_loop()
        if job.running() or job.done():
            rest = max(0.0, limit - TAKE_UP) + GRACE
            self._timer = loop.call_later(rest, _settle, answer, None, OutOfTimeError())
        elif looks > 0 and not _stands_still(self._process_id):
            self._timer = loop.call_later(TAKE_UP, self._taken_up, job, answer, limit, looks - 1)
        else:
            _log.warning("a worker did not take up its job; it is ended")
            _settle(answer, None, WorkerLostError())

    def end(self, *, wanted: bool = True) -> None:
        """End the process by force, whatever it is doing. Its seat notices and looks for another."""
        self.gone = True
        self._wanted |= wanted
        if not self._left:  # else its process id may be another's by now
            with suppress(ProcessLookupError):
                os.kill(self._process_id, signal.SIGKILL)

    def wait(self) -> None:
        """Block until the process has ended, however it ended; tell the one who waits for its answer."""
        connection.wait([self._process.sentinel])
        self.end(wanted=False)  # when the fork server dies its children seem to be dead, too, and are not
        self._left = True
        self._pool.stop()  # else Pebble starts another
        if not self._wanted:
            _log.warning("a worker ended with status %s", self._process.exitcode)
        answer = self._answer
        if answer is not None:
            _from_thread(answer, None, WorkerLostError())

    def clear(self) -> None:
        """Tidy up after a process that has ended."""
        _clear(self._pool)
        self._process.close()  # its file descriptors


def _stands_still(process_id: int) -> bool:
    """Whether a process was stopped or has ended; also when this system does not tell."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"T", "t", "Z", "X"}


def _was_taken_up(job: "Future[T]") -> bool:
    return job.running() or (job.done() and isinstance(job.exception(), ProcessExpired))


def _answer_with(answer: "asyncio.Future[T]", job: "Future[T]") -> None:
    """Pass on what came of a job, in Pebble's thread."""
    if job.cancelled():
        error: BaseException | None = CancelledError()
    else:
        error = job.exception()
    if isinstance(error, ProcessExpired | BrokenProcessPool | CancelledError):
        error = WorkerLostError()
    _from_thread(answer, None if error else job.result(), error)


def _from_thread(answer: "asyncio.Future[T]", result: T | None, error: BaseException | None) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        answer.get_loop().call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


class WorkerSlot:
    """A place for one worker; a thread keeps it taken.

    ``arrived`` is called with each new worker, ``failed`` when none could be started; both in the thread of the seat.
    """

    def __init__(self, settings: WorkerSettings, arrived: Callable[[Worker], None], failed: Callable[[], None]) -> None:
        self.started: Future[None] = Future()
        """Done when the first worker is ready; WorkerLostError when it could not be started, and none will."""
        self.empty = False
        """Whether the last two tries to start a worker failed; a single one may only have met a dying fork server."""
        self._settings = settings
        self._arrived = arrived
        self._failed = failed
        self._worker: Worker | None = None
        self._closing = threading.Event()
        # A daemon, so that no state that a process may be in can keep this one from ending.
        self._thread = threading.Thread(target=self._keep_taken, name="seat", daemon=True)

    def open(self) -> None:
        """Start the first worker; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the worker by force; no other takes its place. Returns at once."""
        self._closing.set()
        worker = self._worker
        if worker is not None:
            worker.end()

    def join(self, timeout: float) -> bool:
        """Wait until everything is tidy; whether it is, after ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _keep_taken(self) -> None:
        failures = 0
        before: Worker | None = None
        while not self._closing.is_set():
            try:
                worker = _start_worker(self._settings, self._closing)
            except WorkerLostError as error:
                if not self.started.done():
                    self.started.set_exception(error)
                    break
                if not self._closing.is_set():
                    _log.warning("a worker could not be started: %s", error)
                self.empty = failures > 0
                self._failed()
                self._closing.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
                continue
            failures = 0
            self._worker = worker
            self.empty = False
            if self._closing.is_set():  # looked at after self._worker is set, as close() does it the other way round
                worker.end()
            self._arrived(worker)
            if not self.started.done():
                self.started.set_result(None)
            if before is not None:
                before.clear()  # takes Pebble a tenth of a second or two, so not while people wait
            worker.wait()
            before = worker
        if before is not None:
            before.clear()


def _start_worker(settings: WorkerSettings, closing: threading.Event) -> Worker:
    """Start a process and wait until it is ready. Raises WorkerLostError."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)  # workers are forked from a process that has imported them: 10 ms each
    with _forkserver_lock, _single_threaded():
        resource_tracker.ensure_running()  # the fork server would start it, and it lets this thread hear again
        with _deaf():
            forkserver.ensure_running()
    pool = ProcessPool(1, initializer=initialise, initargs=(settings,), context=context)
    deadline = time.monotonic() + START_TIMEOUT
    try:
        hello: Future[int] = pool.schedule(os.getpid)
        while not closing.is_set() and time.monotonic() < deadline:
            with suppress(TimeoutError):
                process_id = hello.result(timeout=0.1)
                for process in multiprocessing.active_children():
                    if process.pid == process_id:
                        return Worker(pool, process, process_id)
                raise BrokenProcessPool("the worker ended as soon as it was ready")
        raise BrokenProcessPool("the worker was not ready in time")
    # The fork server may be killed meanwhile: no answer from it, or (TypeError) its address gone under our feet.
    except (RuntimeError, ProcessExpired, OSError, EOFError, TypeError) as error:
        _clear(pool)
        raise WorkerLostError(str(error)) from error


def _clear(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let processes that start meanwhile do their maths on one thread: the workers are the parallelism."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that start meanwhile, and theirs, not hear Ctrl+C: it is meant for the one that they work for.

    Python's fork server ignores it only once it is up. Holds for this thread alone, which is not the main one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
