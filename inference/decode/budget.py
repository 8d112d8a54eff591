"""What one picture may cost to decode. In a worker this is enforced by the kernel, whatever a decoder does.

A file of some hundred kilobytes can ask for minutes and for gigabytes. The clock counts processor time, so that a busy
machine refuses nothing that a quiet one reads.
"""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SECONDS: Final = 2.5
"""Processor seconds until decoding is broken off, as soon as Python has a say in it."""
LAST_SECONDS: Final = 3.0
"""Processor seconds until the process is ended, when a decoder in C does not come back."""
MEMORY: Final = 264 << 20
"""Bytes of address space that decoding may take beyond what the process has: with a worker's own, under 400 MiB."""
OVER_BUDGET: Final = signal.SIGVTALRM
"""What ends a process that has used its last seconds."""


class TooCostlyError(Exception):
    """The picture may be sound, but takes too long to decode."""


class _Enforced:
    """Whether this process holds to the budget, and where it reads its size."""

    statistics: int | None = None


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
def spending() -> Iterator[None]:
    """Decode within the budget, where it is enforced. Raises TooCostlyError and MemoryError, or ends the process."""
    if _Enforced.statistics is None:
        yield
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if taken := _size(_Enforced.statistics):
        resource.setrlimit(resource.RLIMIT_AS, (min(taken + MEMORY, most), most))
    start_clock()
    try:
        yield
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_VIRTUAL):
            signal.setitimer(timer, 0)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def start_clock() -> None:
    """Start the clock anew, in a child that was forked to decode: timers are not handed on, limits are."""
    if _Enforced.statistics is not None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_VIRTUAL, LAST_SECONDS)


def _break_off(_number: int, _frame: FrameType | None) -> None:
    raise TooCostlyError


def _size(statistics: int) -> int:
    """Bytes of address space of this process; 0 when the system does not tell."""
    pages = os.pread(statistics, 64, 0).split()
    return int(pages[0]) * resource.getpagesize() if pages else 0
