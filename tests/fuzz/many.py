"""Many changed files in one go inside a confined worker: opened as the bot opens them, without the models' answer.

Reading one file through the models costs a hundred times what opening it does, and what is damaged never gets there.
"""

import random
import resource
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from inference.analysis import PictureError, Reason
from inference.decode.budget import LAST_SECONDS, TooCostlyError
from inference.decode.imaging import decode
from inference.study.opening import holds_several, open_study
from inference.workers.job_table import job
from tests.fuzz import corpus
from tests.fuzz.mutator import mutated

MODULE = __name__
MOST_SECONDS = LAST_SECONDS + 0.5
"""Of a processor for one file: what the kernel ends it after, and how late it may be."""
MOST_MEMORY = 400
"""MiB that this worker may ever have had."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of a row of files."""

    answers: dict[str, int]
    found: list[tuple[int, str]]
    """The number of a file with no known answer, or over a limit, and what was wrong."""


@cache
def small_files(kind: str) -> tuple[bytes, ...]:
    """The seeds of a kind, small, so that a change is likelier to hit what decides."""
    return tuple(corpus.SMALL[kind]())


def changed_file(files: Sequence[bytes], seed: str, number: int) -> bytes:
    """One file of a row; the same for the same seed."""
    rng = random.Random(f"{seed} {number}")
    return mutated(rng.choice(files), rng, files)


@job
def open_many(kind: str, seed: str, first: int, count: int) -> Fed:
    """Open the files ``first`` to ``first + count`` of a row, and tell how each was answered."""
    answers: Counter[str] = Counter()
    found = []
    for number in range(first, first + count):
        used = _used()
        try:
            answer = _open(changed_file(small_files(kind), seed, number))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            answer = "FOUND"
            found.append((number, _told(error)))
        if (seconds := _used() - used) > MOST_SECONDS:
            found.append((number, f"{seconds:.1f} s of a processor"))
        answers[answer] += 1
    if (most := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) > MOST_MEMORY:
        found.append((first + count - 1, f"{most} MiB by the end of this row"))
    return Fed(dict(answers), found)


def _open(data: bytes) -> str:
    try:
        if holds_several(data):
            return f"{len(open_study(data).slices)} slices" if data else ""
        decode(data)
    except PictureError as refusal:
        return f"refused: {Reason(refusal.reason).value}"
    except TooCostlyError:
        return "out of time"
    return "a picture"


def _used() -> float:
    return time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def _told(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {last.filename}:{last.lineno}: {str(error)[:300]}"
