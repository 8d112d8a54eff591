"""Whether there is enough light in a picture for anybody to make something out."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_DARK: Final = 36
"""Below this level (of 255) for 99 of 100 pixels nothing can be made out."""


def too_dark(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture (H x W x 3) is so dark that nobody could make anything out."""
    step = max(1, min(rgb.shape[:2]) // 128)
    return float(np.percentile(rgb[::step, ::step].max(-1), 99)) < _DARK
