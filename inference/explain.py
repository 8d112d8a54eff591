"""The heat map as people see it: a class map taken back to the picture, blended over it, with its colour bar.

The scale is fixed by the model card and never stretched per picture: where there is no evidence there is no colour.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.decode.bit_depth import to_levels
from inference.preprocess import Placement

STOPS: Final = (
    (179, 50, 90), (198, 61, 77), (215, 75, 63), (229, 92, 48), (240, 111, 32), (247, 132, 16), (251, 155, 6),
    (252, 180, 24), (248, 205, 55), (242, 230, 97), (245, 249, 146),
)  # fmt: skip
"""Colours (RGB) from faint to full heat: the upper part of "inferno" (van der Walt & Smith 2015, CC0), whose lightness
rises evenly, so that it reads in grey and for colour-blind people too; without its violet, which is the colour of
stained nuclei."""
FULL_ALPHA: Final = 0.78
"""Opacity at full heat: the picture stays visible below."""

HOT: Final = 128
"""Level of heat (0..255) from which on a spot is outlined: half of the scale."""
_LINE, _SHADOW = (255, 255, 255), (20, 20, 20)
_LINE_SHARE = 300  # side of a picture whose outline is one pixel thick, as on a phone's screen
_BAR_GROUND = (96, 96, 96)  # the colour bar lies on a middle grey, as the heat lies on tissue


def heat(class_map: NDArray[np.float32], full_scale: float) -> NDArray[np.float32]:
    """Positive part of a class map in units of the card's full scale, 0..1 (h x w): the ReLU of Grad-CAM."""
    scaled: NDArray[np.float32] = np.clip(class_map / full_scale, 0, 1).astype(np.float32)
    return scaled


def heat_image(values: NDArray[np.float32], place: Placement, size: tuple[int, int]) -> Image.Image:
    """Take heat (h x w over the square that a model read) back to a picture of ``size``: 8-bit grey.

    Outside the part of the picture that was read (``place.crop``) there is none.
    """
    left, top, right, bottom = place.crop
    read = Image.fromarray(to_levels(values)).resize(
        (right - left, bottom - top), Image.Resampling.BICUBIC, box=place.box.crop(values.shape[0])
    )
    if read.size == size:
        return read
    whole = Image.new("L", size)
    whole.paste(read, (left, top))
    return whole


def overlay(picture: Image.Image, heat_map: Image.Image) -> Image.Image:
    """Lay the heat over an RGB picture of the same size and outline the hot spots; where it is 0 nothing changes.

    The outline is white beside black: it is seen on any ground, by colour-blind people and in grey print.
    """
    blended = _blend(picture, heat_map)
    hot = np.asarray(heat_map) >= HOT
    if hot.any():
        thickness = max(1, round(max(picture.size) / _LINE_SHARE))
        down, across = (np.flatnonzero(hot.any(axis)) for axis in (1, 0))
        left, top = (max(0, int(lies[0]) - 2 * thickness) for lies in (across, down))
        hot = hot[top : int(down[-1]) + 2 * thickness + 1, left : int(across[-1]) + 2 * thickness + 1]
        around = _dilated(hot, thickness)
        for colour, where in ((_LINE, around & ~hot), (_SHADOW, _dilated(around, thickness) & ~around)):
            blended.paste(colour, (left, top, left + hot.shape[1], top + hot.shape[0]), Image.fromarray(where))
    return blended


def _blend(picture: Image.Image, heat_map: Image.Image) -> Image.Image:
    palette, opacity = _tables()
    blended = picture.copy()
    if warm := heat_map.getbbox():
        colours = heat_map.crop(warm)
        mask = colours.point(opacity)
        colours.putpalette(palette)
        blended.paste(colours.convert("RGB"), warm, mask)
    return blended


def _dilated(area: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """``area`` (H x W), and the pixels above, below, left and right of it added so many times."""
    for _ in range(times):
        wide = area.copy()
        wide[1:] |= area[:-1]
        wide[:-1] |= area[1:]
        wide[:, 1:] |= area[:, :-1]
        wide[:, :-1] |= area[:, 1:]
        area = wide
    return area


def color_bar(width: int, height: int) -> Image.Image:
    """Draw the scale from no heat (left) to full heat (right), with the opacity that it has on a picture."""
    ramp = np.tile(np.linspace(0, 255, width).round().astype(np.uint8), (height, 1))
    return _blend(Image.new("RGB", (width, height), _BAR_GROUND), Image.fromarray(ramp))


@cache
def _tables() -> tuple[list[int], list[int]]:
    """Palette (768 numbers) and opacity (256 numbers) by level of heat."""
    levels = np.linspace(0, 1, 256)
    positions = np.linspace(0, 1, len(STOPS))
    channels = [np.interp(levels, positions, channel) for channel in np.transpose(STOPS)]
    palette = np.stack(channels, axis=1).round().astype(int).ravel()
    opacity = (255 * FULL_ALPHA * (1 - (1 - levels) ** 2)).round().astype(int)
    return palette.tolist(), opacity.tolist()
