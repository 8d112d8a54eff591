"""Which way up does a head lie in its picture? Edges and levels of a small picture tell, weighed by a small net.

The net gives one score to how upright a picture looks, and is asked of all four turns: what it says of a picture that
was turned is what it says of the upright one, turned. Its features turn with the picture, so they are measured once.
NumPy and Pillow only.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.arrays import misfit, read_arrays
from inference.card import Input
from inference.preprocess import place
from inference.registry import Entry

UPRIGHT_FILE: Final = "upright.npz"
SIDE: Final = 64
"""Side, in pixels, of the square around the head that is looked at."""
CELLS: Final = 8
"""The square has so many cells a side, in each of which the directions of edges are counted."""
DIRECTIONS: Final = 8
"""An even number, so that a quarter turn takes each direction to another one."""
LEVELS: Final = 16
"""The levels are averaged to so many places a side."""
TURNS: Final = 4
FEATURES: Final = CELLS * CELLS * DIRECTIONS + LEVELS * LEVELS
SPEC: Final = Input(side=SIDE, channels=1, normalisation="percentile", crop="head")
_LOOKED_AT: Final = 2 * SIDE
"""A picture is thinned to a long side of at least this before the head is looked for: more takes time alone."""
_BLUNT: Final = 0.4
"""Share of an edge that is taken from what it gives to each direction, so that only near ones get something."""
Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class UprightNet:
    """One hidden layer over the features of a picture, as ``training.fit.upright`` fits it."""

    centre: Floats
    """[FEATURES]: the mean of the training pictures in all turns."""
    scale: Floats
    """[FEATURES]."""
    weights: Floats
    """[FEATURES, H]."""
    biases: Floats
    """[H]."""
    output: Floats
    """[H]."""

    @classmethod
    def load(cls, entry: Entry) -> Self | None:
        """Open an organ's ``upright.npz``; None when its card has none. Raises ModelError when it does not fit."""
        names = ("centre", "scale", "weights", "biases", "output")
        arrays = read_arrays(entry.folder, entry.card, UPRIGHT_FILE, names)
        if arrays is None:
            return None
        net = cls(**{name: arrays[name].astype(np.float32) for name in names})
        hidden = net.biases.shape[:1]
        shapes = [(FEATURES,), (FEATURES,), (FEATURES, *hidden), hidden, hidden]
        values = [net.centre, net.scale, net.weights, net.biases, net.output]
        fits = all(v.shape == shape and np.isfinite(v).all() for v, shape in zip(values, shapes, strict=True))
        if not fits or not net.scale.all():
            raise misfit(entry.folder / UPRIGHT_FILE)
        return net

    def turns(self, rgb: Rgb) -> NDArray[np.float64]:
        """The probability [4] that a picture (H x W x 3) is upright once it is turned left by 0, 1, 2, 3 quarters."""
        return self.of_features(measure(head_square(rgb)))

    def of_features(self, features: Floats) -> NDArray[np.float64]:
        """The same of what was measured [FEATURES]; both a picture and its mirror image have a say."""
        hidden = np.maximum(((features[LAID] - self.centre) / self.scale) @ self.weights + self.biases, 0)
        scores = (hidden @ self.output).reshape(2, TURNS).mean(0).astype(np.float64)
        powers = np.exp(scores - scores.max())
        return np.asarray(powers / powers.sum(), np.float64)


def head_square(rgb: Rgb) -> Floats:
    """The square around the head [SIDE, SIDE] in 0..1 of a picture (H x W x 3)."""
    step = max(1, max(rgb.shape[:2]) // _LOOKED_AT)
    return np.minimum(place(np.ascontiguousarray(rgb[::step, ::step]), SPEC)[0][0, ..., 0], 1)


def measure(square: Floats) -> Floats:
    """The features [FEATURES] of a square [SIDE, SIDE] in 0..1: edges by cell and direction, then levels by place.

    Edges are counted as in Dalal & Triggs 2005, against those of the cells around.
    """
    padded = np.pad(square, 1, mode="edge")
    across, down = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    across_2, down_2 = across * across, down * down
    strength = np.sqrt(across_2 + down_2) + np.float32(1e-6)
    # By the double angle both sides of an edge are one direction.
    cosine, sine = (across_2 - down_2) / strength, 2 * across * down / strength
    angles = 2 * np.pi * np.arange(DIRECTIONS, dtype=np.float32)[:, None, None] / DIRECTIONS
    near = np.cos(angles) * cosine + np.sin(angles) * sine - np.float32(_BLUNT) * strength
    width = SIDE // CELLS
    edges = np.maximum(near, 0).reshape(DIRECTIONS, CELLS, width, CELLS, width).sum((2, 4))
    energy = np.sqrt((edges * edges).sum(0))
    wide = np.pad(energy, 1)
    around = sum(wide[y : y + CELLS, x : x + CELLS] for y in range(3) for x in range(3)) / 9
    edges = np.sqrt(edges / (around + 0.5 * energy.mean() + np.float32(1e-3)))
    width = SIDE // LEVELS
    levels = square.reshape(LEVELS, width, LEVELS, width).mean((1, 3))
    return np.concatenate([edges.transpose(1, 2, 0).ravel(), levels.ravel()])


def _laid() -> NDArray[np.intp]:
    """Where features lie once their square is turned left by 0 to 3 quarters, then in the mirror images of these."""
    edges = np.arange(CELLS * CELLS * DIRECTIONS).reshape(CELLS, CELLS, DIRECTIONS)
    levels = np.arange(edges.size, FEATURES).reshape(LEVELS, LEVELS)
    laid = [
        (np.rot90(np.roll(edges, quarters % 2 * DIRECTIONS // 2, -1), quarters), np.rot90(levels, quarters))
        for quarters in range(TURNS)
    ]
    laid += [(one[:, ::-1, -np.arange(DIRECTIONS) % DIRECTIONS], other[:, ::-1]) for one, other in laid]
    return np.stack([np.r_[one.ravel(), other.ravel()] for one, other in laid])


LAID: Final = _laid()
"""[2 * TURNS, FEATURES]: see ``_laid``."""
