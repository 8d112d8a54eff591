"""A picture becomes the tensor that a model reads; training and serving share this code (NumPy and Pillow only)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.card import Input
from inference.cells import measures

MAX_LEVEL = 1.25
"""Upper limit of the "percentile" tensor, in units of the 99th percentile of the foreground."""
MAX_DENSITY = 1.5
"""Upper limit of the "stain" tensor, in units of the densest stain of the picture."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies in the square that the model reads, in pixels of that square."""

    left: int
    top: int
    width: int
    height: int
    side: int

    def crop(self, map_side: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of the picture in a map of ``map_side`` cells over the same square, in cells."""
        scale = map_side / self.side
        return (
            self.left * scale,
            self.top * scale,
            (self.left + self.width) * scale,
            (self.top + self.height) * scale,
        )


def letterbox_geometry(width: int, height: int, side: int) -> Letterbox:
    """Place a picture of ``width`` x ``height`` centred in a square of ``side`` pixels without stretching it.

    The long side fills the square; the short side keeps at least one pixel. Raises ValueError on sizes below 1.
    """
    if min(width, height, side) < 1:
        raise ValueError(f"a picture needs at least one pixel each way, got {width}x{height} into {side}")
    scale = side / max(width, height)
    placed_width = min(side, max(1, round(width * scale)))
    placed_height = min(side, max(1, round(height * scale)))
    return Letterbox((side - placed_width) // 2, (side - placed_height) // 2, placed_width, placed_height, side)


def tensor(picture: NDArray[np.uint8], spec: Input) -> NDArray[np.float32]:
    """Letterbox ``picture`` (H x W x 3, RGB) and normalise it as ``spec`` says: [1, side, side, channels] float32.

    Raises ValueError when the picture is not uint8 H x W x 3.
    """
    if spec.normalisation == "cells":
        return measures.tensor(picture)
    resized, box = resize(picture, spec.side, spec.channels)
    normalised = normalise(resized, spec.normalisation)
    square = np.zeros((1, spec.side, spec.side, spec.channels), np.float32)
    square[0, box.top : box.top + box.height, box.left : box.left + box.width] = normalised
    return square


def resize(picture: NDArray[np.uint8], side: int, channels: int) -> tuple[NDArray[np.float32], Letterbox]:
    """Scale ``picture`` so that its long side is ``side``: (height x width x channels in 0..1, where it goes)."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ValueError(f"expected uint8 H x W x 3, got {picture.dtype} {picture.shape}")
    box = letterbox_geometry(picture.shape[1], picture.shape[0], side)
    image = Image.fromarray(picture)
    if channels == 1:
        image = image.convert("L")
    image = image.resize((box.width, box.height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels = np.asarray(image, np.float32).reshape(box.height, box.width, channels)
    return levels / np.float32(255), box


def normalise(pixels: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Bring pixels (h x w x c in 0..1) to the range that the model was trained on; the background becomes 0.

    "none" leaves them alone. "percentile" sets the 1st percentile to 0 and the 99th percentile of the foreground to 1
    (MRI brightness has no unit). "stain" takes the optical density against the picture's own background, channel by
    channel (Beer-Lambert: -log(I / I0)), so that lamp and stain strength say little.
    """
    if how == "none":
        return pixels
    if how == "percentile":
        return _percentile(pixels)
    if how == "stain":
        return _stain(pixels)
    raise ValueError(f"unknown normalisation {how!r}")


def _percentile(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    low = float(np.percentile(pixels, 1))
    foreground = pixels[pixels > low + 0.1 * (float(pixels.max()) - low)]
    high = float(np.percentile(foreground, 99)) if foreground.size else low
    scaled = (pixels - low) / max(high - low, 1 / 255)
    return np.asarray(np.clip(scaled, 0, MAX_LEVEL), np.float32)


def _stain(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    background = np.percentile(pixels, 90, axis=(0, 1)).clip(1 / 8, 1)
    density = -np.log(np.clip(pixels, 1 / 255, 1) / background)
    # The floor keeps an empty field empty instead of stretching its noise.
    densest = np.percentile(density, 99.5, axis=(0, 1)).clip(0.25, None)
    return np.asarray(np.clip(density / densest, 0, MAX_DENSITY), np.float32)
