"""The regular grid of a film sheet whose heads touch: its cells resemble their neighbours where they lie."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Top, bottom, left, right in a picture made small."""
LEAST_SIDE: Final = 20
"""Sides of a panel, in pixels of that picture."""
LEAST_CONTRAST: Final = 12.0
"""Grey levels by which what is no plain ground differs at least."""
_MOST_ROWS: Final = 9
_THUMB: Final = 24
"""Side of the small copies by which panels are compared."""
_SHARED: Final = 0.5
"""Correlation of neighbouring panels of a grid: that of any two heads is higher, that of parts of one is lower."""


def regular_grid(grey: Floats) -> list[Box]:
    """The finest regular grid over a grey picture (H x W) whose cells resemble their neighbours; empty if none is."""
    rough = grey[::2, ::2]
    rows, columns = (_repeats(np.ascontiguousarray(part)) for part in (rough, rough.T))
    best: list[Box] = []
    for down in rows:
        for across in columns:
            if down * across <= max(len(best), 3):  # two or three that touch can't be told from one
                continue
            cells = _cells(grey, down, across)
            if cells and _resemble(grey, cells, down, across):
                best = [box for row in cells for box in row if _is_lit(grey, box)]
    return best


def _repeats(grey: Floats) -> list[int]:
    """Into how many like parts a picture may be cut from top to bottom: 1, and as often as it repeats itself."""
    height = grey.shape[0]
    alike = _alike_when_moved(grey)
    counts = [1]
    for count in range(2, _MOST_ROWS + 1):
        pitch = height / count
        moved, between = round(pitch), round(pitch / 2)
        if between < 4:
            break
        once = alike(moved)
        if once > _SHARED / 2 and once > alike(between):
            counts.append(count)
    return counts


def _alike_when_moved(grey: Floats) -> Callable[[int], float]:
    """The correlation of a picture with itself moved down by so many rows, where both lie.

    Means and spreads of both come from sums of rows, so that each correlation is one product: every picture that is
    let in asks for up to sixteen.
    """
    level = grey - grey.mean()
    sums, squares = (
        np.concatenate([[0.0], np.cumsum(rows, dtype=np.float64)])
        for rows in (level.sum(1), np.einsum("ij,ij->i", level, level))
    )

    def alike(moved: int) -> float:
        one, other = level[moved:], level[:-moved]
        mean, other_mean = (sums[-1] - sums[moved]) / one.size, sums[-1 - moved] / one.size
        spread = (squares[-1] - squares[moved] - one.size * mean**2) * (squares[-1 - moved] - one.size * other_mean**2)
        size = math.sqrt(max(spread, 0.0))
        return (float(np.vdot(one, other)) - one.size * mean * other_mean) / size if size > 1e-3 else 0.0

    return alike


def _cells(grey: Floats, rows: int, columns: int) -> list[list[Box]]:
    height, width = grey.shape
    cell = width / columns / (height / rows)
    if min(height / rows, width / columns) < LEAST_SIDE or not 0.7 <= cell <= 1.45:
        return []
    ys, xs = (
        np.rint(np.linspace(0, height, rows + 1)).astype(int),
        np.rint(np.linspace(0, width, columns + 1)).astype(int),
    )
    return [[(int(ys[i]), int(ys[i + 1]), int(xs[j]), int(xs[j + 1])) for j in range(columns)] for i in range(rows)]


def _resemble(grey: Floats, cells: list[list[Box]], rows: int, columns: int) -> bool:
    """Whether neighbours in the grid look alike where they lie, and not as mirrored or inner halves of one head do."""
    thumbs = [[thumbnail(grey, box) for box in row] for row in cells]
    alike = [correlation(thumbs[i][j], thumbs[i][j + 1]) for i in range(rows) for j in range(columns - 1)]
    alike += [correlation(thumbs[i][j], thumbs[i + 1][j]) for i in range(rows - 1) for j in range(columns)]
    return float(np.median(alike)) > _SHARED and float(np.mean(np.array(alike) > 0.25)) > 0.75


def _is_lit(grey: Floats, box: Box) -> bool:
    part = grey[box[0] : box[1], box[2] : box[3]]
    return float(np.percentile(part, 90)) > float(np.percentile(grey, 1)) + 2 * LEAST_CONTRAST


def thumbnail(grey: Floats, box: Box) -> Floats:
    """What lies in a box, made small and square to be compared with others."""
    part = Image.fromarray(grey[box[0] : box[1], box[2] : box[3]])
    return np.asarray(part.resize((_THUMB, _THUMB), Image.Resampling.BOX), np.float32)


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's correlation of two pictures of one size; 0 where one of them is plain."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.vdot(one, one) * np.vdot(other, other)))
    return float(np.vdot(one, other)) / size if size > 1e-3 else 0.0
