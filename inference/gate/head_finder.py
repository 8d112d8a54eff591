"""Finds what is lit and round on a dark ground in a photo of a screen, whatever frames, keys and menus lie around it.

The straight edges of a screen may be hidden, out of the photo, or fewer than those of a keyboard; the head is there in
any photo of a slice. NumPy and Pillow only.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.decode.film_grid import Box, Floats
from inference.decode.film_sheet import Panel
from inference.decode.masks import dilated

Rgb = NDArray[np.uint8]
_SIDE: Final = 72
"""Long side of the picture in which heads are looked for."""
_LEVELS: Final = np.array([0.1, 0.15, 0.22, 0.32, 0.45, 0.6], np.float32)
"""Shares of the photo's light above one of which a head is lit, and its ground is not."""
_LEAST: Final = 0.012
"""Share of the photo that a head covers."""
_MOST_OF_PHOTO: Final = 0.5
"""Share of the photo up to which a head's box is a part of it: what fills a picture was judged as that picture."""
_ASPECTS: Final = (0.55, 1.75)
_FILLS: Final = (0.45, 0.92)
"""Share of its box that a head covers: less is a ring or a twig, more a screen or a page."""
_DARK: Final = 0.6
"""Most of the ground is darker than so much of the head's mean."""
_UNEVEN: Final = 0.06
"""The middle half of a head's levels spans so much of their mean: that of a lamp or a button does not."""
_SAME: Final = 0.5
"""Share of the smaller one that two boxes have in common when they are of the same head."""


def find_heads(rgb: Rgb, most: int = 2) -> tuple[Panel, ...]:
    """The largest heads that a photo (H x W x 3) may show, without a margin; none that touches the photo's rim."""
    height, width = rgb.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize(size, Image.Resampling.BOX), np.float32)
    found: list[tuple[int, Box]] = []
    for level in _LEVELS * np.percentile(grey, 98):
        found += _round_things(grey, grey > level)
    heads: list[Box] = []
    for _, box in sorted(found, reverse=True):
        if len(heads) < most and all(_common(box, other) < _SAME for other in heads):
            heads.append(box)
    return tuple(_at_full_size(box, scale, width, height) for box in heads)


def _round_things(grey: Floats, lit: NDArray[np.bool_]) -> list[tuple[int, Box]]:
    """What hangs together in a mask and has the shape, the shades and the ground of a head: its pixels and its box."""
    labels = _labelled(lit)
    counts = np.bincount(labels.ravel())
    counts[0] = 0  # what is not lit
    found = []
    for label in np.flatnonzero(counts > _LEAST * grey.size):
        thing, count = labels == label, int(counts[label])
        rows, columns = (np.flatnonzero(thing.any(axis)) for axis in (1, 0))
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        if min(top, left) == 0 or bottom == grey.shape[0] or right == grey.shape[1]:
            continue
        if (bottom - top) * (right - left) > _MOST_OF_PHOTO * grey.size:
            continue
        is_shaped = _ASPECTS[0] <= (right - left) / (bottom - top) <= _ASPECTS[1]
        is_filled = _FILLS[0] <= count / ((bottom - top) * (right - left)) <= _FILLS[1]
        if is_shaped and is_filled and _is_on_dark(grey, thing):
            found.append((count, (top, bottom, left, right)))
    return found


def _is_on_dark(grey: Floats, thing: NDArray[np.bool_]) -> bool:
    """Whether a thing has shades and lies on a ground that is darker all round."""
    rim = dilated(thing)
    ground = grey[dilated(rim) & ~rim]
    mean = float(grey[thing].mean())
    low, high = np.percentile(grey[thing], (25, 75))
    return float(np.percentile(ground, 80)) <= _DARK * mean and float(high - low) >= _UNEVEN * mean


def _labelled(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """A number of its own for all pixels of a mask [H, W] that hang together, 0 elsewhere."""
    labels = np.where(mask, np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        across = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
        grown = np.where(mask, np.maximum(np.maximum(across[:-2], across[1:-1]), across[2:]), 0)
        if np.array_equal(grown, labels):
            return np.asarray(labels, np.int32)
        labels = grown


def _common(one: Box, other: Box) -> float:
    """Area that two boxes have in common, as a share of the smaller one's."""
    sides = [max(0, min(one[i + 1], other[i + 1]) - max(one[i], other[i])) for i in (0, 2)]
    areas = [(box[1] - box[0]) * (box[3] - box[2]) for box in (one, other)]
    return sides[0] * sides[1] / min(areas)


def _at_full_size(box: Box, scale: float, width: int, height: int) -> Panel:
    """The box in pixels of the photo, one small pixel wider all round."""
    top, bottom, left, right = box
    return Panel(
        max(0, int((left - 1) / scale)),
        max(0, int((top - 1) / scale)),
        min(width, round((right + 1) / scale)),
        min(height, round((bottom + 1) / scale)),
    )
