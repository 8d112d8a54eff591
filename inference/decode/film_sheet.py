"""Finds the single slices of a film sheet: a mosaic, a film of many small heads, a screen of several viewports.

First along the flat strips between them (a recursive X-Y cut: Nagy & Seth 1984), then, where heads touch, as a regular
grid whose cells resemble one another. A slice alone stays whole. NumPy and Pillow only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.decode.film_grid import LEAST_CONTRAST, LEAST_SIDE, Box, Floats, correlation, regular_grid, thumbnail
from inference.decode.masks import dilated

Rgb = NDArray[np.uint8]

MOST_PANELS: Final = 128
_SIDE: Final = 288
"""Long side of the picture that strips are looked for in."""
_FLAT: Final = 0.11
"""A strip is flat when its levels differ by less than so much of the contrast of the picture."""
_DEPTH: Final = 7
_ASPECTS: Final = (0.55, 1.75)
"""A head is so wide for its height."""
_ALIKE: Final = 0.4
"""Tiles have at least so much of the area of the largest."""
_MARGIN: Final = 0.06
"""What a panel of a film sheet gets around its head, as a share of its longer side; a slice on a screen gets more."""
_GROUND_MARGIN: Final = 0.1
_LETTERS_SIDE: Final = 128
_MOST_OF_SCREEN: Final = 0.5
_LEAST_OTHERS: Final = 0.003
"""A screen shows at least so much beside the slice, as a share of what lies around it."""
_LIGHT: Final = 128.0


@dataclass(frozen=True, slots=True)
class Panel:
    """Where one slice lies, in pixels of the picture: right and bottom are the first that don't belong to it."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, rgb: Rgb) -> Rgb:
        """Cut the panel out of its picture (H x W x 3)."""
        return rgb[self.top : self.bottom, self.left : self.right]

    def scaled(self, across: float, down: float) -> "Panel":
        """The same place in a picture that is so many times as wide and as high."""
        return Panel(
            int(self.left * across), int(self.top * down), round(self.right * across), round(self.bottom * down)
        )


@dataclass(frozen=True, slots=True)
class Regions:
    """What lies in a picture: the slices of a film sheet, or the one slice among the menus and letters of a screen."""

    panels: tuple[Panel, ...] = ()
    """In reading order, at most ``MOST_PANELS``; empty when it is no sheet."""
    viewport: Panel | None = None
    """The head alone, without a margin; None when the picture shows nothing else."""


def split(rgb: Rgb) -> tuple[Panel, ...]:
    """Slices of a film sheet (H x W x 3) in reading order, at most ``MOST_PANELS``; empty when it is one picture."""
    return find_regions(rgb).panels


def find_regions(rgb: Rgb, unevenness: float = 1.0) -> Regions:
    """Find the slices of a film sheet, or the slice on a screen, in a picture (H x W x 3).

    A strip counts as flat up to ``unevenness`` times what is usual: a photo of a screen has glare and stripes.
    """
    grey, scale = _small(rgb)
    boxes = _leaves(grey, unevenness)
    panels = _heads(grey, boxes)
    alone = panels[0] if len(panels) == 1 else None
    if len(panels) < 2 or _are_halves(grey, panels):
        panels = regular_grid(grey)
    if len(panels) < 2:
        viewport = alone and _is_among_others(grey, alone) and _at_full_size(alone, grey.shape, rgb.shape, scale, 0)
        return Regions(viewport=viewport or None)
    panels = _reading_order(_completed(grey, panels, boxes))
    return Regions(tuple(_at_full_size(box, grey.shape, rgb.shape, scale, _MARGIN) for box in panels[:MOST_PANELS]))


