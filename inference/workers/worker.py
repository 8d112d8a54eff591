"""What runs inside a worker process: its limits, its models, its jobs. ``inference.workers.fork_server`` forks it."""

import ctypes
import os
import resource
import select
import socket
import sys
import threading
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from inference.analysis import PictureError
from inference.backends import BackendName
from inference.decode import budget
from inference.decode.budget import TooCostlyError
from inference.workers import confinement
from inference.workers.job_table import TABLE
from inference.workers.wire import Channel, encode

if TYPE_CHECKING:
    from inference.analyser import Analyser

NICE: Final = 5
"""How far a worker stands back (see nice(2)): who types is answered first, also when all processors read pictures."""
READY: Final = "ready"
TAKEN: Final = "taken"
FULL: Final = "full"
DONE: Final = "done"
OUT_OF_TIME: Final = "out of time"
REFUSED: Final = "refused"
FAILED: Final = "failed"
"""Kinds of frames that a worker sends: the first once, the second and one of the last four for each job, with the third
before it when the worker holds so much memory that it is better replaced."""
KEEPS: Final = 48 << 20
"""Bytes that a worker may hold after a job beyond those that it had when it was ready. What decoders and libraries
keep adds up from file to file, and the largest file needs 240 MiB on top of it: the peak of a job says nothing of
that, for most of it is given back. TensorFlow keeps 4 MB (``python -m tests.bench.kept --backend tensorflow``)."""
_MAPS: Final = Path("/proc/self/maps")
_DONT_NEED: Final = 4
"""MADV_DONTNEED (asm-generic/mman-common.h)."""
_CODE_LINES: Final = 30
"""Lines of a traceback that are told, the innermost ones."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know; the first frame that it gets."""

    models_dir: Path
    backend: BackendName
    memory: int
    """Bytes of address space."""
    jobs: tuple[str, ...]
    """Modules whose jobs it does."""
    scratch: Path | None = None
    """A folder where it may write; without one it writes nowhere."""
    readable: tuple[Path, ...] = ()
    """Files and folders that it may read besides its code and models."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it is asked for."""

    name: str
    seconds: float
    arguments: list[Any]


_analyser: "Analyser | None" = None


def analyser() -> "Analyser":
    """The models of this worker. Raises RuntimeError where there are none."""
    if _analyser is None:
        raise RuntimeError("this process is no worker")
    return _analyser


def main(connection: socket.socket) -> None:
    """Do jobs one by one until the other end is closed. Leaves the process."""
    channel = Channel(connection)
    try:
        _, value = channel.receive()
        settings = TypeAdapter(WorkerSettings).validate_python(value)
        memory = _Memory()  # before the files are closed
        _initialise(settings)
        missing = _confine(settings, connection)
    except Exception as error:  # noqa: BLE001 - told to the one who can do something about it
        channel.send(encode(FAILED, f"{type(error).__name__}: {error}"))
        return
    most = memory.held() + KEEPS
    channel.send(encode(READY, missing))
    orders = TypeAdapter(Order)
    while True:
        try:
            _, value = channel.receive()
        except EOFError:
            return
        channel.send(encode(TAKEN))
        answer = _do(orders.validate_python(value))
        if memory.held() > most:
            channel.send(encode(FULL))
        channel.send(answer)


class _Memory:
    """How much this process holds; opened while it may still open files, and before it is hidden from others."""

    def __init__(self) -> None:
        try:
            self._counts = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a system that does not tell
            self._counts = -1

    def held(self) -> int:
        """Bytes in memory now; 0 where the system does not tell."""
        if self._counts < 0:
            return 0
        return int(os.pread(self._counts, 128, 0).split()[1]) * resource.getpagesize()


def _initialise(settings: WorkerSettings) -> None:
    """Limit this process, open the models and read a blank picture, so that the first scan is as fast as the next."""
    global _analyser
    os.nice(NICE)
    confinement.limit(settings.memory)
    # Decoders and LiteRT, in C, write to standard error what they find in a file; that must not reach the log.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    for name in settings.jobs:
        import_module(name)
    from inference.analyser import Analyser

    budget.enforce()
    _analyser = Analyser.load(settings.models_dir, settings.backend)
    _analyser.warm_up()
    forget_files(settings.models_dir)


def forget_files(folder: Path) -> None:
    """Give back what is in memory of files below ``folder`` that are mapped to be read, where the system tells of them.

    LiteRT maps a model's file whole and computes on a packed copy: for a tenth of what a worker would hold there is no
    use any more. What is asked for again comes from the file.
    """
    if not _MAPS.exists():
        return
    kernel, below = ctypes.CDLL(None), f"{folder.resolve()}{os.sep}"
    for line in _MAPS.read_text("utf-8", "surrogateescape").splitlines():
        where, rights, *_, path = line.split(maxsplit=5)
        if rights.startswith("r--") and path.startswith(below):
            start, end = (int(address, 16) for address in where.split("-"))
            kernel.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONT_NEED)


def _confine(settings: WorkerSettings, connection: socket.socket) -> list[str]:
    """Give up all rights that no job needs, before the first byte of a stranger comes; returns what can't be given up.

    The thread that watches the other end is started once there are no more files, so that it has none either.
    """
    packages = {name.partition(".")[0] for name in (__name__, "reports", *settings.jobs)}
    folders = [Path(folder) for name in packages for folder in getattr(sys.modules.get(name), "__path__", ())]
    libraries = [Path(entry) for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
    standard = [Path(sys.base_prefix, "lib"), Path(sys.prefix, "lib")]
    confinement.drop_capabilities()
    files = confinement.close_files(
        [*folders, *libraries, *standard, settings.models_dir, *settings.readable], settings.scratch
    )
    threading.Thread(target=_leave_with, args=(connection,), daemon=True).start()
    kernel = confinement.close_kernel()
    return [missing for missing in (files, kernel) if missing]


def _leave_with(connection: socket.socket) -> None:
    """End this process when the one that it works for has ended, however that ended and whatever is running here."""
    poll = select.poll()
    poll.register(connection, 0)  # with no events asked for it tells of the other end's closing alone
    poll.poll()
    os._exit(1)


def _do(order: Order) -> list[bytes]:
    """Run a job with a limit on processor time, which holds even when nobody is left to watch the clock."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + order.seconds) + 2, resource.RLIM_INFINITY))
    try:
        job = TABLE[order.name]
        return encode(DONE, job(*job.takes.validate_python(order.arguments)))
    except PictureError as error:
        return encode(REFUSED, (error.reason, error.detail))
    except TooCostlyError:
        return encode(OUT_OF_TIME)
    except ValidationError:  # its text would quote the values
        return encode(FAILED, f"the arguments of {order.name} don't fit it")
    except Exception as error:  # noqa: BLE001 - a fault of ours, told to the one who asked
        return encode(FAILED, _without_values(error))


def _without_values(error: Exception) -> str:
    """Name an error and the lines of code that led to it; its own words may quote a file."""
    frames = traceback.extract_tb(error.__traceback__)[-_CODE_LINES:]
    lines = [f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}' for frame in frames]
    return "\n".join([type(error).__name__, *lines])
