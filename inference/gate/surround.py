"""Pictures that lie in much black: a slice in a corner or between wide bars, the round field of an eyepiece."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
_BLACK: Final = 28
"""Grey level up to which a pixel may belong to the surround, noise and the traces of JPEG included."""
_LIT_LINE: Final = 0.01
"""Share of a row or column that must be lit for it to count: small print does not."""
_MOST_FILLED: Final = 0.6
"""Share of the picture from which on there is no surround to speak of."""
_RIM: Final = 0.03
"""Black that is left around a slice, as a share of its longer side: slices come with some."""
_COLOURED: Final = 20.0
"""Levels between the channels of what is stained, on average."""
_FIELD: Final = 0.97
"""Share of a round field's inner square that must be lit."""


def without_surround(rgb: Rgb) -> Rgb | None:
    """What lies within black (H x W x 3), the black left out; None where there is not much of it, or nothing else.

    Of a round field in colour it is the largest square within it.
    """
    lit = rgb.max(2) > _BLACK
    rows, columns = (np.flatnonzero(lit.mean(axis) > _LIT_LINE) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    inner = lit[top:bottom, left:right]
    if _is_round(inner):
        part = rgb[top:bottom, left:right]
        height, width = (round(side * (1 - 0.5**0.5) / 2) for side in inner.shape)
        square = part[height : part.shape[0] - height, width : part.shape[1] - width]
        spread = square.max(2).astype(np.int16) - square.min(2)
        if spread.mean() > _COLOURED:
            return np.ascontiguousarray(square)
    if (bottom - top) * (right - left) > _MOST_FILLED * lit.size:
        return None
    rim = round(_RIM * max(bottom - top, right - left))
    return np.ascontiguousarray(rgb[max(0, top - rim) : bottom + rim, max(0, left - rim) : right + rim])


def _is_round(lit: NDArray[np.bool_]) -> bool:
    """Whether what is lit is a disc that touches all sides of its box."""
    height, width = lit.shape
    if not 0.9 < width / height < 1.1:
        return False
    corner = max(2, min(height, width) // 12)
    corners = (lit[y, x] for y in (slice(corner), slice(-corner, None)) for x in (slice(corner), slice(-corner, None)))
    if any(part.any() for part in corners):
        return False
    down, across = (round(side * (1 - 0.5**0.5) / 2) for side in lit.shape)
    return float(lit[down : height - down, across : width - across].mean()) > _FIELD
