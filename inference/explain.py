"""The heat map as people see it: a class map taken back to the picture, blended over it, with its colour bar.

The scale is fixed by the model card and never stretched per picture: where there is no evidence there is no colour.
"""

import io
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.decode.bit_depth import to_levels
from inference.decode.imaging import encode_jpeg
from inference.preprocess import letterbox_geometry

STOPS: Final = (
    (179, 50, 90), (198, 61, 77), (215, 75, 63), (229, 92, 48), (240, 111, 32), (247, 132, 16), (251, 155, 6),
    (252, 180, 24), (248, 205, 55), (242, 230, 97), (245, 249, 146),
)  # fmt: skip
"""Colours (RGB) from faint to full heat: the upper part of "inferno" (van der Walt & Smith 2015, CC0), whose lightness
rises evenly, so that it reads in grey and for colour-blind people too; without its violet, which is the colour of
stained nuclei."""
FULL_ALPHA: Final = 0.78
"""Opacity at full heat: the picture stays visible below."""

_PAPER = (24, 26, 30)
_INK = (225, 228, 232)
_BAR_GROUND = (96, 96, 96)  # the colour bar lies on a middle grey, as the heat lies on tissue
_GAP = 8
_MIN_PANEL = 280  # below that the words of the bar would not fit


def heat(class_map: NDArray[np.float32], full_scale: float) -> NDArray[np.float32]:
    """Positive part of a class map in units of the card's full scale, 0..1 (h x w): the ReLU of Grad-CAM."""
    scaled: NDArray[np.float32] = np.clip(class_map / full_scale, 0, 1).astype(np.float32)
    return scaled


def heat_image(values: NDArray[np.float32], side: int, size: tuple[int, int]) -> Image.Image:
    """Take heat (h x w over the letterboxed square of ``side`` pixels) back to a picture of ``size``: 8-bit grey."""
    box = letterbox_geometry(*size, side).crop(values.shape[0])
    return Image.fromarray(to_levels(values)).resize(size, Image.Resampling.BICUBIC, box=box)


def overlay(picture: Image.Image, heat_map: Image.Image) -> Image.Image:
    """Lay the heat over an RGB picture of the same size; where the heat is 0 the pixels are untouched."""
    palette, opacity = _tables()
    colours = heat_map.copy()
    colours.putpalette(palette)
    blended = picture.copy()
    blended.paste(colours.convert("RGB"), mask=heat_map.point(opacity))
    return blended


def color_bar(width: int, height: int) -> Image.Image:
    """Draw the scale from no heat (left) to full heat (right), with the opacity that it has on a picture."""
    ramp = np.tile(np.linspace(0, 255, width).round().astype(np.uint8), (height, 1))
    return overlay(Image.new("RGB", (width, height), _BAR_GROUND), Image.fromarray(ramp))


def side_by_side(
    original: bytes, blended: bytes, labels: tuple[str, str] = ("none", "strong"), font: Path | None = None
) -> bytes:
    """Compose the picture that goes into the chat: original, overlay, and the colour bar below the overlay.

    ``labels`` stand at the ends of the bar, in ``font`` (a TrueType file for other scripts) or in the one that Pillow
    carries. JPEG in, JPEG out, no metadata.
    """
    left, right = (Image.open(io.BytesIO(data)).convert("RGB") for data in (original, blended))
    if left.width < _MIN_PANEL:
        size = (_MIN_PANEL, max(1, round(left.height * _MIN_PANEL / left.width)))
        left, right = (panel.resize(size, Image.Resampling.BICUBIC) for panel in (left, right))
    width, height = left.size
    text = max(14, width // 28)
    strip = text * 2 + _GAP
    sheet = Image.new("RGB", (2 * width + _GAP, height + strip), _PAPER)
    sheet.paste(left, (0, 0))
    sheet.paste(right.resize(left.size) if right.size != left.size else right, (width + _GAP, 0))
    _draw_bar(sheet, (width + _GAP, height, 2 * width + _GAP, height + strip), labels, _font(font, text))
    return encode_jpeg(sheet)


def _draw_bar(
    sheet: Image.Image, area: tuple[int, int, int, int], labels: tuple[str, str], font: ImageFont.FreeTypeFont
) -> None:
    """Write the first label, the bar and the second label on one line into ``area`` (left, top, right, bottom)."""
    left, top, right, bottom = area
    middle = (top + bottom) / 2
    draw = ImageDraw.Draw(sheet)
    draw.text((left, middle), labels[0], fill=_INK, font=font, anchor="lm")
    draw.text((right - _GAP, middle), labels[1], fill=_INK, font=font, anchor="rm")
    start = left + round(draw.textlength(labels[0], font)) + 2 * _GAP
    end = right - round(draw.textlength(labels[1], font)) - 3 * _GAP
    thickness = max(8, (bottom - top) // 3)
    if end - start >= 2 * thickness:
        sheet.paste(color_bar(end - start, thickness), (start, round(middle - thickness / 2)))


@cache
def _tables() -> tuple[list[int], list[int]]:
    """Palette (768 numbers) and opacity (256 numbers) by level of heat."""
    levels = np.linspace(0, 1, 256)
    positions = np.linspace(0, 1, len(STOPS))
    channels = [np.interp(levels, positions, channel) for channel in np.transpose(STOPS)]
    palette = np.stack(channels, axis=1).round().astype(int).ravel()
    opacity = (255 * FULL_ALPHA * (1 - (1 - levels) ** 2)).round().astype(int)
    return palette.tolist(), opacity.tolist()


@cache
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    if path is not None:
        return ImageFont.truetype(str(path), size)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("this build of Pillow has no FreeType: install Pillow's wheel, or name a font")
    return font
