"""Many changed files in one go inside a confined worker: opened as the bot opens them, without the models' answer.

Reading one file through the models costs a hundred times what opening it does, and what is damaged never gets there. A
row of files is opened in a child of the worker, which does itself what the bot does in a child for each file: whatever
ends that child is tried again alone, as the bot does it.
"""

import os
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# Decoders are loaded once, before the worker closes its files, and not by every child anew.
import imagecodecs  # noqa: F401
import pi_heif  # noqa: F401
import pydicom  # noqa: F401
import pypdf  # noqa: F401
import tifffile  # noqa: F401
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode.budget import LAST_SECONDS, MEMORY, STUDY_SECONDS, TooCostlyError
from inference.decode.imaging import decode
from inference.decode.isolation import run_isolated
from inference.study.opening import holds_several, open_study
from inference.workers.job_table import job
from inference.workers.supervisor import OUT_OF_TIME_STATUSES
from tests.fuzz.mutator import mutated

MODULE = __name__
LATE = 0.5
"""Processor seconds that the kernel may be late by when it ends a decoder."""
MOST_GROWTH = (MEMORY >> 20) + 8
"""MiB that may come to what a process has at its start, the decoders among them."""
MOST_WAITING = 60
"""Seconds by the clock for one file, though no processor may be used: what is found so ends by a signal."""
OUT_OF_TIME = "out of time"
FOUND = "FOUND"


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of a row of files."""

    answers: dict[str, int]
    found: list[tuple[int, str]]
    """The number of a file with no known answer, or over a limit, and what was wrong."""


def changed_file(files: Sequence[bytes], seed: str, number: int) -> bytes:
    """One file of a row; the same for the same seed."""
    rng = random.Random(f"{seed} {number}")
    return mutated(rng.choice(files), rng, files)


@job
def open_many(files: list[bytes], seed: str, first: int, count: int) -> Fed:
    """Open ``files``, changed, with the numbers ``first`` to ``first + count``, and tell how each was answered."""
    answers: Counter[str] = Counter()
    found: list[tuple[int, str]] = []
    number, end = first, first + count
    while number < end:
        told, status = _row(files, seed, number, end)
        if number + len(told) < end and status not in OUT_OF_TIME_STATUSES:
            alone, status = _row(files, seed, number + len(told), number + len(told) + 1, alone=True)
            told += alone
        if number + len(told) < end and status in OUT_OF_TIME_STATUSES:  # ended at its last second, as it should be
            told.append((OUT_OF_TIME, ""))
        elif number + len(told) < end and status:
            told.append((FOUND, f"its process ended with status {status}"))
        for answer, fault in told:
            answers[answer] += 1
            found += [(number, fault)] if fault else []
            number += 1
    return Fed(dict(answers), found)


def _row(
    files: Sequence[bytes], seed: str, first: int, end: int, *, alone: bool = False
) -> tuple[list[tuple[str, str]], int]:
    """(answer, what is wrong with it) of each file until the child ended that opens them; and how that was.

    ``alone``: the child decodes in children of its own, as a worker of the bot does.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _open_and_leave(files, seed, range(first, end), writing, alone=alone)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as pipe:  # noqa: PTH123 - a file descriptor, not a path
        lines = pipe.read().split("\n")
    _, status = os.waitpid(child, 0)
    told = [(answer, fault) for answer, _, fault in (line.partition("\t") for line in lines[:-1])]
    return told, os.waitstatus_to_exitcode(status)


def _open_and_leave(files: Sequence[bytes], seed: str, numbers: range, writing: int, *, alone: bool) -> None:
    """Tell each file's answer in a line of its own; never return."""
    status = 1
    try:
        if not alone:
            for module in decoding_modules():
                module.run_isolated = _here
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        start = _size(resource.RUSAGE_SELF)
        with open(writing, "w", buffering=1, encoding="utf-8") as pipe:
            for number in numbers:
                signal.alarm(MOST_WAITING)
                answer, fault = _opened(files, seed, number)
                size = max(_size(resource.RUSAGE_SELF), _size(resource.RUSAGE_CHILDREN)) - start
                if size > MOST_GROWTH:
                    if not alone:  # files before it may be to blame
                        break
                    fault = f"{size} MiB more"
                pipe.write(f"{answer}\t{' '.join(fault.split())}\n")
        status = 0
    finally:
        os._exit(status)


def _size(whose: int) -> int:
    return resource.getrusage(whose).ru_maxrss >> 10


def decoding_modules() -> list[Any]:
    """The modules that decode in a child where a damaged file may end the process."""
    loaded = [module for module in sys.modules.values() if isinstance(module, ModuleType)]
    return [module for module in loaded if vars(module).get("run_isolated") is run_isolated]


def _here(decode_: Callable[[], NDArray[Any]], /) -> NDArray[Any]:
    """What comes of a decoder in a child, without the child."""
    try:
        return decode_()
    except (MemoryError, TooCostlyError):
        raise
    except BaseException:  # noqa: BLE001 - as the parent of a child that has failed: it knows nothing more
        raise ValueError("the decoder did not finish") from None


def _opened(files: Sequence[bytes], seed: str, number: int) -> tuple[str, str]:
    """The kind of answer, and what is wrong."""
    data = changed_file(files, seed, number)
    used, fault, most = _used(), "", LAST_SECONDS
    try:
        if holds_several(data):
            most = STUDY_SECONDS
            answer = f"{len(open_study(data).slices)} slices"
        else:
            decode(data)
            answer = "a picture"
    except PictureError as refusal:
        answer = f"refused: {Reason(refusal.reason).value}"
    except TooCostlyError:
        answer = OUT_OF_TIME
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        answer, fault = FOUND, _told(error)
    if (seconds := _used() - used) > most + LATE:
        fault = f"{seconds:.1f} s of a processor"
    return answer, fault


def _used() -> float:
    return time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def _told(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}: {str(error)[:300]}"
