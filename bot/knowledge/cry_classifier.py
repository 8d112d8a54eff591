"""Hears cries for help in words that no rule lists: a linear classifier over pieces of words, fitted to lists of cries.

A third detector, asked when ``red_flags.py`` and ``cries.py`` have heard nothing. Each sentence is judged alone: by the
pieces of two to five letters of its words, the words, and pairs of words, hashed into ``2 ** BITS`` places (Weinberger
et al. 2009). ``python -m tests.cry_fitting`` fits the weights, and prints how much is heard of sentences that took no
part.
"""

import json
import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bot.knowledge.cries import KINDS, Kind, asks, is_aside, sentences

WEIGHTS = Path(__file__).parent / "cries" / "weights.bin"
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
    where = places(words)
    length = math.sqrt(max(len(where), 1))
    return [one.bias + one.scale * sum(map(one.steps.__getitem__, where)) / length for one in _weights()]


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


@dataclass(frozen=True, slots=True)
class Weights:
    """Of one kind: 2 ** BITS whole numbers in steps of ``scale``, and the bias."""

    steps: "array[int]"
    scale: float
    bias: float


def packed(weights: Sequence[Weights]) -> bytes:
    """What ``weights.bin`` holds: scales and biases as a line of JSON, then all steps, packed by zlib.

    No NumPy: that would be ten megabytes more in a bot that needs it for nothing else.
    """
    head = json.dumps({"scale": [one.scale for one in weights], "bias": [one.bias for one in weights]})
    return head.encode() + b"\n" + zlib.compress(b"".join(one.steps.tobytes() for one in weights), 9)


def unpacked(data: bytes) -> tuple[Weights, ...]:
    """The weights of each of ``KINDS``. Raises ValueError when these are not as many as are told."""
    head, _, body = data.partition(b"\n")
    told, steps = json.loads(head), array("b", zlib.decompress(body))
    if not len(told["scale"]) == len(told["bias"]) == len(KINDS) or len(steps) != len(KINDS) << BITS:
        raise ValueError("weights of cries of another size")
    return tuple(
        Weights(steps[number << BITS : (number + 1) << BITS], scale, bias)
        for number, (scale, bias) in enumerate(zip(told["scale"], told["bias"], strict=True))
    )


@cache
def _weights() -> tuple[Weights, ...]:
    return unpacked(WEIGHTS.read_bytes())
