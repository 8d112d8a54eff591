"""What is measured of each white cell, as the small tensor that the blood smear's model reads.

None of it is a colour or a brightness as such: sizes are in radii of a red cell, densities in shares of the nucleus's
own, and how dark a nucleus is counts only against its neighbours. So a laboratory's stain and lens say little.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from inference.cells.finder import CELL, GRID, MOST, RED_RADIUS, Field, Floats, Outline, crops, find, soften, violet

MEASURES = ("size", "pale", "long", "rim", "grain", "clumps", "unlike_in_stain", "unlike_in_size")
"""``size``: log of the nucleus's radius in radii of a red cell. ``pale``: density of its palest tenth (clumped
chromatin, gaps between lobes) as a share of its mean. ``long``: log of length over width. ``rim``: violet just outside
of it as a share of its own (cytoplasm, granules). ``grain``: log of how far neighbouring places differ inside of it,
over the same at its edge: what a lens blurs, it blurs in both. ``clumps``: the share of its inside that is denser than
what lies around it. ``unlike_...``: squared distance from the middle cell of the picture, drawn towards what is usual
where there are few cells."""
CHANNELS = len(MEASURES) + 1
"""Channels of the tensor: the measures, and the cell's part in the mean (0 where there is no cell).

Where a model also reads textures (``inference.cells.textures``), these stand between the measures and the part."""

_TYPICAL = np.array([0.3, 0.74, 0.25, 0.03, -0.47, 0.36, 1.0, 1.0], np.float32)
_SPREAD = np.array([0.25, 0.08, 0.15, 0.06, 0.33, 0.18, 0.7, 0.7], np.float32)
_STAIN, _SIZE = 0.15, 0.18
"""How far the cells of a picture usually lie apart, in logs."""
_FAINT, _CLUMP = 0.01, 0.08
"""Differences that are mere noise, and from where on they are a clump: in shares of the nucleus's mean density."""
_UNUSUAL = 6.0
_PRIOR = 4
"""So many usual cells stand beside those of a picture when these are compared with each other."""
_FARTHEST = 4.0

