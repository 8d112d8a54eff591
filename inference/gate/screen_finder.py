"""Finds the screen or the film in a photo of one, and lays it flat: straight edges, four corners, one projection.

Run on pictures that the gate refuses and on those with a lit rim. NumPy and Pillow only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SIDE: Final = 112
"""Long side of the picture that edges are looked for in."""
_SLOPES: Final = np.linspace(-0.32, 0.32, 25, dtype=np.float32)
_LINES: Final = 9
"""Straight edges kept each way."""
_LEAST_SIDE: Final = 0.22
"""A frame is at least so wide and so high, as a share of the picture."""
_LEAST_SUPPORT: Final = 0.6
"""So much of each side of a frame is an edge."""
_PHOTO_SUPPORT: Final = 0.75
_LEAST_AROUND: Final = 0.08
"""A photo shows at least so much around its screen, as a share of the picture."""
_BLACK: Final = 12
"""Level of 255 that a room is brighter than: without a room it is a picture with a black border."""
_LIT: Final = 20
_SAMPLES: Final = 32
_INSET: Final = 0.012
"""What is cut off within the edges found, so that no bezel stays."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Four corners in pixels of the picture [4, 2] (x, y): top left, top right, bottom right, bottom left."""

    corners: Floats
    support: float
    """Share of its outline that is an edge, the weakest side counting most."""


def find_frames(rgb: Rgb, most: int = 3) -> tuple[Frame, ...]:
    """The likeliest screens or films in a picture (H x W x 3), best first, none alike; empty when there is no frame."""
    height, width = rgb.shape[:2]
    scale = _SIDE / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    levels = np.sqrt(np.asarray(image, np.float32) / 255 + 0.03)  # a dark bezel in a dark room has an edge too
    across, down = _edges(levels)
    upright, level = _lines(across), _lines(np.ascontiguousarray(down.T))
    if len(upright) < 2 or len(level) < 2:
        return ()
    quads = _quads(upright, level, size)
    if not len(quads):
        return ()
    support = _support(quads, across, down)
    order = [i for i in np.argsort(-support) if support[i] >= _LEAST_SUPPORT]
    kept: list[Frame] = []
    factor = np.array([width / size[0], height / size[1]], np.float32)
    for i in order:
        corners = (quads[i] + 0.5) * factor
        apart = 0.05 * max(height, width)
        if all(np.abs(corners - frame.corners).max() > apart for frame in kept):
            kept.append(Frame(corners, float(support[i])))
        if len(kept) == most:
            break
    return tuple(kept)