def cut_out(rgb: Rgb, panel: Panel) -> Rgb:
    """The slice within ``panel`` on a ground of its own: letters beside the head don't come along."""
    part = panel.crop(rgb)
    rim = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    ground = np.percentile(rim, 25, axis=0).astype(np.uint8)
    head, letters = _head_and_letters(part, ground)
    cleaned = np.where(letters[..., None], ground, part)
    rows, columns = (np.nonzero(head.any(axis))[0] for axis in (1, 0))
    if len(rows):
        cleaned = cleaned[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cleaned.shape[:2]
    margin = max(1, round(_GROUND_MARGIN * max(height, width)))
    whole = np.empty((height + 2 * margin, width + 2 * margin, 3), np.uint8)
    whole[:] = ground
    whole[margin : margin + height, margin : margin + width] = cleaned
    return whole


def _head_and_letters(part: Rgb, ground: Rgb) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What is lit and hangs together with the middle rows and columns, and what is lit without that: each H x W.

    The skin is apart from the brain, but it crosses these rows and columns as well; letters stand in the corners.
    """
    height, width = part.shape[:2]
    scale = min(1.0, _LETTERS_SIDE / max(height, width))
    size = max(4, round(width * scale)), max(4, round(height * scale))
    small = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BOX), np.int16)
    lit = np.abs(small - ground.astype(np.int16)).max(-1) > 2 * LEAST_CONTRAST
    head = np.zeros_like(lit)
    rows, columns = slice(size[1] // 4, -(size[1] // 4)), slice(size[0] // 4, -(size[0] // 4))
    head[rows], head[:, columns] = lit[rows], lit[:, columns]
    while True:
        grown = lit & dilated(head)
        if (grown == head).all():
            break
        head = grown
    letters = dilated(lit & ~head) & ~head
    return tuple(  # type: ignore[return-value]  # two masks in, two masks out
        np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)) for mask in (head, letters)
    )


def _is_among_others(grey: Floats, box: Box) -> bool:
    """Whether a head takes so little of a picture that shows other things too that this is a screen."""
    if _area(box) > _MOST_OF_SCREEN * grey.size:
        return False
    around = grey.copy()
    margin = 6
    around[max(0, box[0] - margin) : box[1] + margin, max(0, box[2] - margin) : box[3] + margin] = np.nan
    others = around[np.isfinite(around)]
    return float((np.abs(others - np.median(others)) > 2 * LEAST_CONTRAST).mean()) > _LEAST_OTHERS


def _small(rgb: Rgb) -> tuple[Floats, float]:
    height, width = rgb.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    image = Image.fromarray(rgb).convert("L")
    if scale < 1:
        image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)
    return np.asarray(image, np.float32), scale


def _leaves(grey: Floats, unevenness: float = 1.0) -> list[Box]:
    """What is left when a picture is cut along its flat strips, again and again."""
    flat = unevenness * max(LEAST_CONTRAST, _FLAT * float(np.ptp(_percentiles(grey, (1, 99)))))
    leaves: list[Box] = []
    todo: list[tuple[Box, int]] = [((0, grey.shape[0], 0, grey.shape[1]), 0)]
    while todo:
        box, depth = todo.pop()
        parts = _cut(grey, box, flat) if depth < _DEPTH else [box]
        if parts == [box]:
            leaves.append(box)
        else:
            todo += [(part, depth + 1) for part in parts]
    return leaves


def _percentiles(grey: Floats, shares: Sequence[float]) -> NDArray[np.float64]:
    """``np.percentile`` of whole levels 0 to 255: counted instead of sorted, which is several times as fast."""
    upto = np.cumsum(np.bincount(grey.astype(np.uint8).ravel(), minlength=256))
    places = (grey.size - 1) / 100 * np.asarray(shares)
    below = np.floor(places)
    low, high = (np.searchsorted(upto, at, side="right") for at in (below, np.minimum(below + 1, grey.size - 1)))
    return np.asarray(low + (high - low) * (places - below))


def _cut(grey: Floats, box: Box, flat: float) -> list[Box]:
    """The parts of a box between flat rows and columns that are large enough for a panel; none when all is flat."""
    top, bottom, left, right = box
    part = grey[top:bottom, left:right]
    rows = _runs(_spread(part) > flat)
    columns = _runs(_spread(part.T) > flat)
    return [
        (top + first, top + last, left + start, left + end)
        for first, last in rows
        for start, end in columns
        if min(last - first, end - start) >= LEAST_SIDE
    ]


def _spread(part: Floats) -> Floats:
    """How far the levels of each row differ, leaving out two in a hundred each way: [rows]."""
    ordered = np.sort(part, axis=1)
    out = part.shape[1] // 50
    return np.asarray(ordered[:, -1 - out] - ordered[:, out], np.float32)


def _runs(busy: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a row of truths begins and ends."""
    steps = np.diff(np.concatenate([[0], busy.astype(np.int8), [0]]))
    return list(zip(np.nonzero(steps == 1)[0].tolist(), np.nonzero(steps == -1)[0].tolist(), strict=True))


def _heads(grey: Floats, boxes: list[Box]) -> list[Box]:
    """The boxes that are shaped and shaded as slices, and as large as the others."""
    shaped = [box for box in boxes if _is_head(grey, box)]
    # On a page or a smear a slice is a dark rectangle, not a patch of marks.
    if _percentiles(grey, (50,))[0] > _LIGHT:
        shaped = [box for box in shaped if _has_dark_corners(grey, box)]
    largest = max((_area(box) for box in shaped), default=0)
    return [box for box in shaped if _area(box) >= _ALIKE * largest]


def _is_head(grey: Floats, box: Box) -> bool:
    height, width = box[1] - box[0], box[3] - box[2]
    if min(height, width) < LEAST_SIDE or not _ASPECTS[0] <= width / height <= _ASPECTS[1]:
        return False
    between = _between(grey, box)
    # A head is lit in its middle, not along its rim alone.
    inner = between[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return _is_shaded(between) and _share(inner > 0.15) > 0.5


def _has_dark_corners(grey: Floats, box: Box) -> bool:
    """Whether two corners or more are darker than the middle."""
    part = grey[box[0] : box[1], box[2] : box[3]]
    high, wide = max(1, part.shape[0] // 10), max(1, part.shape[1] // 10)
    corners = (part[:high, :wide], part[:high, -wide:], part[-high:, :wide], part[-high:, -wide:])
    middle = part[part.shape[0] // 4 : -part.shape[0] // 4, part.shape[1] // 4 : -part.shape[1] // 4]
    return sorted(float(corner.mean()) for corner in corners)[1] < float(np.median(middle))


def _is_shaded(between: Floats) -> bool:
    """Whether there are levels between dark (0) and light (1): letters, drawings and icons have two, tissue has all."""
    return _share((between > 0.15) & (between < 0.85)) > 0.25


def _share(marked: NDArray[np.bool_]) -> float:
    return np.count_nonzero(marked) / marked.size  # a twentieth of what their mean costs


def _between(grey: Floats, box: Box) -> Floats:
    """The levels of a box from its dark (0) to its light (1); all 0 where there is no contrast."""
    part = grey[box[0] : box[1], box[2] : box[3]]
    low, high = (np.float32(level) for level in _percentiles(part, (2, 98)))
    return (part - low) / (high - low) if high - low >= 2 * LEAST_CONTRAST else np.zeros_like(part)


def _are_halves(grey: Floats, boxes: list[Box]) -> bool:
    """Whether two boxes side by side are the two halves of one head: mirrored they are far more alike."""
    if len(boxes) != 2:
        return False
    one, other = (thumbnail(grey, box) for box in boxes)
    return correlation(one, other[:, ::-1]) > correlation(one, other) + 0.15


def _completed(grey: Floats, panels: list[Box], boxes: list[Box]) -> list[Box]:
    """Add the slices of odd shape (the vertex, the skull base) at the free places between those in rows and columns."""
    high, wide = (int(np.median([box[i + 1] - box[i] for box in panels])) for i in (0, 2))
    rows, columns = (
        _middles([(box[i] + box[i + 1]) / 2 for box in panels], size / 2) for i, size in ((0, high), (2, wide))
    )
    found = list(panels)
    for y in rows:
        for x in columns:
            if any(box[0] <= y < box[1] and box[2] <= x < box[3] for box in panels):
                continue
            within = [
                box for box in boxes if abs(sum(box[:2]) / 2 - y) < high / 2 and abs(sum(box[2:]) / 2 - x) < wide / 2
            ]
            if any(_is_shaded(_between(grey, box)) for box in within):
                top, left = max(0, round(y - high / 2)), max(0, round(x - wide / 2))
                found.append((top, min(grey.shape[0], top + high), left, min(grey.shape[1], left + wide)))
    return found


def _middles(places: list[float], apart: float) -> list[float]:
    """The means of groups of numbers that lie closer together than ``apart``."""
    ordered = np.sort(places)
    groups = np.split(ordered, np.nonzero(np.diff(ordered) > apart)[0] + 1)
    return [float(group.mean()) for group in groups]


def _area(box: Box) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _reading_order(boxes: list[Box]) -> list[Box]:
    """Row by row, each from left to right: a box belongs to a row when its middle lies within the first one's span."""
    left, ordered = sorted(boxes), []
    while left:
        first = left[0]
        row = [box for box in left if (box[0] + box[1]) / 2 < first[1]]
        ordered += sorted(row, key=lambda box: box[2])
        left = [box for box in left if box not in row]
    return ordered


def _at_full_size(box: Box, small: tuple[int, ...], full: tuple[int, ...], scale: float, margin: float) -> Panel:
    margin *= max(box[1] - box[0], box[3] - box[2])
    top, left = max(0.0, box[0] - margin) / scale, max(0.0, box[2] - margin) / scale
    bottom, right = min(small[0], box[1] + margin) / scale, min(small[1], box[3] + margin) / scale
    return Panel(int(left), int(top), min(full[1], round(right)), min(full[0], round(bottom)))
