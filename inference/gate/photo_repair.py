"""What a photo of a screen or a film does to a slice, taken back as far as it can be: tint, raised black, glare, moiré.

NumPy and Pillow only.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.decode.masks import dilated

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

_SIDE: Final = 96
"""Long side of the picture in which the ground is looked for."""
_DARK: Final = 0.3
"""So much of the range above the darkest levels may be ground under glare."""
_LEAST_GROUND: Final = 0.05
"""Share of a picture from which on its dark part tells how the light falls."""
_LOW, _HIGH = 2.0, 99.8
"""Percentiles that become black and white."""
_MOST_COLOUR: Final = 9.0
"""Levels by which red and blue may depart from what green foretells, on the whole."""
_STRIPES: Final = (0.045, 0.45)
"""Cycles a pixel between which beats of two pixel grids lie; tissue has less there, and in no direction more."""
_STANDS_OUT: Final = 6.0
"""So many times the usual strength at its frequency makes a stripe."""


def repaired(rgb: Rgb) -> Rgb:
    """Bring a slice cut out of a photo (H x W x 3) to what it was: grey, its ground black, its white white."""
    grey = np.asarray(Image.fromarray(rgb).convert("L"), np.float32)
    grey = _without_stripes(grey)
    grey = grey - _ground(grey)
    low, high = np.percentile(grey, (_LOW, _HIGH))
    levels = np.clip((grey - low) / max(float(high - low), 1.0), 0, 1) * 255 + 0.5
    return np.repeat(levels.astype(np.uint8)[..., None], 3, 2)


def is_of_one_hue(rgb: Rgb) -> bool:
    """Whether a picture (H x W x 3) is grey but for the tint of a lamp or of a film: each colour follows from green."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX), np.float32).reshape(-1, 3)
    terms = np.stack([small[:, 1], np.ones(len(small), np.float32)], -1)
    found, *_ = np.linalg.lstsq(terms, small[:, [0, 2]], rcond=None)
    away = small[:, [0, 2]] - terms @ found
    return float(np.sqrt((away**2).mean())) < _MOST_COLOUR


def _ground(grey: Floats) -> Floats:
    """How light falls on the black of a picture: a plane through its dark pixels, found again without the lit ones."""
    height, width = grey.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX), np.float32)
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y], -1)
    low, high = np.percentile(small, (1, 99))
    plane = np.full(small.shape, low, np.float32)
    for reach in (_DARK, _DARK / 2, _DARK / 3):
        dark = small - plane < reach * (high - low)
        if dark.mean() < _LEAST_GROUND:
            return np.full(grey.shape, low, np.float32)
        found, *_ = np.linalg.lstsq(terms[dark], small[dark], rcond=None)
        plane = np.asarray(terms @ found, np.float32)
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR), np.float32)


def _without_stripes(grey: Floats) -> Floats:
    """Take out what repeats itself in one direction alone, as moiré does, and anatomy does not."""
    height, width = grey.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    mean = float(grey.mean())
    spectrum = np.fft.rfft2((grey - mean) * window)
    across, down = np.fft.rfftfreq(width)[None], np.fft.fftfreq(height)[:, None]
    radius = np.hypot(across, down)
    strength = np.log(np.abs(spectrum) + 1e-3)
    rings = np.minimum((radius * _RINGS).astype(np.intp), _RINGS - 1)
    counts = np.maximum(np.bincount(rings.ravel(), minlength=_RINGS), 1)
    usual = np.bincount(rings.ravel(), strength.ravel(), _RINGS) / counts
    is_stripe = (strength > usual[rings] + np.log(_STANDS_OUT)) & (radius > _STRIPES[0]) & (radius < _STRIPES[1])
    if not is_stripe.any():
        return grey
    whole = np.fft.rfft2(grey - mean)
    whole[dilated(is_stripe)] *= 0.1
    return np.asarray(np.fft.irfft2(whole, s=grey.shape) + mean, np.float32)


_RINGS: Final = 64