def area(frame: Frame) -> float:
    """Square pixels within a frame."""
    x, y = frame.corners.astype(np.float64).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def lay_flat(rgb: Rgb, frame: Frame) -> Rgb:
    """What lies within ``frame``, seen from straight above."""
    corners = frame.corners.astype(np.float64)
    corners = corners + _INSET * 2 * (corners.mean(0) - corners)
    sides = [float(np.hypot(*(corners[i] - corners[(i + 1) % 4]))) for i in range(4)]
    width, height = (max(16, round((sides[i] + sides[i + 2]) / 2)) for i in (0, 1))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    rows, ends = [], []
    for (x, y), (u, v) in zip(target, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        ends += [u, v]
    matrix = tuple(float(n) for n in np.linalg.solve(np.array(rows), np.array(ends)))
    flat = Image.fromarray(rgb).transform(
        (width, height), Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(flat)


def is_photo(rgb: Rgb, frame: Frame) -> bool:
    """Whether the frame stands out sharply from something that is not simply black, as a screen in a room does."""
    if frame.support < _PHOTO_SUPPORT:
        return False
    step = max(1, min(rgb.shape[:2]) // 64)
    ys, xs = (axis.ravel()[:, None] for axis in np.mgrid[0 : rgb.shape[0] : step, 0 : rgb.shape[1] : step])
    starts, ends = frame.corners, np.roll(frame.corners, -1, 0)
    turns = (ends[:, 0] - starts[:, 0]) * (ys - starts[:, 1]) - (ends[:, 1] - starts[:, 1]) * (xs - starts[:, 0])
    around = rgb[::step, ::step].max(-1).ravel()[(turns < 0).any(1)]
    return len(around) > _LEAST_AROUND * len(ys) and float(np.median(around)) > _BLACK


def rim_is_lit(rgb: Rgb) -> bool:
    """Whether the outermost pixels of a picture (H x W x 3) are mostly not black."""
    height, width = rgb.shape[:2]
    wide = max(1, round(0.04 * min(height, width)))
    sides = (rgb[:wide], rgb[-wide:], rgb[:, :wide], rgb[:, -wide:])
    red, green, blue = np.concatenate([side[::2, ::2].reshape(-1, 3) for side in sides]).T
    return float(np.median(np.maximum(np.maximum(red, green), blue))) > _LIT


def _edges(levels: Floats) -> tuple[Floats, Floats]:
    """How much the picture changes across and down [h, w], each against what is usual around it, in 0..1."""
    across, down = np.zeros(levels.shape[:2], np.float32), np.zeros(levels.shape[:2], np.float32)
    across[:, 1:-1] = np.abs(levels[:, 2:] - levels[:, :-2]).max(-1)
    down[1:-1] = np.abs(levels[2:] - levels[:-2]).max(-1)
    strong = max(float(np.percentile(np.maximum(across, down), 90)), 0.05)
    # An edge counts where it is the steeper of the two ways, and no more for being very steep.
    one, other = across * (across >= down), down * (down >= across)
    return _ridges(one) / np.float32(strong), _ridges(other.T).T / np.float32(strong)


def _ridges(edges: Floats) -> Floats:
    """Keep what is steepest along its row: a smooth slope is no edge."""
    kept = np.zeros_like(edges)
    middle = edges[:, 3:-3]
    steepest = (middle >= edges[:, 2:-4]) & (middle >= edges[:, 4:-2])
    stands_out = middle > 1.3 * np.minimum(edges[:, :-6], edges[:, 6:])
    kept[:, 3:-3] = np.where(steepest & stands_out, middle, 0)
    return kept


def _lines(edges: Floats) -> Floats:
    """The strongest nearly upright lines [n, 2]: x at the middle row, and how x changes a row."""
    height, width = edges.shape
    ys, xs = np.nonzero(edges > 0.3)
    weights = np.minimum(edges[ys, xs], 1)
    reach = int(_SLOPES[-1] * height / 2) + 1
    votes = np.empty((len(_SLOPES), width + 2 * reach), np.float32)
    for i, slope in enumerate(_SLOPES):
        at = np.rint(xs - slope * (ys - height / 2)).astype(np.intp) + reach
        votes[i] = np.bincount(at, weights, width + 2 * reach)
    votes[:, 1:-1] = votes[:, 1:-1] + 0.5 * (votes[:, 2:] + votes[:, :-2])
    found = []
    for _ in range(_LINES):
        i, x = divmod(int(votes.argmax()), votes.shape[1])
        if votes[i, x] < 0.15 * height:
            break
        found.append((x - reach, _SLOPES[i]))
        # Lines that lie beside this one along most of its length are the same edge seen again.
        drift = np.abs(np.arange(votes.shape[1]) - x)[None] + np.abs(_SLOPES - _SLOPES[i])[:, None] * height / 4
        votes[drift < 3.5] = 0
    return np.array(found, np.float32).reshape(-1, 2)


def _quads(upright: Floats, level: Floats, size: tuple[int, int]) -> Floats:
    """Every pair of upright lines crossed with every pair of level ones: corners [n, 4, 2], large enough and inside."""
    width, height = size
    pairs = []
    for lines in (upright, level):
        first, second = np.triu_indices(len(lines), 1)
        swap = lines[first, 0] > lines[second, 0]
        low, high = np.where(swap, second, first), np.where(swap, first, second)
        pairs.append((lines[low], lines[high]))
    (left, right), (top, bottom) = pairs
    i, j = (a.ravel() for a in np.meshgrid(np.arange(len(left)), np.arange(len(top)), indexing="ij"))
    corners = np.stack(
        [_cross(u[i], v[j], size) for u, v in ((left, top), (right, top), (right, bottom), (left, bottom))], 1
    )
    spans = [np.hypot(*(corners[:, a] - corners[:, b]).T) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    enough = np.min([spans[0], spans[2]], 0) >= _LEAST_SIDE * width
    enough &= np.min([spans[1], spans[3]], 0) >= _LEAST_SIDE * height
    enough &= _alike(spans[0], spans[2]) & _alike(spans[1], spans[3])
    limits = np.array([width - 1, height - 1], np.float32)
    enough &= ((corners >= -2) & (corners <= limits + 2)).all((1, 2))
    return np.asarray(corners[enough].clip(0, limits), np.float32)


def _alike(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Opposite sides differ in length by no more than a tilt makes them."""
    return np.asarray(np.minimum(one, other) > 0.6 * np.maximum(one, other))


def _cross(upright: Floats, level: Floats, size: tuple[int, int]) -> Floats:
    """Where x = a + b (y - h/2) meets y = c + d (x - w/2): [n, 2]."""
    a, b, c, d = upright[:, 0], upright[:, 1], level[:, 0], level[:, 1]
    x = (a + b * (c - d * size[0] / 2 - size[1] / 2)) / (1 - b * d)
    return np.stack([x, c + d * (x - size[0] / 2)], -1)


def _support(quads: Floats, across: Floats, down: Floats) -> Floats:
    """Share of each outline that is an edge [n], half of it that of the weakest side."""
    height, width = across.shape
    near = [_widen(across, 1), _widen(np.ascontiguousarray(down.T), 1).T]  # one pixel beside still counts
    at = np.linspace(0.04, 0.96, _SAMPLES, dtype=np.float32)[None, :, None]
    sides = []
    for start, end, edges in ((0, 1, near[1]), (1, 2, near[0]), (2, 3, near[1]), (3, 0, near[0])):
        points = np.rint(quads[:, None, start] * (1 - at) + quads[:, None, end] * at).astype(np.intp)
        values = edges[points[..., 1].clip(0, height - 1), points[..., 0].clip(0, width - 1)]
        sides.append((values > 0.35).mean(1))
    return np.asarray(0.5 * np.min(sides, 0) + 0.5 * np.mean(sides, 0), np.float32)


def _widen(edges: Floats, reach: int) -> Floats:
    padded = np.pad(edges, ((0, 0), (reach, reach)))
    widest: Floats = np.maximum.reduce([padded[:, i : i + edges.shape[1]] for i in range(2 * reach + 1)])
    return widest
