"""Grey levels and colours of more than eight bits to the eight that are shown, by the range that they use."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_APART: Final = 0.2
"""By so much of the range of all else a value lies outside of it that stands for no measurement."""
_WHITE: Final = 255
_MOST: Final = (0.1, 99.9)
"""Percent between which values count."""


def stretch(
    values: NDArray[np.float32], ignored: NDArray[np.bool_] | None = None, *, inverted: bool = False
) -> NDArray[np.uint8]:
    """Bring deep grey values (H x W) to 0..255 by the range they use, leaving out one pixel in a thousand each way.

    ``inverted``: larger values are darker. Pixels that are ``ignored`` (padding), not finite, or filled with a value
    below zero (see ``low_filler``) don't count and become black.
    """
    counted = np.isfinite(values) if ignored is None else np.isfinite(values) & ~ignored
    counted &= values != low_filler(values[counted])
    if not counted.any():
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(values[counted], _MOST)
    if high <= low:
        low, high = float(values[counted].min()), float(values[counted].max())
    scaled = (np.where(counted, values, low) - low) / (high - low if high > low else 1.0)
    levels = 255 - to_levels(scaled) if inverted else to_levels(scaled)
    levels[~counted] = 0
    return levels


def low_filler(values: NDArray[Any]) -> float:
    """The one value below zero that fills what was not measured (-2000, -1024 ...); NaN, which equals none, without.

    ``values`` are finite, of any shape. Magnitudes begin at zero and CT at -1000 beside air, so that between a filler
    and what was measured there is nothing.
    """
    filler = float(values.min()) if values.size else 0.0
    return filler if filler < 0 and _is_apart(filler, values) else np.nan


def high_filler(values: NDArray[Any]) -> float:
    """The one deep value at a corner that fills what was not measured (32767, 65535 ...), far above all else; or NaN.

    ``values`` are of two axes or three. Letters that are burned in with such a value don't reach a corner, and the
    white of eight bits is paper.
    """
    filler = float(values.max()) if values.size else 0.0
    corners = values[np.ix_(*([0, -1] for _ in values.shape))]
    return filler if filler > _WHITE and (corners == filler).any() and _is_apart(filler, values) else np.nan


def _is_apart(filler: float, values: NDArray[Any]) -> bool:
    others = values[values != filler]
    if not others.size:
        return False
    low, high = (float(level) for level in np.percentile(others, _MOST))
    return low < high and max(low - filler, filler - high) > _APART * (high - low)


def by_bits_used(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of any depth to 0..255: by the bits that they use, or by their range when these are no whole numbers.

    Cameras and programs put twelve bits into sixteen; a stretch by the range would change the hue.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # by a table, in a fifth of the memory
        used = int(values.max()).bit_length()
        return np.asarray(to_levels(np.arange(2**used) / max(2**used - 1, 1))[values])
    values = np.nan_to_num(values.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        return to_levels(values / (1.0 if high <= 1 else 2 ** int(np.ceil(np.log2(high + 1))) - 1))
    return to_levels((values - low) / max(high - low, 1e-12))


def to_levels(fraction: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """0..1 (clipped) to 0..255; what is no number is black."""
    levels: NDArray[np.uint8] = (np.clip(np.nan_to_num(fraction), 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels
