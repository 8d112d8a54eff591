"""Jobs that misbehave, for the tests of what workers withstand; and some that only say where they run."""

import os
import pickle
import resource
import signal
import stat
import time
from dataclasses import replace
from pathlib import Path

from inference.analysis import Analysis, PictureError, PictureWords
from inference.workers.job_table import analyse, job, read_picture

MODULES = (__name__,)


@job
def process_id() -> int:
    return os.getpid()


@job
def parent_id() -> int:
    return os.getppid()


@job
def size(data: bytes) -> int:
    return len(data)


@job
def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


@job
def die(how: int) -> None:
    os.kill(os.getpid(), how)


@job
def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@job
def hang(told: Path | None) -> None:
    if told is not None:
        told.write_text("running")  # a named pipe: returns when somebody reads
    while True:
        signal.pause()


@job
def wait_for(told: Path, go: Path) -> int:
    told.write_text("running")
    go.read_text()
    return os.getpid()


@job
def tell_and_wait(told: Path) -> str:
    """Say which process this is; the first time, wait to be killed, and the second time be done."""
    first = not told.with_suffix(".first").exists()
    told.with_suffix(".first").touch()
    told.write_text(str(os.getpid()))  # a named pipe: returns when somebody reads
    while first:
        signal.pause()
    return "done"


@job
def open_within(data: bytes, seconds: float) -> int:
    """Open a container with so many seconds for all of it; how many slices it has."""
    from inference.decode import budget
    from inference.study.opening import holds_several, open_study

    budget.STUDY_SECONDS = seconds  # type: ignore[misc]
    return len(open_study(data).slices) if holds_several(data) else 0


@job
def leave_a_child() -> int:
    """Start a process that holds nothing of this one and never ends by itself; which one it is."""
    child = os.fork()
    if child == 0:
        os.closerange(0, 64)
        while True:
            signal.pause()
    return child


@job
def answer_with_much(text: int, blob: int) -> tuple[str, bytes]:
    return "x" * text, bytes(blob)


@job
def fail() -> None:
    raise LookupError("the words of a hostile file")


@job
def fail_with_a_timeout() -> None:
    raise TimeoutError("a server did not answer")


@job
def eat(gigabytes: int) -> int:
    return len(bytearray(gigabytes << 30))


_kept: list[bytes] = []


@job
def keep(mebibytes: int) -> int:
    """Hold so much from now on, as libraries and heaps do; which worker it is."""
    _kept.append(os.urandom(mebibytes << 20))
    return os.getpid()


@job
def use(mebibytes: int) -> int:
    """Hold so much for a moment; which worker it is."""
    os.urandom(mebibytes << 20)
    return os.getpid()


@job
def limits() -> dict[str, int]:
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU")}


@job
def environment() -> dict[str, str]:
    return dict(os.environ)


class _Boobytrap:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.marker,)


@job
def answer_with_a_pickle(marker: str) -> None:
    """Send what makes a folder where it is unpickled, to whoever listens."""
    for number in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, pickle.dumps(_Boobytrap(marker)) * 2)
        except OSError:
            continue


@job
def answer_with_something_else() -> bytes:
    return 5  # type: ignore[return-value]


@job
def answer_falsely(data: bytes, words: PictureWords) -> tuple[Analysis, bytes | None]:
    """As ``analyse_for_chat``, of an organ that no model here reads."""
    analysis = analyse(data, None, bare_map=False)
    return replace(analysis, organ="Quixotria"), words.sent.encode()


@job
def write_to_standard_error() -> None:
    os.write(2, b"SECRET of a decoder\n")


@job
def spin_deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


@job
def when(number: int) -> tuple[int, int, float]:
    return number, os.getpid(), time.monotonic()


@job
def sleep_a_little() -> None:
    time.sleep(0.8)


@job
def usage() -> tuple[float, float, int, int, int]:
    """Processor seconds of this worker and of its children, the most memory of either (MiB), and which worker it is."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime)
    return *seconds, own.ru_maxrss >> 10, children.ru_maxrss >> 10, os.getpid()


@job
def spent_on(data: bytes, seconds: float | None) -> tuple[str, float, float, int]:
    """Read a picture, or open a container within ``seconds``; how that ended, and what it cost.

    That is processor seconds of this worker and of its children, and the most memory that either has ever had (MiB).
    Told by the job itself: a worker that holds much in the end, or was too slow, is gone when the next one asks.
    """
    from inference.decode.budget import TooCostlyError

    before = usage()
    try:
        read_picture(data, None) if seconds is None else open_within(data, seconds)
        ending = "read"
    except PictureError as error:
        ending = error.reason
    except (TooCostlyError, MemoryError):
        ending = "too costly"
    after = usage()
    return ending, after[0] - before[0], after[1] - before[1], max(after[2], after[3])
