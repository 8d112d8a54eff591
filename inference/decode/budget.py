"""What one picture may cost to decode. In a worker this is enforced by the kernel, whatever a decoder does.

A file of some hundred kilobytes can ask for minutes and for gigabytes. The clock counts processor time, so that a busy
machine refuses nothing that a quiet one reads.
"""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SECONDS: Final = 2.5
"""Processor seconds until decoding is broken off, as soon as Python has a say in it."""
LAST_SECONDS: Final = 3.0
"""Processor seconds until the process is ended, when a decoder in C does not come back."""
STUDY_SECONDS: Final = 20.0
"""The first of these for a container, with all that is unpacked, listed and decoded of it."""
MEMORY: Final = 264 << 20
"""Bytes of address space that decoding may take beyond what the process has: with a worker's own, under 400 MiB."""
OVER_BUDGET: Final = signal.SIGVTALRM
"""What ends a process that has used its last seconds."""


class TooCostlyError(Exception):
    """The picture may be sound, but takes too long to decode."""


class _Enforced:
    """Whether this process holds to the budget, and where it reads its size."""

    statistics: int | None = None
    ends: Final[list[float]] = []
    """When each budget is used up that is being spent, the outermost first, in processor seconds of this process."""


def enforce() -> None:
    """Hold to the budget in this process, which must be a worker, from now on; to be called in the main thread.

    Without /proc there is no limit on memory but the one of the process.
    """
    signal.signal(signal.SIGPROF, _break_off)
    signal.signal(OVER_BUDGET, signal.SIG_DFL)
    try:  # once, since a worker can't open it any more when its files are closed
        _Enforced.statistics = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        _Enforced.statistics = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def spending(seconds: float = SECONDS) -> Iterator[None]:
    """Decode within the budget, where it is enforced. Raises TooCostlyError and MemoryError, or ends the process.

    Within another budget this one is a part of it: neither time nor memory is given anew.
    """
    if _Enforced.statistics is None:
        yield
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    is_outermost = not _Enforced.ends
    if is_outermost and (taken := _size(_Enforced.statistics)):
        resource.setrlimit(resource.RLIMIT_AS, (min(taken + MEMORY, most), most))
    _Enforced.ends.append(time.process_time() + seconds)
    start_clock(left())
    try:
        yield
    finally:
        _Enforced.ends.pop()
        if is_outermost:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_VIRTUAL):
                signal.setitimer(timer, 0)
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        else:
            start_clock(left())


def left() -> float:
    """Processor seconds that are left of the budget; SECONDS where none is being spent."""
    return min(_Enforced.ends) - time.process_time() if _Enforced.ends else SECONDS


def charge(seconds: float) -> None:
    """Take what a child has used, whose time the kernel's clock of this process does not count."""
    if _Enforced.ends:
        _Enforced.ends[:] = [end - seconds for end in _Enforced.ends]
        start_clock(left())


def start_clock(seconds: float) -> None:
    """Start the clock anew; also in a child that was forked to decode: timers are not handed on, limits are."""
    if _Enforced.statistics is not None:
        seconds = max(seconds, 0.001)  # a timer of 0 never rings
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds + LAST_SECONDS - SECONDS)


def _break_off(_number: int, _frame: FrameType | None) -> None:
    raise TooCostlyError


def _size(statistics: int) -> int:
    """Bytes of address space of this process; 0 when the system does not tell."""
    pages = os.pread(statistics, 64, 0).split()
    return int(pages[0]) * resource.getpagesize() if pages else 0
