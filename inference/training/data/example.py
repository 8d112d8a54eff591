"""One labelled picture as the readers of all sets give it, and what they share: indices, pictures, stable splits."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CT_AMONG_MRI = frozenset(
    f"{number:05}.jpg"
    for number in (
        *(14, 118, 485, 506, 544, 1023, 1093, 1144, 1145, 1357, 1545, 1795, 1840),
        *(2590, 3102, 3125, 3283, 3566, 3610, 3722, 3886),
    )
)
"""CT slices in the web sets of "MRI", found by eye among what a first gate refused: neither the gate nor the brain
model is taught or measured on them."""
KNOWN_FROM_TRAINING = frozenset(
    (
        *(f"ptbp_children:ptbp_ilist{number}" for number in (22, 23, 39, 44, 56)),
        *(f"images/{number:05}.jpg" for number in (12, 32, 134, 717, 904)),
    )
)
"""Groups of val and test whose twin lies in the training part, as ``data --audit`` found: second visits of five
children, and five other pictures that are nearly one of the training. Nothing is chosen by or measured on them."""
LEFT_OUT, EXTRA_TEST = "left_out", "extra_test"
"""Parts of pictures from places that no training sees: to choose on, and to report on."""


class DataError(Exception):
    """A data file is missing or broken; the message names it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture."""

    path: Path
    label: str
    part: str
    """train, val or test; ``LEFT_OUT`` or ``EXTRA_TEST`` for whole places that no training sees."""
    source: str
    group: str
    """Examples of one group (person, field, near-duplicates) lie in one part."""
    weight: float = 1.0
    mask: Path | None = None
    detail: str = ""
    """Sequence, slide or kind: what figures are broken down by."""
    slide: str = ""
    """Where pictures of one slide or laboratory are alike: which one it is."""
    scale_bar: bool = False
    """Whether a scale bar is burned into the lower right corner, whose look tells the class."""
    plane: str = ""
    finding: str = ""
    """The diagnosis in the source's own words."""
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    """(left, top, right, bottom) in pixels where a source gives boxes instead of an outline."""
    row: int | None = None
    """The line of the index that names the picture."""

    @property
    def domain(self) -> str:
        """Which pictures are alike and left out as a whole: the slide or laboratory, else the source."""
        return self.slide or self.source

    @property
    def where(self) -> str:
        """The picture's file and the line that names it, for messages."""
        return f"{self.path} (row {self.row} of its index)" if self.row else str(self.path)


def read_index(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of an index file. Raises DataError when it is missing or lacks a column."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    missing = set(columns) - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(sorted(missing))}, or has no rows")
    return rows


def read_picture(path: Path, where: str = "") -> NDArray[np.uint8]:
    """Decode to uint8 H x W x 3, RGB. Raises DataError naming the file (as ``where``)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{where or path} cannot be read as a picture: {error}") from None


def stable_share(key: str) -> float:
    """A number in [0, 1) that depends on ``key`` alone: stable splits without a stored list."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48
