"""Masks over pictures: what the search for slices on a screen and for stripes in a photo both need."""

import numpy as np
from numpy.typing import NDArray


def dilated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` [H, W] and the eight neighbours of each of its pixels."""
    padded = np.pad(mask, 1)
    across = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    return np.asarray(across[:-2] | across[1:-1] | across[2:])
