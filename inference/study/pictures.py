"""A study as people see it: its most telling slice large above its heat map, and all of it small below, numbered."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from inference.analysis import PictureWords
from inference.chat_picture import LINE, draw_bar, load_font, readable_size, stands_out, write_title
from inference.decode.imaging import encode_jpeg
from inference.explain import STOPS, overlay
from inference.study.study import Tile

COLUMNS: Final = 6
_PAPER, _INK, _GROUND = (24, 26, 30), (225, 228, 232), (0, 0, 0)
_MARK = STOPS[5]
"""The frame of a slice that agrees: the colour of half the heat, which is no alarm."""
_GAP = 6
_FRAME = 4
_WIDTH, _TALLEST = 1000, 620
"""Pixels: of the whole, and of each of the two large panels, so that both and the sheet fit a phone's screen."""


def blend(shown: bytes, heat: bytes) -> bytes:
    """Lay a kept heat map over its slice: JPEG of the slice's size."""
    return encode_jpeg(_blended(shown, heat))


def enlarge(shown: bytes, heat: bytes) -> bytes:
    """A kept heat map at the size of its slice: PNG, 8-bit grey."""
    size = Image.open(io.BytesIO(shown)).size
    buffer = io.BytesIO()
    Image.open(io.BytesIO(heat)).convert("L").resize(size, Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def _blended(shown: bytes, heat: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(shown)).convert("RGB")
    values = Image.open(io.BytesIO(heat)).convert("L").resize(picture.size, Image.Resampling.BICUBIC)
    return overlay(picture, values)


def contact_sheet(tiles: Sequence[Tile], width: int, font: Path | None = None, columns: int = COLUMNS) -> Image.Image:
    """Draw tiles in rows over ``width`` pixels; marked ones carry a frame and their heat map."""
    columns = min(columns, max(4, len(tiles)))
    side = (width - _GAP * (columns - 1)) // columns
    text = max(13, side // 6)
    rows = -(-len(tiles) // columns)
    canvas = Image.new("RGB", (width, rows * (side + _GAP) - _GAP), _PAPER)
    letters = load_font(font, text)
    for place, tile in enumerate(tiles):
        left, top = place % columns * (side + _GAP), place // columns * (side + _GAP)
        picture = _blended(tile.shown, tile.heat) if tile.marked else Image.open(io.BytesIO(tile.shown)).convert("RGB")
        canvas.paste(_boxed(picture, (side, side)), (left, top))
        draw = ImageDraw.Draw(canvas)
        if tile.marked:
            draw.rectangle((left, top, left + side - 1, top + side - 1), outline=_MARK, width=_FRAME)
        _write_number(draw, (left + _FRAME + 3, top + _FRAME + 1), str(tile.number), letters)
    return canvas


def _boxed(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Fit a picture into a box, its proportions kept, on black."""
    scale = min(size[0] / picture.width, size[1] / picture.height)
    fitted = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    box = Image.new("RGB", size, _GROUND)
    box.paste(
        picture.resize(fitted, Image.Resampling.BICUBIC), ((size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2)
    )
    return box


def _write_number(draw: ImageDraw.ImageDraw, at: tuple[int, int], number: str, letters: ImageFont.FreeTypeFont) -> None:
    draw.text(at, number, fill=_INK, font=letters, stroke_width=2, stroke_fill=_GROUND)


def study_picture(best: Tile, tiles: Sequence[Tile], words: PictureWords, font: Path | None = None) -> bytes:
    """Compose what goes into the chat: ``best`` above its heat map, then the contact sheet. JPEG, no metadata.

    ``words.sent`` names the slice.
    Where no spot of ``best`` stood out there is one panel that says so. ``font`` is a TrueType file for other scripts;
    without it Pillow's own is used.
    """
    shown = Image.open(io.BytesIO(best.shown)).convert("RGB")
    blended = _blended(best.shown, best.heat)
    is_hot = stands_out(shown, blended)
    panels = [(words.sent, shown), (words.heat_map, blended)] if is_hot else [(words.sent, shown)]
    small = contact_sheet(tiles, _WIDTH, font)
    height = min(_TALLEST, max(1, round(shown.height * _WIDTH / shown.width)))
    letters = load_font(font, readable_size(_WIDTH, len(panels) * height + small.height, len(panels) + 1))
    line = round(letters.size * LINE)
    canvas = Image.new("RGB", (_WIDTH, len(panels) * (line + height) + line + small.height), _PAPER)
    draw, top = ImageDraw.Draw(canvas), 0
    for title, picture in panels:
        write_title(draw, 0, _WIDTH, top + line / 2, title, letters)
        canvas.paste(_boxed(picture, (_WIDTH, height)), (0, top + line))
        top += line + height
    if is_hot:
        draw_bar(canvas, top + line / 2, words, letters)
    else:
        write_title(draw, 0, _WIDTH, top + line / 2, words.nothing_stood_out, letters)
    canvas.paste(small, (0, top + line))
    return encode_jpeg(canvas)
