"""White cells in a stained blood smear: found by their nuclei, cut out at one scale, laid on one sheet to be judged.

The scale is that of the red cells, which are much the same size in everybody (NumPy and Pillow only). Everything is
bounded: the working pictures by ``SIDE`` and ``LARGEST``, the cells by ``MOST``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
"""Long side, in pixels, of the picture in which the red cells are measured."""
RED_RADIUS = 8.0
"""Radius of a red cell, in pixels, in the picture that the white cells are cut from."""
LARGEST = 352
"""Long side, in pixels, that this picture never passes."""
CELL = 48
"""Side of one cell on the sheet, in pixels: six radii of a red cell."""
GRID = 4
MOST = GRID * GRID
"""So many cells of a picture are judged, the largest nuclei first."""

_RADII = np.geomspace(4.5, 40, 16)
_EDGES = 3000
_LEVELS = np.log(np.arange(256) + 4.0)

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cell:
    """A nucleus: its middle and the radius of a disc of its area, in pixels of ``Field.density``."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Outline:
    """Where the cells of a picture lie, in a frame of ``width`` x ``height`` pixels over the whole of it."""

    width: int
    height: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """What was found in one picture."""

    density: Floats
    """Optical density (3 x h x w) against the picture's own background; a red cell has ``RED_RADIUS`` pixels."""
    cells: tuple[Cell, ...]

    @property
    def outline(self) -> Outline:
        """The cells without the pixels."""
        return Outline(self.density.shape[2], self.density.shape[1], self.cells)


