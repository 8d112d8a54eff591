"""Deep grey values (12, 16 or 32 bits) to the eight bits that a screen shows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stretch(values: NDArray[np.float32], ignored: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Bring deep grey values (H x W) to 0..255 by the range they use, leaving out one pixel in a thousand each way.

    Pixels that are ``ignored`` (padding) or not finite don't count and become black.
    """
    counted = np.isfinite(values) if ignored is None else np.isfinite(values) & ~ignored
    if not counted.any():
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(values[counted], (0.1, 99.9))
    if high <= low:
        low, high = float(values[counted].min()), float(values[counted].max())
    scaled = (np.where(counted, values, low) - low) / (high - low if high > low else 1.0)
    return to_levels(scaled)


def to_levels(fraction: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """0..1 (clipped) to 0..255."""
    levels: NDArray[np.uint8] = (np.clip(fraction, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels
