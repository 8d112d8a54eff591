"""A picture becomes the tensor that a model reads; training and serving share this code (NumPy and Pillow only)."""

import math
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
_FOREGROUND = 0.1
"""Share of the brightest, from the darkest on, above which a pixel is no background."""
_CROP_FROM = 2.0
"""A picture is brought to this many times the model's side before the head is looked for."""
_TISSUE = 0.12
"""Level, in units of the 99th percentile of the foreground, above which a pixel may be tissue."""
_LEAST_TISSUE = 0.02
"""Share of a row or column that is tissue, at least, where the head is."""
_LEAST_HEAD = 10
"""Pixels: where less than this is found, all of the picture is read."""
_AIR = 0.03
"""What is left around the head, as a share of its longer side."""


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


@dataclass(frozen=True, slots=True)
class Placement:
    """Which part of a picture a model reads, and where that lies in its square."""

    crop: tuple[int, int, int, int]
    """(left, top, right, bottom) in pixels of the picture."""
    box: Letterbox


def whole(width: int, height: int, side: int) -> Placement:
    """All of a picture in a square of ``side`` pixels."""
    return Placement((0, 0, width, height), letterbox_geometry(width, height, side))


def tensor(picture: NDArray[np.uint8], spec: Input) -> NDArray[np.float32]:
    """Letterbox ``picture`` (H x W x 3, RGB) and normalise it as ``spec`` says: [1, side, side, channels] float32.

    Raises ValueError when the picture is not uint8 H x W x 3, or when a model's own files are needed: ``Model.tensor``.
    """
    if spec.textures:
        raise ValueError("textures of cells are read by a file beside the model: ask the model for its tensor")
    if spec.normalisation == "cells":
        return measures.tensor(picture)
    return place(picture, spec)[0]


def place(picture: NDArray[np.uint8], spec: Input) -> tuple[NDArray[np.float32], Placement]:
    """As ``tensor``, and which part of the picture lies where: all of it, or with ``crop`` "head" what has tissue."""
    if spec.crop == "head":
        levels, placement = _head(picture, spec.side)
    else:
        resized, box = resize(picture, spec.side, spec.channels)
        levels = normalise(resized, spec.normalisation)
        placement = Placement((0, 0, picture.shape[1], picture.shape[0]), box)
    box = placement.box
    square = np.zeros((1, spec.side, spec.side, spec.channels), np.float32)
    square[0, box.top : box.top + box.height, box.left : box.left + box.width] = levels
    return square, placement


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
    foreground = pixels[pixels > low + _FOREGROUND * (float(pixels.max()) - low)]
    return _between(pixels, low, float(np.percentile(foreground, 99)) if foreground.size else low)


def _between(pixels: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    scaled = (pixels - low) / max(high - low, 1 / 255)
    return np.asarray(np.clip(scaled, 0, MAX_LEVEL), np.float32)


def _percentile_by_value(image: Image.Image) -> NDArray[np.float32]:
    """What ``_percentile`` makes of each value (0..255) of an 8-bit grey picture: [256].

    Pixels are counted instead of sorted, which is several times as fast and gives the same to the last bit.
    """
    values = np.arange(256, dtype=np.float32) / np.float32(255)
    counts = np.array(image.histogram())
    low = _counted_percentile(values, counts, 1)
    highest = float(values[np.flatnonzero(counts)[-1]])
    foreground = np.where(values > low + _FOREGROUND * (highest - low), counts, 0)
    return _between(values, low, _counted_percentile(values, foreground, 99) if foreground.any() else low)


def _counted_percentile(values: NDArray[np.float32], counts: NDArray[np.intp], share: int) -> float:
    """``np.percentile`` of ascending ``values``, each as often as ``counts`` says: its linear method, in float32."""
    upto = np.cumsum(counts)
    place = float(upto[-1] - 1) * (share / 100)
    before = math.floor(place)
    at = np.minimum([before, before + 1], upto[-1] - 1)
    one, other = values[np.searchsorted(upto, at, side="right")]
    part = place - before
    return float(other - (other - one) * (1 - part) if part >= 0.5 else one + (other - one) * part)


def _stain(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    background = np.percentile(pixels, 90, axis=(0, 1)).clip(1 / 8, 1)
    density = -np.log(np.clip(pixels, 1 / 255, 1) / background)
    # The floor keeps an empty field empty instead of stretching its noise.
    densest = np.percentile(density, 99.5, axis=(0, 1)).clip(0.25, None)
    return np.asarray(np.clip(density / densest, 0, MAX_DENSITY), np.float32)


def _head(picture: NDArray[np.uint8], side: int) -> tuple[NDArray[np.float32], Placement]:
    """Percentile levels [h, w, 1] (0..``MAX_LEVEL``) of the box around the head, long side ``side``, and its place."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise ValueError(f"expected uint8 H x W x 3, got {picture.dtype} {picture.shape}")
    image = Image.fromarray(picture).convert("L")
    full = max(image.size)
    if full > _CROP_FROM * side:
        scale = _CROP_FROM * side / full
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels = _percentile_by_value(image)
    tissue = np.asarray(image) >= np.count_nonzero(levels <= _TISSUE)  # levels rise with the values
    left, top, right, bottom = head_box(tissue)
    box = letterbox_geometry(right - left, bottom - top, side)
    # In 8 bits Pillow's resampling is several times as fast, and the training pictures are kept so, too.
    small = image.point(np.rint(levels * (255 / MAX_LEVEL)).astype(np.uint8).tolist()).resize(
        (box.width, box.height), Image.Resampling.BILINEAR, (left, top, right, bottom), reducing_gap=2.0
    )
    across, down = picture.shape[1] / image.width, picture.shape[0] / image.height
    crop = (round(left * across), round(top * down), round(right * across), round(bottom * down))
    return np.asarray(small, np.float32)[..., None] * np.float32(MAX_LEVEL / 255), Placement(crop, box)


def head_box(tissue: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the head where ``tissue`` [h, w] is, with a little air; marks beside it are out."""
    height, width = tissue.shape
    across = _longest(np.count_nonzero(tissue, 0) / height > _LEAST_TISSUE)
    down = _longest(np.count_nonzero(tissue, 1) / width > _LEAST_TISSUE)
    if min(across[1] - across[0], down[1] - down[0]) < _LEAST_HEAD:
        return 0, 0, width, height
    (left, right), (top, bottom) = across, down
    air = int(_AIR * max(right - left, bottom - top))
    return max(0, left - air), max(0, top - air), min(width, right + air), min(height, bottom + air)


def _longest(filled: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and end of the longest stretch of ``filled`` [N] whose gaps are at most a fiftieth of all."""
    at = np.flatnonzero(filled)
    if not len(at):
        return 0, 0
    breaks = np.flatnonzero(np.diff(at) > max(1, len(filled) // 50) + 1)
    starts, ends = at[np.r_[0, breaks + 1]], at[np.r_[breaks, len(at) - 1]] + 1
    best = int((ends - starts).argmax())
    return int(starts[best]), int(ends[best])
