"""Hears cries for help in words that no rule lists: a linear classifier over pieces of words, fitted to lists of cries.

A third ear, asked when ``red_flags.py`` and ``cries.py`` have heard nothing. Each sentence is judged alone: by the
pieces of two to five letters of its words, the words, and pairs of words, hashed into ``2 ** BITS`` places (Weinberger
et al. 2009). ``python -m tests.cry_fitting`` fits the weights, and prints how much is heard of sentences that took no
part.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.knowledge.cries import KINDS, Kind, asks, is_aside, sentences

WEIGHTS = Path(__file__).parent / "cries" / "weights.npz"
BITS = 17
LETTERS = (2, 3, 4, 5)
LEAST = 1.0
"""Log odds (cries and other sentences counting alike in the fit) from which a sentence is taken for a cry."""
FEWEST_WORDS = 2
"""One word alone, such as a name, is left to the rules."""
LONGEST_WORD = 30


def likely(text: str) -> Kind | None:
    """The kind of cry that ``text`` most likely holds, or None; self-harm before all else."""
    found = {kind for words in sentences(text) if len(words) >= FEWEST_WORDS and (kind := _kind(words))}
    return next((kind for kind in KINDS if kind in found), None)


def _kind(words: Sequence[str]) -> Kind | None:
    odds = dict(zip(KINDS, score(words), strict=True))
    if max(odds.values()) < LEAST or is_aside(words):
        return None
    if odds["self_harm"] >= LEAST:
        return "self_harm"
    return None if asks(words) else "emergency"


def score(words: Sequence[str]) -> Sequence[float]:
    """Log odds of each of ``KINDS`` for one sentence."""
    weights, scale, bias = _weights()
    where = places(words)
    sums = weights[:, where].sum(axis=1, dtype=np.float64) / math.sqrt(max(len(where), 1))
    return [float(value) for value in sums * scale + bias]


def places(words: Sequence[str]) -> list[int]:
    """Where a sentence's features lie, each once, in order."""
    mask = (1 << BITS) - 1
    return sorted({zlib.crc32(feature.encode("utf-8", "replace")) & mask for feature in _features(words)})


def _features(words: Sequence[str]) -> Iterable[str]:
    short = [word[:LONGEST_WORD] for word in words]
    for word in short:
        yield f"w{word}"
        edged = f" {word} "
        for length in LETTERS:
            for start in range(len(edged) - length + 1):
                yield f"c{edged[start : start + length]}"
    for distance in (1, 2):
        for first, second in zip(short, short[distance:], strict=False):
            yield f"{distance}{first} {second}"


@cache
def _weights() -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]:
    """Weights [KINDS, 2 ** BITS] in steps of ``scale`` [KINDS], and the bias [KINDS]."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return file["weights"], file["scale"], file["bias"]
