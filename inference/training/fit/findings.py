"""Findings of other kinds, painted into healthy slices: bright or dark spots where brain is, with their outline.

Hardly any picture of such a finding is outlined, and all spots of multiple sclerosis are of one hospital. Painted ones
lie in every hospital's slices, so that what is learned is the spot and not the scanner (Schlüter et al. 2022).
"""

import numpy as np
from numpy.typing import NDArray

SPOTS = 6
"""So many spots at most."""
RADII = (2.2, 11.0)
"""Of a spot, in pixels of a cached picture."""
INNER = 0.72
"""Spots lie within an ellipse of this share of the head: inside the skull."""
TISSUE = 45
"""Levels from here on are brain rather than water or bone in most sequences."""
CONTRAST = (40.0, 120.0)
"""How many levels a spot differs from what is around it."""
BRIGHT = 0.75
"""Share of the pictures whose spots are bright (T2, FLAIR, with contrast) and not dark (T1)."""
LEAST_TISSUE = 300
"""A slice with fewer places for a spot gets none."""

Picture = NDArray[np.uint8]


def painted(picture: Picture, rng: np.random.Generator) -> tuple[Picture, Picture] | None:
    """``picture`` [S, S, 1] with spots, and their outline [S, S] (0 or 255); None where there is no room for any."""
    grey = picture[..., 0]
    places = _brain(grey)
    if len(places) < LEAST_TISSUE:
        return None
    side = grey.shape[0]
    soft = np.zeros((side, side), np.float32)
    biggest = rng.uniform(*np.log(RADII))
    for _ in range(rng.integers(1, SPOTS + 1)):
        y, x = places[rng.integers(len(places))]
        long = np.exp(rng.uniform(np.log(RADII[0]), biggest))
        short, turn = long * rng.uniform(0.5, 1.0), rng.uniform(0, np.pi)
        reach = int(2 * long + 3)
        window = tuple(slice(max(at - reach, 0), min(at + reach + 1, side)) for at in (y, x))
        ys, xs = np.ogrid[window]
        along = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn)
        across = (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
        ragged = 0.3 * rng.normal(size=along.shape)
        distance = np.sqrt((along / long) ** 2 + (across / short) ** 2)
        soft[window] = np.maximum(soft[window], _smooth((1 - distance - ragged) * short / 1.5 + 0.5))
    sign = 1 if rng.random() < BRIGHT else -1
    changed = grey + soft * sign * rng.uniform(*CONTRAST)
    outline = np.where(soft > 0.5, 255, 0).astype(np.uint8)
    return (changed.clip(0, 255).astype(np.uint8)[..., None], outline) if outline.any() else None


def _brain(grey: Picture) -> NDArray[np.intp]:
    """Where a spot may lie: (y, x) [N, 2] of tissue inside the skull."""
    head = grey > TISSUE
    rows, columns = np.flatnonzero(head.mean(1) > 0.03), np.flatnonzero(head.mean(0) > 0.03)
    if not len(rows) or not len(columns):
        return np.zeros((0, 2), np.intp)
    ys, xs = np.ogrid[: grey.shape[0], : grey.shape[1]]
    middle = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    reach = np.ptp(rows) / 2 * INNER + 1, np.ptp(columns) / 2 * INNER + 1
    inside = ((ys - middle[0]) / reach[0]) ** 2 + ((xs - middle[1]) / reach[1]) ** 2 <= 1
    return np.argwhere(head & inside)


def _smooth(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut to 0..1 and averaged over 3 x 3: a soft, ragged edge."""
    padded = np.pad(window.clip(0, 1), 1)
    high, wide = window.shape
    return np.asarray(sum(padded[i : i + high, k : k + wide] for i in range(3) for k in range(3)) / 9)
