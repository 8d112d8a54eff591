"""Colours to sRGB by the profile that a picture brings: phones write Display P3, cameras Adobe RGB."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.decode.isolation import run_isolated
from inference.decode.limits import DECODER_ERRORS

_MOST_BYTES: Final = 4 * 1024 * 1024
_SIGNATURE: Final = slice(36, 40)
_SPACE: Final = slice(16, 20)
_MODES: Final = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_SRGB: Final = (b"sRGB", b"s\0R\0G\0B")
"""In the name of a profile that changes nothing, as ASCII or as UTF-16."""


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Convert ``image`` (RGB, L or CMYK) by ``profile``; without one that fits it comes back as it is."""
    if not isinstance(profile, bytes) or not 128 < len(profile) <= _MOST_BYTES or profile[_SIGNATURE] != b"acsp":
        return image
    if _MODES.get(profile[_SPACE]) != image.mode or any(name in profile for name in _SRGB):
        return image
    try:
        # A profile is a program of tables and curves from a stranger.
        return Image.fromarray(run_isolated(lambda: _converted(image, profile)))
    except DECODER_ERRORS:
        return image


def _converted(image: Image.Image, profile: bytes) -> NDArray[np.uint8]:
    from PIL import ImageCms

    target = ImageCms.createProfile("sRGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    how = ImageCms.Intent.RELATIVE_COLORIMETRIC
    done = ImageCms.profileToProfile(image, source, target, how, "RGB", flags=ImageCms.Flags.BLACKPOINTCOMPENSATION)
    if done is None:
        raise ValueError("no transform")
    return np.asarray(done)
