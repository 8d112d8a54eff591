"""Where analyses run: worker processes of this machine, limited in memory and time, replaced when they die."""

import asyncio
import logging
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, TypeVarTuple

from pebble import ProcessExpired, ProcessPool

from inference.analysis import Analysis, Organ
from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.registry import check_models

if TYPE_CHECKING:
    from multiprocessing.synchronize import Semaphore

    from inference.analyser import Analyser

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TIMEOUT: Final = 20.0
"""Seconds that one job may run."""
START_TIMEOUT: Final = 60.0
"""Seconds until every worker must have its models open."""
MEMORY: Final[dict[BackendName, int]] = {"litert": 3 << 29, "tensorflow": 12 << 30}
"""Bytes of address space of one worker (TensorFlow reserves much more than it uses)."""
CLOSE_TIMEOUT: Final = 5.0

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
_PRELOADED = ["inference.analyser", "inference.backends.litert"]
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
    """A pool of worker processes; each opens the models once, at its start.

    ``workers`` processes serve one job each. Use it as an async context manager, or call ``start`` and ``close``.
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
        self._settings = (models_dir, backend, memory or MEMORY[backend])
        self._timeout = timeout
        self._pool: ProcessPool | None = None
        self._renewing = asyncio.Lock()
        self._closed = False
        # A job that Pebble has taken can only be cancelled by ending a worker; one that waits here costs nothing. One
        # ahead for each worker keeps all of them busy.
        self._places = asyncio.Semaphore(2 * workers)

    async def start(self) -> None:
        """Start every worker and wait until each has its models open and has read a first picture.

        Raises ModelError when a model is missing or altered, WorkerDiedError when workers can't start.
        """
        models_dir, *_ = self._settings
        check_models(models_dir)  # here already, because a worker can only die of it
        self._pool = await self._open()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def analyse(self, data: bytes, hint: Organ | None = None) -> Analysis:
        """Read one picture in a worker. Raises PictureError, AnalysisTimeoutError or WorkerDiedError."""
        return await self.run(_analyse, data, hint)

    def run(self, function: Callable[[*Ts], T], *args: *Ts, timeout: float | None = None) -> Coroutine[Any, Any, T]:
        """Run a top-level function in a worker; ``timeout`` in seconds counts from when a worker takes it up.

        What the function raises is raised here. A job whose worker died is run once more. Cancelling this call ends
        the job. Raises AnalysisTimeoutError or WorkerDiedError; RuntimeError when not started or already closed.
        """
        return self._run(function, args, timeout or self._timeout)

    async def _run(self, function: Callable[..., T], args: tuple[Any, ...], limit: float) -> T:
        async with self._places:
            for attempt in (1, 2):
                pool = self._running_pool()
                try:
                    job = _schedule(pool, _limited, function, args, limit)
                    return await asyncio.wrap_future(job)
                except TimeoutError:
                    raise AnalysisTimeoutError from None
                except ProcessExpired as death:
                    _log.warning("a worker ended with status %s (attempt %d)", death.exitcode, attempt)
                except BrokenProcessPool:
                    _log.warning("the pool of workers broke (attempt %d); starting it again", attempt)
                    await self._renew(pool)
        raise WorkerDiedError

    async def close(self) -> None:
        """Let running jobs finish for a few seconds, then end every worker. Closing twice does nothing."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(_close_pool, pool, CLOSE_TIMEOUT)

    def _running_pool(self) -> ProcessPool:
        if self._pool is None:
            raise RuntimeError("the executor is not running")
        return self._pool

    async def _renew(self, broken: ProcessPool) -> None:
        """Put a new pool in the place of ``broken``, once, however many jobs noticed."""
        async with self._renewing:
            if self._pool is not broken:
                return
            await asyncio.to_thread(_close_pool, broken, 0)
            fresh = await self._open()
            if self._closed:
                await asyncio.to_thread(_close_pool, fresh, 0)
            else:
                self._pool = fresh

    async def _open(self) -> ProcessPool:
        try:
            return await asyncio.to_thread(_open_pool, self.workers, self._settings)
        except BrokenProcessPool:
            raise WorkerDiedError from None


Settings = tuple[Path, BackendName, int]


def _open_pool(workers: int, settings: Settings) -> ProcessPool:
    """Start every worker at once and wait until all are ready. Raises BrokenProcessPool."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)  # workers are forked from a process that has imported them: 10 ms each
    ready = context.Semaphore(0)
    with _single_threaded():
        forkserver.ensure_running()
    pool = ProcessPool(workers, initializer=_initialise, initargs=(settings, ready), context=context)
    deadline = time.monotonic() + START_TIMEOUT
    for _ in range(workers):
        while not ready.acquire(timeout=0.1):
            if not pool.active or time.monotonic() > deadline:
                _close_pool(pool, 0)
                raise BrokenProcessPool("the workers did not start")
    return pool


def _close_pool(pool: ProcessPool, grace: float) -> None:
    if grace and pool.active:
        pool.close()
        try:
            pool.join(grace)
        except TimeoutError:
            _log.warning("jobs were still running after %.0f s and were ended", grace)
        else:
            return
    pool.stop()
    pool.join()


def _schedule(pool: ProcessPool, function: Callable[..., T], /, *args: Any) -> "Future[T]":
    try:
        job: Future[T] = pool.schedule(function, args=args, timeout=args[-1])
    except RuntimeError as error:  # Pebble's word for a pool that broke while nothing ran
        raise BrokenProcessPool from error
    return job


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


# --- in the worker ---

_analyser: "Analyser | None" = None


def _initialise(settings: Settings, ready: "Semaphore") -> None:
    """Limit this process, open the models and read a blank picture, so that the first scan is as fast as the next."""
    global _analyser
    models_dir, backend, memory = settings
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold people's pictures
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from inference.analyser import Analyser

    # Decoders and LiteRT, in C, write to standard error what they find in a file; that must not reach the log.
    standard_error = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        _analyser = Analyser.load(models_dir, backend)
        _analyser.warm_up()
    except Exception:
        os.dup2(standard_error, 2)  # Pebble prints why there is no worker
        raise
    finally:
        os.close(standard_error)
    ready.release()


def _leave_with_parent() -> None:
    """End this process when the one that it works for has ended, however that ended and whatever is running here."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limited(function: Callable[..., T], args: Sequence[Any], seconds: float) -> T:
    """Run a job with a limit on processor time, which holds even when nobody is left to watch the clock."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 2, resource.RLIM_INFINITY))
    return function(*args)


def _analyse(data: bytes, hint: Organ | None) -> Analysis:
    if _analyser is None:
        raise RuntimeError("this process is no worker")
    return _analyser.analyse(data, hint)
