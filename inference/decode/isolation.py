"""Decoders that may end the whole process on a damaged file run in a short-lived copy of it."""

import faulthandler
import io
import os
import signal
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.decode import budget

_NO_MEMORY, _TOO_COSTLY = 2, 3
TIMEOUT: Final = 10
"""Seconds until a decoder that does not come back is ended."""


def run_isolated(decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Run ``decode`` in a forked child, under the same limits, and hand over its array.

    A child costs some ten milliseconds. Raises ValueError when it raised, crashed or took too long, MemoryError when it
    had too little of that, and TooCostlyError when it used up its budget.
    """
    reading, writing = os.pipe()
    seconds = budget.left()
    child = os.fork()
    if child == 0:
        _run_and_leave(decode, writing, seconds)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a file descriptor, not a path
        data = pipe.read()
    _, status, used = os.wait4(child, 0)
    budget.charge(used.ru_utime + used.ru_stime)
    if os.waitstatus_to_exitcode(status) in (_TOO_COSTLY, -budget.OVER_BUDGET):
        raise budget.TooCostlyError
    if os.waitstatus_to_exitcode(status) == _NO_MEMORY:
        raise MemoryError
    if status != 0:
        raise ValueError("the decoder did not finish")
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _run_and_leave(decode: Callable[[], NDArray[Any]], writing: int, seconds: float) -> None:
    """Never return: nothing of the parent's clean-up may run twice."""
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(TIMEOUT)
        budget.start_clock(seconds)
        faulthandler.disable()  # a crash here is an answer, not a fault to report
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with open(writing, "wb") as pipe:
            buffer = io.BytesIO()
            np.save(buffer, decode(), allow_pickle=False)
            pipe.write(buffer.getbuffer())
        status = 0
    except MemoryError:
        status = _NO_MEMORY
    except budget.TooCostlyError:
        status = _TOO_COSTLY
    finally:
        os._exit(status)
