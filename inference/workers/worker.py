"""What runs inside a worker process: its limits, its models, its jobs. ``inference.workers.supervisor`` starts it."""

import os
import resource
import threading
from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from inference.analysis import Analysis
from inference.backends import BackendName

if TYPE_CHECKING:
    from inference.analyser import Analyser

T = TypeVar("T")


class WorkerSettings(NamedTuple):
    """What a worker needs to know; ``memory`` is in bytes of address space."""

    models_dir: Path
    backend: BackendName
    memory: int


NICE: Final = 5
"""How far a worker stands back (see nice(2)): who types is answered first, also when all processors read pictures."""

_analyser: "Analyser | None" = None


def initialise(settings: WorkerSettings) -> None:
    """Limit this process, open the models and read a blank picture, so that the first scan is as fast as the next."""
    global _analyser
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold people's pictures
    resource.setrlimit(resource.RLIMIT_AS, (settings.memory, settings.memory))
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    from inference.analyser import Analyser

    # Decoders and LiteRT, in C, write to standard error what they find in a file; that must not reach the log.
    standard_error = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        _analyser = Analyser.load(settings.models_dir, settings.backend)
        _analyser.warm_up()
    except Exception:
        os.dup2(standard_error, 2)  # Pebble prints why there is no worker
        raise
    finally:
        os.close(standard_error)


def _leave_with_parent() -> None:
    """End this process when the one that it works for has ended, however that ended and whatever is running here."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def limited(function: Callable[..., T], args: Sequence[object], seconds: float) -> T:
    """Run a job with a limit on processor time, which holds even when nobody is left to watch the clock."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 2, resource.RLIM_INFINITY))
    return function(*args)


def analyse(data: bytes, hint: str | None, *, bare_map: bool = True) -> Analysis:
    """Read one picture with the models of this worker. Raises PictureError."""
    if _analyser is None:
        raise RuntimeError("this process is no worker")
    return _analyser.analyse(data, hint, bare_map=bare_map)