def find(rgb: NDArray[np.uint8]) -> Field:
    """Find the nuclei of a picture (H x W x 3, RGB): at most ``MOST``, the largest first; none is no error."""
    image = Image.fromarray(rgb)
    rough = density(_resized(image, SIDE))
    red = red_radius(rough[1], _dark(violet(rough)))
    side = int(np.clip(round(SIDE * RED_RADIUS / red), 2 * CELL // 3, LARGEST))
    dense = density(_resized(image, side))
    return Field(dense, _nuclei(_dark(violet(dense))))


def density(pixels: NDArray[np.uint8]) -> Floats:
    """Optical density (Beer-Lambert) of h x w x 3 pixels against the 90th percentile of each channel: 3 x h x w."""
    found = np.empty((3, *pixels.shape[:2]), np.float32)
    for channel in range(3):
        values = np.ascontiguousarray(pixels[..., channel])
        counts = np.bincount(values.ravel(), minlength=256).cumsum()
        background = max(40, int(np.searchsorted(counts, 0.9 * counts[-1])))
        found[channel] = np.clip(_LEVELS[background] - _LEVELS, -0.1, 2.5).astype(np.float32)[values]
    return found


def red_radius(dense: Floats, nuclei: Mask) -> float:
    """Radius of the red cells in pixels, by a vote of their edges (Hough 1962; O'Gorman & Clowes 1976).

    Every edge outside the nuclei votes for the point that lies one radius towards the denser side; at the true radius
    the votes of a cell fall together in its middle. Without edges: the middle of the range.
    """
    height, width = dense.shape
    smooth = soften(np.minimum(dense, np.percentile(dense[::3, ::3], 90)))
    dy, dx = np.zeros_like(smooth), np.zeros_like(smooth)
    dy[1:-1], dx[:, 1:-1] = smooth[2:] - smooth[:-2], smooth[:, 2:] - smooth[:, :-2]
    steep = dx * dx + dy * dy
    steep[_grow(nuclei, 4)] = 0
    steep[:2] = steep[-2:] = steep[:, :2] = steep[:, -2:] = 0
    among = steep[steep > 0]
    if among.size < 200:
        return float(_RADII[len(_RADII) // 2])
    ys, xs = np.nonzero(steep > np.percentile(among[::5], 75))
    ys, xs = ys[:: 1 + len(ys) // _EDGES], xs[:: 1 + len(xs) // _EDGES]
    length = np.sqrt(steep[ys, xs])
    ux, uy = dx[ys, xs] / length, dy[ys, xs] / length
    agreement = np.zeros(len(_RADII))
    for i, radius in enumerate(_RADII):
        bin_side = radius / 3
        x, y = xs + ux * radius, ys + uy * radius
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        count = max(1, int(inside.sum()))
        columns = int(width / bin_side) + 2
        x, y = x[inside] / bin_side, y[inside] / bin_side
        together = 0.0
        for shift in (0.0, 0.5):
            votes = np.bincount((y + shift).astype(np.int32) * columns + (x + shift).astype(np.int32))
            together += float((votes * votes).sum()) / 2
        # Less what falls together by chance, in shares of a whole circle.
        agreement[i] = (together / count - 1 - count * bin_side**2 / (width * height)) / radius
    best = int(agreement.argmax())
    offset = 0.0
    if 0 < best < len(_RADII) - 1:
        before, top, after = agreement[best - 1 : best + 2]
        offset = float(0.5 * (before - after) / min(before - 2 * top + after, -1e-9))
    return float(_RADII[0] * (_RADII[1] / _RADII[0]) ** (best + offset))


def _nuclei(dark: Mask) -> tuple[Cell, ...]:
    # Lobes of one nucleus are brought together, then every deepest place starts a cell.
    depth = _depth(~_grow(~_grow(dark, 2), 2))
    smooth = soften(depth)
    ys, xs = np.nonzero((smooth >= _neighbourhood(smooth)) & (depth >= 0.45 * RED_RADIUS))
    left = smooth[ys, xs].astype(np.float64)
    middles: list[tuple[float, float, float]] = []
    while len(middles) < MOST and left.size and left.max() > 0:
        top = int(left.argmax())
        x, y, radius = float(xs[top]), float(ys[top]), float(left[top])
        middles.append((x, y, radius))
        distance = np.hypot(xs - x, ys - y)
        left[distance < np.maximum(radius + 0.7 * left, 1.4 * RED_RADIUS)] = 0
    if not middles:
        return ()
    ys, xs = np.nonzero(dark)
    distance = np.stack([np.hypot(xs - x, ys - y) / max(radius, 0.8 * RED_RADIUS) for x, y, radius in middles])
    owner = distance.argmin(0)
    near = distance[owner, np.arange(len(owner))] < 2.0
    owner, ys, xs = owner[near], ys[near], xs[near]
    area = np.bincount(owner, minlength=len(middles)).clip(1)
    x_sum, y_sum = np.bincount(owner, xs, len(middles)), np.bincount(owner, ys, len(middles))
    found = [
        Cell(float(x), float(y), float(r))
        for x, y, r in zip(x_sum / area, y_sum / area, np.sqrt(area / np.pi), strict=True)
    ]
    height, width = dark.shape
    # What the edge cuts through is measured only where there is nothing else.
    whole = [c for c in found if min(c.x, width - c.x, c.y, height - c.y) > c.radius / 2]
    return tuple(whole or found)


def violet(dense: Floats) -> Floats:
    """How much more green is held back than blue and red: nuclei stand out, red cells of any tint don't.

    Red counts no more than blue does, so that the red granules of eosinophils are no nucleus. [3, ...] to [...].
    """
    more_than_blue, more_than_red = dense[1] - dense[2], dense[1] - dense[0]
    return soften(more_than_blue + np.float32(0.7) * np.minimum(more_than_red, more_than_blue))


def _dark(stain: Floats) -> Mask:
    """The part above Otsu's threshold (1979), at least 0.12."""
    levels = np.clip(stain * 100, 0, 255).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below, mass = counts.cumsum(), (counts * np.arange(256)).cumsum()
    rest = below * (below[-1] - below)
    between = np.where(rest > 0, (mass[-1] * below - mass * below[-1]) ** 2 / np.maximum(rest, 1), 0)
    return levels >= max(int(between.argmax()) + 1, 12)


def _resized(image: Image.Image, side: int) -> NDArray[np.uint8]:
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def soften(values: Floats) -> Floats:
    """Mean over 3 x 3 of the last two axes."""
    padded = np.pad(values, [(0, 0)] * (values.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    return np.asarray((rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) * np.float32(1 / 9))


def _neighbourhood(values: Floats) -> Floats:
    """Largest value of 3 x 3."""
    padded = np.pad(values, 1)
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _grow(mask: Mask, steps: int) -> Mask:
    """Widen by ``steps`` pixels, nearly round (crosses and squares in turn)."""
    wide = np.pad(mask, 1)
    for step in range(steps):
        rows = wide[:-2] | wide[1:-1] | wide[2:]
        if step % 2:
            core = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
        else:
            core = rows[:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
        wide[1:-1, 1:-1] = core
    return wide[1:-1, 1:-1]


def _depth(mask: Mask, limit: int = 32) -> Floats:
    """Steps from each place of ``mask`` to the outside, nearly round; what lies beyond the border counts as outside."""
    outside, depth = ~mask, np.zeros(mask.shape, np.float32)
    outside = np.pad(outside, 1, constant_values=True)
    for step in range(limit):
        inside = ~outside[1:-1, 1:-1]
        if not inside.any():
            break
        depth += inside
        rows = outside[:-2] | outside[1:-1] | outside[2:]
        if step % 2:
            core = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
        else:
            core = rows[:, 1:-1] | outside[1:-1, :-2] | outside[1:-1, 2:]
        outside[1:-1, 1:-1] = core
    return depth


def crops(field: Field) -> Floats:
    """Cut every cell out of the field's density, nucleus in the middle: [n, 3, CELL, CELL]; nothing beyond the edge."""
    half = CELL // 2
    padded = np.pad(field.density, ((0, 0), (half, half), (half, half)))
    cut = np.zeros((len(field.cells), 3, CELL, CELL), np.float32)
    for i, cell in enumerate(field.cells):
        top, left = int(cell.y + 0.5), int(cell.x + 0.5)
        cut[i] = padded[:, top : top + CELL, left : left + CELL]
    return cut
