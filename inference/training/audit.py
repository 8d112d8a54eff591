"""Is the data fit to learn from and to be measured on? Checks before a training, and the audit for near-duplicates.

Two pictures are near-duplicates when their perceptual hashes (the signs of the 63 lowest cosine coefficients, Zauner
2010) differ in at most 2 bits and their pixels correlate above 0.98, as they are, mirrored or turned by quarters.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.training.data import DataError, Example, read_picture
from inference.training.recipes import Recipe

MOST_BITS = 2
LEAST_CORRELATION = 0.98
THUMBNAIL = 32
WAYS = ("as it is", "turned by 90", "turned by 180", "turned by 270")
Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of different parts that are nearly the same."""

    one: Example
    other: Example
    way: str
    """What was done to ``one`` to make it look like ``other``."""
    correlation: float


def check(recipe: Recipe, examples: Sequence[Example]) -> None:
    """Raise DataError naming the file or class of the first thing that would spoil a training.

    A picture that is missing, broken or listed twice, or the same file under two labels or in two parts; a label that
    is no class; a mask that is missing, broken, empty or of another size; a class with fewer than two pictures to learn
    from, or with none to choose the model by.
    """
    seen: dict[Path, str] = {}
    for example in examples:
        if example.label not in recipe.class_names:
            raise DataError(f"{example.path}: {example.label!r} is no class of {recipe.name}")
        if example.path in seen:
            raise DataError(f"{example.path} is listed twice, as {seen[example.path]} and as {example.label}")
        seen[example.path] = example.label
    for name in recipe.class_names:
        for part, least in (("train", 2), ("val", 1)):
            count = sum(e.label == name and e.part == part for e in examples)
            if count < least:
                raise DataError(f"{recipe.name}: {count} picture(s) of {name} in {part}, at least {least} are needed")
    known: dict[bytes, Example] = {}
    for example in examples:
        picture = read_picture(example.path)
        first = known.setdefault(sha256(example.path.read_bytes()).digest(), example)
        if (first.label, first.part) != (example.label, example.part):
            raise DataError(
                f"{first.path} ({first.label}, {first.part}) and {example.path} ({example.label}, {example.part}) are "
                "the same picture"
            )
        if example.mask:
            mask = read_picture(example.mask)
            if mask.shape != picture.shape:
                sizes = " and ".join(f"{p.shape[1]} x {p.shape[0]}" for p in (picture, mask))
                raise DataError(f"{example.mask} is no mask of {example.path}: they are {sizes} pixels large")
            if mask.max() <= 96:
                raise DataError(f"{example.mask} is empty: leave the mask out where nothing is outlined")


def leaks(examples: Sequence[Example]) -> list[str]:
    """What lies on two sides of the split: groups (people, fields) as lines to read; none when all is well."""
    sides: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        sides[example.group][example.part] += 1
    return [
        f"group {group}: " + ", ".join(f"{count} in {part}" for part, count in sorted(parts.items()))
        for group, parts in sorted(sides.items())
        if len(parts) > 1
    ]


def near_duplicates(examples: Sequence[Example], progress: Callable[[], None] | None = None) -> list[Pair]:
    """Find every pair of near-duplicates in two different parts, also mirrored and turned by quarters."""
    pixels = np.stack([_seen(thumbnail(example.path), progress) for example in examples])
    parts = np.array([example.part for example in examples])
    plain = hashes(pixels)
    found: dict[tuple[int, int], Pair] = {}
    for way, varied in views(pixels):
        turned = hashes(varied)
        for i in range(len(examples)):
            near = np.bitwise_count(plain ^ turned[i]) <= MOST_BITS
            for j in np.flatnonzero(near & (parts != parts[i])).tolist():
                key = (min(i, j), max(i, j))
                alike = float(np.corrcoef(varied[i].ravel(), pixels[j].ravel())[0, 1])
                if alike > LEAST_CORRELATION and (key not in found or alike > found[key].correlation):
                    found[key] = Pair(examples[i], examples[j], way, alike)
    return list(found.values())


def thumbnail(path: Path) -> Grey:
    """The picture's grey levels at 32 x 32, whatever its shape. Raises DataError naming the file."""
    grey = Image.fromarray(read_picture(path)).convert("L")
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float32)


def hashes(pixels: Grey) -> NDArray[np.uint64]:
    """Perceptual hash of each of [N, 32, 32]: 63 bits, one a low cosine coefficient above the median of its picture."""
    angle = np.pi * (np.arange(THUMBNAIL) + 0.5) * np.arange(8)[:, None] / THUMBNAIL
    waves = np.cos(angle)
    low = np.einsum("ui,nij,vj->nuv", waves, pixels.astype(np.float64), waves).reshape(len(pixels), 64)[:, 1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.asarray((bits.astype(np.uint64) << np.arange(63, dtype=np.uint64)).sum(1, dtype=np.uint64))


def views(pixels: Grey) -> Iterator[tuple[str, Grey]]:
    """The eight ways to lay a square: four quarter turns, each also mirrored."""
    for mirrored in (False, True):
        base = pixels[:, :, ::-1] if mirrored else pixels
        for quarter, way in enumerate(WAYS):
            name = way if not mirrored else ("mirrored" if quarter == 0 else f"mirrored and {way}")
            yield name, np.ascontiguousarray(np.rot90(base, quarter, axes=(1, 2)))


def fingerprint(examples: Sequence[Example]) -> str:
    """SHA-256 (hex) of what is learned from: every training picture's bytes with its label, in the order of names."""
    digest = sha256()
    for example in sorted((e for e in examples if e.part == "train"), key=lambda e: str(e.path)):
        digest.update(f"{example.path.name} {example.label} ".encode())
        digest.update(sha256(example.path.read_bytes()).digest())
    return digest.hexdigest()


def _seen(pixels: Grey, progress: Callable[[], None] | None) -> Grey:
    if progress:
        progress()
    return pixels
