"""What runs on a machine of the cluster: a Dask worker that passes each job to limited processes of its own.

Dask carries bytes and opens none of them: decoding and models are the business of a ``LocalExecutor`` behind it, whose
workers have the same limits and the same cage as those beside a bot.
"""

import asyncio
import logging
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

import dask
from distributed import Worker
from distributed.comm import CommClosedError
from pydantic import TypeAdapter, ValidationError

from inference.analysis import PictureError
from inference.backends import BackendName
from inference.registry import fingerprint
from inference.workers.executor import AnalysisTimeoutError, JobFailedError, NotRunningError, WorkerDiedError
from inference.workers.job_table import TABLE
from inference.workers.local import LocalExecutor
from inference.workers.wire import MOST_BYTES, FrameError, decode, encode
from inference.workers.worker import DONE, FAILED, OUT_OF_TIME, REFUSED, Order

DIED: Final = "died"
AWAY: Final = "away"
"""Kinds of answers that a worker process doesn't give: it died twice over the job, or its machine is closing."""
PREFIX: Final = "tumorscan "
"""Begins the name of the Dask resource that tells what a worker is."""
CONNECT: Final = 10.0
"""Seconds that a scheduler has to answer who wants to connect."""
PAUSE: Final = 2.0
"""Seconds between two tries to reach it."""
LEAVE: Final = 5.0
"""Seconds for a good-bye to it."""
_ORDERS: Final = TypeAdapter(Order)
_log = logging.getLogger(__name__)
_executor: LocalExecutor | None = None
_running: dict[str, asyncio.Task[bytes]] = {}


def kind_of(models_dir: Path, backend: BackendName) -> str:
    """What a bot and a worker must have in common: version of the program, models by their hashes, backend.

    It is the name of a Dask resource, of which a worker has one for each job that it can do at once; so the scheduler
    gives a bot's jobs to none that differs.
    """
    return f"{PREFIX}{version('tumorscan-bot')}, models {fingerprint(models_dir)}, {backend}"


async def do(job_id: str, frame: bytes) -> bytes:
    """Do a job, a frame of ``wire``, in a process of this machine. Never raises: Dask would log the arguments."""
    if _executor is None:
        return _joined(AWAY)
    _running[job_id] = asyncio.create_task(_do(_executor, frame))
    try:
        return await _running[job_id]
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():  # Dask ends, and gives the job to another worker
            raise
        return _joined(AWAY)
    finally:
        del _running[job_id]


async def _do(executor: LocalExecutor, frame: bytes) -> bytes:
    try:
        order = _ORDERS.validate_python(decode(frame, MOST_BYTES)[1])
        job = TABLE[order.name]
        arguments = job.takes.validate_python(order.arguments)
    except (FrameError, ValidationError, LookupError):
        return _joined(FAILED, "a job that this worker does not know")
    try:
        return _joined(DONE, await executor.run(job, *arguments, timeout=order.seconds))
    except PictureError as error:
        return _joined(REFUSED, (error.reason, error.detail))
    except AnalysisTimeoutError:
        return _joined(OUT_OF_TIME)
    except WorkerDiedError:
        return _joined(DIED)
    except NotRunningError:
        return _joined(AWAY)
    except JobFailedError as error:
        return _joined(FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - see above
        return _joined(FAILED, type(error).__name__)


def give_up(job_id: str) -> None:
    """End a job that nobody wants any more, if it runs here; its process ends with it."""
    if task := _running.get(job_id):
        task.get_loop().call_soon_threadsafe(task.cancel)


def _joined(kind: str, value: object = None) -> bytes:
    return b"".join(encode(kind, value))


def tame_dask() -> None:
    """Have Dask leave the logging to us, pass pictures on without a word about their size, and idle when it is idle."""
    log = logging.getLogger("distributed")
    log.handlers.clear()
    log.propagate = True
    for name in (*(name for name in logging.root.manager.loggerDict if name.startswith("distributed")), "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # we say ourselves what is wrong, once
    # Its profiler and the pulse of its event loops would take more of a processor than passing pictures on does.
    dask.config.set(
        {
            "distributed.admin.large-graph-warning-threshold": "1GB",
            "distributed.admin.tick.interval": "1s",
            "distributed.worker.profile.enabled": False,
        }
    )


async def serve(address: str, executor: LocalExecutor, kind: str) -> None:
    """Do the jobs of a scheduler until cancelled, with an executor that runs; a scheduler that is away is awaited."""
    global _executor
    tame_dask()
    _executor = executor
    say = Once(_log)
    with tempfile.TemporaryDirectory(prefix="tumorscan-") as folder:
        while True:
            try:
                await _work(address, executor.places, kind, folder, say)
            except (OSError, TimeoutError, CommClosedError, RuntimeError, TypeError, ValueError) as error:
                say.problem(f"SCHEDULER: {cannot_reach(address, error)}; this worker tries again until it answers")
            await asyncio.sleep(PAUSE)


async def _work(address: str, places: int, kind: str, folder: str, say: "Once") -> None:
    # Without a limit on memory Dask never writes what it carries to the disk.
    worker = Worker(
        address, nthreads=places, resources={kind: places}, memory_limit=0, local_directory=folder,
        death_timeout=CONNECT, dashboard=False, dashboard_address="127.0.0.1:0",
    )  # fmt: skip
    try:
        await worker
        say.well(f"working for {address}: {kind}, {places} at once")
        await worker.finished()
        say.problem(f"SCHEDULER: {address} is gone; this worker waits for it")
    finally:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(LEAVE):
                await worker.close(reason="told to stop", nanny=False)


def cannot_reach(address: str, error: BaseException) -> str:
    """One line for an operator."""
    why = "" if isinstance(error, OSError | TimeoutError) else f" ({type(error).__name__})"
    fix = "are the certificates of Dask's settings those of the scheduler?" if address.startswith("tls") else ""
    return f"the scheduler {address} does not answer{why}: {fix or 'does dask scheduler run there?'}"


class Once:
    """Says how it stands when that has changed, and not again and again."""

    def __init__(self, log: logging.Logger) -> None:
        self._log, self._said = log, ""

    def problem(self, words: str) -> None:
        """Something is wrong."""
        self._say(logging.ERROR, words)

    def well(self, words: str) -> None:
        """All is well."""
        self._say(logging.INFO, words)

    def _say(self, level: int, words: str) -> None:
        if words != self._said:
            self._log.log(level, "%s", words)
        self._said = words