_across, _down = np.meshgrid(*(np.arange(CELL, dtype=np.float32) - CELL // 2 for _ in range(2)))
_from_middle = np.hypot(_across, _down)


def tensor(rgb: NDArray[np.uint8]) -> Floats:
    """Find and measure the cells of a picture (H x W x 3): what ``cell_tensor`` makes of them."""
    return cell_tensor(find(rgb))


def cell_tensor(field: Field, textures: Floats | None = None) -> Floats:
    """[1, GRID, GRID, CHANNELS + T]: one place a cell, the rest 0; ``textures`` [n, T] stand before the last channel.

    The last channel is MOST / (n + 1): the mean over the sheet is then that over the n cells and one that says nothing,
    so that a single cell never counts as much as many.
    """
    count = len(field.cells)
    wide = 0 if textures is None else textures.shape[1]
    places = np.zeros((MOST, CHANNELS + wide), np.float32)
    if count:
        own = np.clip((measure(field) - _TYPICAL) / _SPREAD, -_FARTHEST, _FARTHEST)
        places[:count, : len(MEASURES)] = own
        if textures is not None:
            places[:count, len(MEASURES) : -1] = textures
        places[:count, -1] = MOST / (count + 1)
    return places.reshape(1, GRID, GRID, CHANNELS + wide)


def measure(field: Field) -> Floats:
    """The ``MEASURES`` of every cell: [n, len(MEASURES)], n at least 1."""
    cut = crops(field)
    green, stain = cut[:, 1], violet(cut.transpose(1, 0, 2, 3))
    nucleus, own = nuclei(field, stain)
    area = np.maximum(_sum(nucleus), 9)
    dark = np.maximum(_sum(green * nucleus) / area, 0.05)
    pale = np.array([np.percentile(g[m], 10) if m.any() else d for g, m, d in zip(green, nucleus, dark, strict=True)])
    wide = np.sqrt(area / np.pi)
    x, y = _sum(_across * nucleus) / area, _sum(_down * nucleus) / area
    xx = _sum(_across**2 * nucleus) / area - x * x
    yy = _sum(_down**2 * nucleus) / area - y * y
    xy = _sum(_across * _down * nucleus) / area - x * y
    middle, apart = (xx + yy) / 2, np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    long = np.log((middle + apart + 0.5) / (np.maximum(middle - apart, 0) + 0.5)) / 2
    near = nucleus
    for _ in range(2):
        near = _wider(near)
    rim = ~near & (_from_middle < wide[:, None, None] + 5)
    around = _sum(stain * rim) / np.maximum(_sum(rim), 1) / np.maximum(own, 0.1)
    size = np.log(wide / RED_RADIUS)
    grain, clumps = chromatin(np.asarray(green / dark[:, None, None], np.float32), nucleus, near)
    unlike = _unlike(np.log(dark), _STAIN), _unlike(size, _SIZE)
    return np.stack((size, pale / dark, long, around, grain, clumps, *unlike), axis=1).astype(np.float32)


def nuclei(field: Field, stain: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which places of the crops' ``stain`` [n, CELL, CELL] (``violet``) are the nucleus, and its own stain [n]."""
    radius = np.array([cell.radius for cell in field.cells], np.float32)[:, None, None]
    heart = _from_middle < np.maximum(0.7 * radius, 1)
    own = _sum(stain * heart) / _sum(heart)
    return (_from_middle < 1.5 * radius) & (stain > 0.5 * own[:, None, None]), own


def chromatin(shares: Floats, nucleus: NDArray[np.bool_], near: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """``grain`` and ``clumps`` of n cells from densities in shares of the nucleus's own [n, CELL, CELL].

    ``near`` is the nucleus and a little more: what of it is not well inside is the edge that the lens is judged by.
    """
    inside = ~_wider(_wider(~nucleus))
    edge = near & ~inside
    count = np.maximum(_sum(inside), 1)
    smooth = soften(shares)
    fine = shares - smooth
    within = np.sqrt(_sum(fine * fine * inside) / count)
    across = np.sqrt(_sum(fine * fine * edge) / np.maximum(_sum(edge), 1))
    dense = (smooth - _around(shares) > _CLUMP) & inside
    grain = np.log((within + _FAINT) / (across + _FAINT))
    return grain, np.asarray(_sum(dense) / count, np.float32)


def _around(values: Floats) -> Floats:
    """Mean over 9 x 9 of the last two axes."""
    sums = np.pad(values, ((0, 0), (5, 4), (5, 4)), mode="edge").cumsum(1).cumsum(2)
    return np.asarray((sums[:, 9:, 9:] - sums[:, :-9, 9:] - sums[:, 9:, :-9] + sums[:, :-9, :-9]) * np.float32(1 / 81))


def own_evidence(maps: Floats, outline: Outline) -> Floats:
    """What each cell says by itself, however many there are: the class maps [GRID, GRID, K] without its part."""
    return np.asarray(maps * np.float32((len(outline.cells) + 1) / MOST))


def heat_image(values: Floats, outline: Outline, size: tuple[int, int]) -> Image.Image:
    """Each cell's heat (``values`` [GRID, GRID], 0..1) over its nucleus, as an 8-bit grey picture of ``size``."""
    scale_x, scale_y = size[0] / outline.width, size[1] / outline.height
    drawn = Image.new("L", size)
    for value, cell in zip(values.ravel(), outline.cells, strict=False):
        level = round(255 * float(value))
        if not level:
            continue
        x, y = (cell.x + 0.5) * scale_x, (cell.y + 0.5) * scale_y
        reach_x, reach_y = (max(1.0, 1.2 * cell.radius * s) for s in (scale_x, scale_y))
        one = Image.new("L", size)
        ImageDraw.Draw(one).ellipse((x - reach_x, y - reach_y, x + reach_x, y + reach_y), fill=level)
        drawn = ImageChops.lighter(drawn, one)
    return drawn.filter(ImageFilter.GaussianBlur(max(0.5, 0.15 * RED_RADIUS * scale_x)))


def _unlike(values: Floats, usual: float) -> Floats:
    count = len(values)
    squares = np.minimum(((values - np.median(values)) / usual) ** 2, _UNUSUAL)
    return np.asarray((count * squares + _PRIOR) / (count + _PRIOR))


def _sum(values: NDArray[np.generic]) -> Floats:
    return np.asarray(values.sum(axis=(1, 2), dtype=np.float32))


def _wider(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    return np.asarray(rows[..., :-2] | rows[..., 1:-1] | rows[..., 2:])
