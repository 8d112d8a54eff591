"""Is the data fit to learn from and to be measured on? Checks before a training, and the audit for near-duplicates.

Two pictures are near-duplicates when their thumbnails correlate above 0.96 and what is left of these without their
local mean above 0.83, as they are, mirrored or turned by quarters. On the sets here nothing lies between 0.82 and 0.84:
above are copies, neighbouring slices and second visits of one person, below are people who only look alike.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.training.data.example import DataError, Example, read_picture
from inference.training.recipes import Recipe

Grey = NDArray[np.float32]
LEAST_COARSE, LEAST_DETAIL = 0.96, 0.83
THUMBNAIL, COARSE = 64, 32
CHUNK = 2048
"""Pictures compared at once: bounds the memory."""


VIEWS = tuple((mirrored, quarters) for mirrored in (False, True) for quarters in range(4))
"""The eight ways to lay a square: whether it is mirrored, and by how many quarters it is turned."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of different parts that are nearly the same."""

    one: Example
    other: Example
    way: str
    """What was done to ``other`` to make it look like ``one``."""
    correlation: float
    """Of the thumbnails."""
    detail: float
    """Of the thumbnails without their local mean."""


def check(recipe: Recipe, examples: Sequence[Example]) -> None:
    """Raise DataError naming the file or class of the first thing that would spoil a training.

    A picture that is missing, broken or listed twice, or the same file under two labels or in two parts; a label that
    is no class; a mask that is missing, broken, empty or of another size; a group (person, field) on two sides; a
    class with fewer than two groups to learn from, or without any picture to choose the model by.
    """
    _check_rows(recipe, examples)
    _check_groups(recipe, examples)
    known: dict[bytes, Example] = {}
    for example in examples:
        picture = read_picture(example.path, example.where)
        first = known.setdefault(sha256(example.path.read_bytes()).digest(), example)
        if (first.label, first.part) != (example.label, example.part):
            raise DataError(
                f"{first.path} ({first.label}, {first.part}) and {example.path} ({example.label}, {example.part}) are "
                "the same picture"
            )
        if example.mask:
            _check_mask(read_picture(example.mask), picture, example)


def _check_rows(recipe: Recipe, examples: Sequence[Example]) -> None:
    seen: dict[Path, str] = {}
    for example in examples:
        if example.label not in recipe.class_names:
            raise DataError(f"{example.where}: {example.label!r} is no class of {recipe.name}")
        if example.path in seen:
            raise DataError(f"{example.where} is listed twice, as {seen[example.path]} and as {example.label}")
        seen[example.path] = example.label


def _check_groups(recipe: Recipe, examples: Sequence[Example]) -> None:
    for name in recipe.class_names:
        for part, least in (("train", 2), ("val", 1)):
            groups = {e.group: e for e in examples if e.label == name and e.part == part}
            if len(groups) < least:
                of = f", {next(iter(groups.values())).where}," if groups else ""
                raise DataError(
                    f"{recipe.name}: {len(groups)} group(s) of {name} in {part}{of} and at least {least} are needed"
                )
    sides: dict[str, Example] = {}
    for example in examples:
        first = sides.setdefault(example.group, example)
        if first.part != example.part:
            raise DataError(
                f"group {example.group} is on two sides: {first.where} in {first.part}, {example.where} in "
                f"{example.part}"
            )


def _check_mask(mask: NDArray[np.uint8], picture: NDArray[np.uint8], example: Example) -> None:
    if mask.shape != picture.shape:
        sizes = " and ".join(f"{p.shape[1]} x {p.shape[0]}" for p in (picture, mask))
        raise DataError(f"{example.mask} is no mask of {example.where}: they are {sizes} pixels large")
    if mask.max() <= 96:
        raise DataError(
            f"{example.mask}, the mask of {example.where}, is empty: leave it out where nothing is outlined"
        )


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
    """Find every pair of near-duplicates in two different parts, also mirrored and turned by quarters.

    One matrix product a view over ``COARSE`` thumbnails names the candidates; the few that there are get a closer look.
    """
    pixels = np.stack([_seen(thumbnail(example.path), progress) for example in examples])
    coarse = pixels.reshape(len(pixels), COARSE, THUMBNAIL // COARSE, COARSE, THUMBNAIL // COARSE).mean((2, 4))
    parts = np.array([example.part for example in examples])
    found: dict[tuple[int, int], Pair] = {}
    names = sorted(set(parts.tolist()), key=lambda name: -int((parts == name).sum()))
    for k, name in enumerate(names):
        # The smaller side is turned: each pair of parts is looked at once.
        here, there = np.flatnonzero(parts == name), np.flatnonzero(np.isin(parts, names[k + 1 :]))
        known = standard(coarse[here])
        for view in VIEWS if len(there) else ():
            looked_for = standard(np.stack([turned(coarse[j], view) for j in there])).T
            for start in range(0, len(here), CHUNK):
                alike = known[start : start + CHUNK] @ looked_for
                for row, column in np.argwhere(alike > LEAST_COARSE):
                    i, j = int(here[start + row]), int(there[column])
                    pair = np.stack([details(pixels[i]), details(turned(pixels[j], view))])
                    fine = float(np.prod(standard(pair), 0).sum())
                    if fine > LEAST_DETAIL and ((i, j) not in found or fine > found[i, j].detail):
                        found[i, j] = Pair(examples[i], examples[j], named(view), float(alike[row, column]), fine)
    return list(found.values())


def thumbnail(path: Path) -> Grey:
    """The picture's grey levels at 64 x 64, whatever its shape. Raises DataError naming the file."""
    grey = Image.fromarray(read_picture(path)).convert("L")
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float32)


def standard(pixels: Grey) -> Grey:
    """Each of [N, h, w] as a vector [N, h * w] of mean 0 and length 1: products of two are correlations."""
    flat = pixels.reshape(len(pixels), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3), np.float32)


def turned(pixels: Grey, view: tuple[bool, int]) -> Grey:
    """[h, w] laid in one of ``VIEWS``."""
    mirrored, quarters = view
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, quarters))


def named(view: tuple[bool, int]) -> str:
    """What was done, in words."""
    mirrored, quarters = view
    words = ["mirrored"] * mirrored + [f"turned by {90 * quarters}"] * bool(quarters)
    return " and ".join(words) or "as it is"


def details(pixels: Grey) -> Grey:
    """What is left of a thumbnail without its mean over 9 x 9 pixels: what two heads or two pages do not share."""
    image = Image.fromarray(pixels.astype(np.uint8))
    return pixels - np.asarray(image.filter(ImageFilter.BoxBlur(4)), np.float32)


def keep(runs: Path, recipe: Recipe, examples: Sequence[Example], pairs: Sequence[Pair]) -> None:
    """Note in ``runs`` what an audit found, for the card."""
    found = {
        "pictures": len(examples),
        "near_duplicates": len(pairs),
        "groups_on_two_sides": len(leaks(examples)),
        "data_sha256": fingerprint(examples),
    }
    runs.mkdir(parents=True, exist_ok=True)
    (runs / f"audit-{recipe.name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def kept(runs: Path, recipe: Recipe, examples: Sequence[Example]) -> dict[str, Any] | None:
    """What the last audit found; None before one, or when the data are no longer those that it looked at."""
    path = runs / f"audit-{recipe.name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    same = found["pictures"] == len(examples) and found["data_sha256"] == fingerprint(examples)
    return found if same else None


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
