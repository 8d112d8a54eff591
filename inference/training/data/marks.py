"""What archives and scanners burn in beside the body: letters, footers, rulers. They say nothing of what is shown.

Where an archive's CT and spines are known and its heads are not, its letters come to mean "no head". So the marks of
pictures of other kinds are put on slices of other places, and on other kinds again, and some lose their own.
NumPy, SciPy and Pillow; pictures are RGB (H x W x 3, uint8), marks alone are levels (H x W).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from inference.preprocess import head_box

Rgb = NDArray[np.uint8]
Levels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
_TISSUE: Final = 0.12
"""Share of the range of levels above which something is no background."""
_STANDS_OUT: Final = 25
"""So many levels above its ground a mark lies at least."""
_HIGHEST: Final = 0.09
_WIDEST: Final = 0.05
"""A mark is lower or narrower than these shares of the picture: the arms and the table beside a body are neither."""
_LEAST: Final = 60
_MOST: Final = 0.06
"""Pixels that marks cover at least, and the share of the picture at most: less says nothing, more is no writing."""


def marks_of(picture: Rgb) -> Levels | None:
    """The marks beside the body as levels on black [H, W], or nothing where there are hardly any."""
    levels = np.asarray(Image.fromarray(picture).convert("L"))
    left, top, right, bottom = _body(levels)
    beside = np.ones(levels.shape, np.bool_)
    beside[top:bottom, left:right] = False
    if not beside.any():
        return None
    bright = beside & (levels > np.median(levels[beside]) + _STANDS_OUT)
    # Letters of one word lie a few pixels apart.
    parts, _ = ndimage.label(ndimage.binary_dilation(bright, iterations=2))
    kept = np.zeros(levels.shape, np.uint8)
    for number, place in enumerate(ndimage.find_objects(parts), 1):
        height, width = (side.stop - side.start for side in place)
        if height < _HIGHEST * levels.shape[0] or width < _WIDEST * levels.shape[1]:
            own = bright[place] & (parts[place] == number)
            kept[place] = np.maximum(kept[place], np.where(own, levels[place], 0))
    return kept if _LEAST < np.count_nonzero(kept) < _MOST * kept.size else None


def marked(picture: Rgb, marks: Levels) -> Rgb:
    """The picture with the marks of another [h, w] over it, stretched to its size."""
    layer = Image.fromarray(marks).resize((picture.shape[1], picture.shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(np.maximum(picture, np.asarray(layer)[..., None]), np.uint8)


def unmarked(picture: Rgb) -> Rgb:
    """The picture with nothing but its rim's level beside the body."""
    levels = np.asarray(Image.fromarray(picture).convert("L"))
    left, top, right, bottom = _body(levels)
    rim = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    bare = np.full_like(picture, np.uint8(np.median(rim)))
    bare[top:bottom, left:right] = picture[top:bottom, left:right]
    return bare


def _body(levels: Levels) -> Box:
    """(left, top, right, bottom) of the head or whatever else is shown."""
    low, high = np.percentile(levels, (1, 99))
    return head_box(levels > low + _TISSUE * max(high - low, 5.0))
