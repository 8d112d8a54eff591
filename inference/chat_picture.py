"""The picture that goes into the chat: what was sent, above the same with its heat map and the scale, for a phone.

Stacked, since side by side each panel would be 145 px wide on a phone. Where no spot stood out there is one panel that
says so, instead of the same picture twice.
"""

import io
import math
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inference.analysis import JudgedCell, PictureWords
from inference.decode.imaging import encode_jpeg
from inference.explain import color_bar

BUBBLE_WIDTH, BUBBLE_HEIGHT = 300, 560
"""CSS pixels that a chat on such a phone gives a picture at most; a tall one is made narrower to fit."""
TEXT_ON_PHONE: Final = 13
"""Size of the letters there, in CSS pixels."""
LINE: Final = 1.9
"""Height of a line, in sizes of its letters."""
FAINTEST: Final = 10.0
"""Mean difference (0..255) of an 8 x 8 block between picture and overlay from which on something is seen to be hot."""
_PAPER = (24, 26, 30)
_INK = (225, 228, 232)
_GAP = 8
_APART = 24  # between pictures whose titles stand side by side: these must not be read as one
_MIN_WIDTH = 480  # below that the words would not fit beside the bar
_SHORTEST_BAR = 4  # in sizes of the letters: a shorter one would show no steps
_HALF = 480
_SMALL, _ACROSS = 300, 3
_CLOSE, _TITLE_LINES = 1.4, 2  # height of a line of a title, in sizes of its letters, and how many one may take
_MAX_ENLARGED = 480  # a narrow strip is not enlarged beyond this height
MOST_CELLS: Final = 6
"""So many white cells are shown large, those that counted most."""
_AROUND = 2.2  # radii of the nucleus from its middle to the edge of a cell's square: its body and a little beside
_LEAST_SHOWN = 12  # pixels of the picture that a cell's square covers at least


Part: TypeAlias = tuple[Path, str, bool]
"""A stretch of a line: the file of its font, its text, and whether its letters join or change places."""
Typeset: TypeAlias = Callable[[str, float, float, int], Sequence[Sequence[Part]]]
"""(words, size, width, most lines) to lines, each in parts from left to right as it is seen."""


def compose_chat_picture(
    original: bytes,
    overlay: bytes,
    words: PictureWords,
    font: Path | None = None,
    cells: Sequence[JudgedCell] = (),
) -> bytes:
    """Compose the canvas: ``original`` above ``overlay`` with titles and the colour bar; one panel when nothing is hot.

    Of the ``cells`` of a smear those that look unusual stand below, large. ``font`` is a TrueType file for other
    scripts; without it Pillow's own is used. Words that read from right to left stand on the right, and the bar is
    mirrored as in the PDF. JPEG in, JPEG out, no metadata.
    """
    picture, heat_map = (_opened(data) for data in (original, overlay))
    is_hot = stands_out(picture, heat_map)
    panels = [(words.sent, picture), (words.heat_map, heat_map)] if is_hot else [(words.sent, picture)]
    below = (words.none, words.strong) if is_hot else (words.nothing_stood_out,)
    width = max(picture.width, _MIN_WIDTH)
    size = _panel_size(picture, width)
    strip = _cell_strip(picture, cells, width) if is_hot else None
    height = len(panels) * size[1] + (strip.height + _GAP if strip else 0)
    titles = [title for title, _ in panels] + ([words.cells] if strip else [])
    letters = load_font(font, readable_size(width, height, len(titles) + 1))
    line = round(letters.size * LINE)
    width = max(width, *(_needed((title,), letters) for title in titles), _needed(below, letters))
    canvas = Image.new("RGB", (width, height + line * (len(titles) + 1)), _PAPER)
    draw, top = ImageDraw.Draw(canvas), 0
    for title, panel in panels:
        write_title(draw, 0, width, top + line / 2, title, letters)
        shown = panel.resize(size, Image.Resampling.BICUBIC) if panel.size != size else panel
        canvas.paste(shown, ((width - size[0]) // 2, top + line))
        top += line + size[1]
    if is_hot:
        draw_bar(canvas, top + line / 2, words, letters)
    else:
        write_title(draw, 0, width, top + line / 2, words.nothing_stood_out, letters)
    if strip:
        write_title(draw, 0, width, top + line * 1.5, words.cells, letters)
        canvas.paste(strip, ((width - strip.width) // 2, top + 2 * line))
    return encode_jpeg(canvas)


def _panel_size(picture: Image.Image, width: int) -> tuple[int, int]:
    """How large a panel is on a canvas of this width: as large as fits, and nothing narrow is made very high."""
    scale = max(1.0, min(width / picture.width, _MAX_ENLARGED / picture.height))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def readable_size(width: int, height: int, lines: int) -> int:
    """Size (pixels) of letters that ``TEXT_ON_PHONE`` asks for in a chat's bubble.

    ``width`` is the canvas's; ``height`` that of all panels, to which ``lines`` lines of these letters are added.
    """
    by_width = TEXT_ON_PHONE * width / BUBBLE_WIDTH
    by_height = TEXT_ON_PHONE * height / (BUBBLE_HEIGHT - TEXT_ON_PHONE * LINE * lines)
    return math.ceil(max(by_width, by_height))


def _needed(words: Sequence[str], font: ImageFont.FreeTypeFont) -> int:
    """Width (pixels) of a line that holds one title, or two words with the bar between them."""
    bar = 4 * _GAP + _SHORTEST_BAR * font.size if len(words) > 1 else 0
    return math.ceil(sum(font.getlength(word) for word in words) + 2 * _GAP + bar)


def cells_that_counted(cells: Sequence[JudgedCell]) -> list[JudgedCell]:
    """Of the cells that look unusual those that say most, the first one most: at most ``MOST_CELLS``."""
    return sorted((cell for cell in cells if cell.unusual), key=lambda cell: -cell.heat)[:MOST_CELLS]


def cell_strip(original: bytes, cells: Sequence[JudgedCell], width: int = 1000) -> bytes | None:
    """The cells that counted most, cut out of the picture and enlarged, in one row: JPEG; None when there are none.

    ``width`` (pixels) holds ``MOST_CELLS`` of them; fewer take less.
    """
    strip = _cell_strip(Image.open(io.BytesIO(original)).convert("RGB"), cells, width)
    return encode_jpeg(strip) if strip else None


def _cell_strip(picture: Image.Image, cells: Sequence[JudgedCell], width: int) -> Image.Image | None:
    shown = cells_that_counted(cells)
    if not shown:
        return None
    side = (width - _GAP) // MOST_CELLS - _GAP
    strip = Image.new("RGB", (_GAP + len(shown) * (side + _GAP), side), _PAPER)
    for number, cell in enumerate(shown):
        reach = max(_AROUND * cell.radius * max(picture.size), _LEAST_SHOWN / 2)
        across = min(2 * round(reach), *picture.size)
        # A square that would reach beyond the picture is moved into it: what it shows instead is blood, not black.
        left = min(max(round(cell.x * picture.width - reach), 0), picture.width - across)
        top = min(max(round(cell.y * picture.height - reach), 0), picture.height - across)
        square = picture.crop((left, top, left + across, top + across)).resize((side, side), Image.Resampling.BICUBIC)
        strip.paste(square, (_GAP + number * (side + _GAP), 0))
    return strip


def side_by_side(panels: Sequence[bytes], lines: Sequence[str], typeset: Typeset) -> bytes:
    """Two scans beside each other: two ``panels`` (picture, overlay) and two ``lines`` of each.

    The first stands where its reader begins: on the right where one reads leftward. Each is made to fit its half;
    nothing is stretched, for two scans are rarely of one size. Words that are wider than a half go on in the next
    line. JPEG in and out.
    """
    shown = [_fitted(_opened(data), _HALF) for data in panels]
    rows = [max(shown[0].height, shown[2].height), max(shown[1].height, shown[3].height)]
    width = 2 * _HALF + 2 * _GAP + _APART
    size = readable_size(width, sum(rows) + 3 * _GAP, 2 * _TITLE_LINES)
    titles = [[one for words in lines[n : n + 2] for one in typeset(words, size, _HALF, _TITLE_LINES)] for n in (0, 2)]
    head = round(size * _CLOSE) * max(map(len, titles))
    canvas = Image.new("RGB", (width, head + sum(rows) + 3 * _GAP), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for half, title in enumerate(titles):
        left, top = _GAP + _column(half, 2, lines[0]) * (_HALF + _APART), head + _GAP
        _write_lines(draw, (left, _GAP), _HALF, title, size, reads_leftward(lines[0]))
        for number in (0, 1):
            panel = shown[2 * half + number]
            canvas.paste(panel, (left + (_HALF - panel.width) // 2, top + (rows[number] - panel.height) // 2))
            top += rows[number] + _GAP
    return encode_jpeg(canvas)


def sheet(panels: Sequence[tuple[str, Image.Image]], words: PictureWords, font: Path | None = None) -> bytes:
    """Titled panels (RGB), two in a row where there is more than one, above the colour bar. JPEG, no metadata."""
    across = min(2, len(panels))
    rows = -(-len(panels) // across)
    width = across * (_HALF + _GAP) + _GAP
    letters = load_font(font, readable_size(width, rows * _HALF, rows + 1))
    line = round(letters.size * LINE)
    canvas = Image.new("RGB", (width, rows * (line + _HALF) + line), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (title, panel) in enumerate(panels):
        left = _GAP + _column(number, across, panels[0][0]) * (_HALF + _GAP)
        top = number // across * (line + _HALF)
        write_title(draw, left - _GAP, left + _HALF, top + line / 2, _cut(title, _HALF - _GAP, letters), letters)
        fitted = _fitted(panel, _HALF)
        canvas.paste(fitted, (left + (_HALF - fitted.width) // 2, top + line + (_HALF - fitted.height) // 2))
    draw_bar(canvas, canvas.height - line / 2, words, letters)
    return encode_jpeg(canvas)


def thumbnails(panels: Sequence[bytes], titles: Sequence[str], typeset: Typeset) -> bytes:
    """Pictures on one sheet, ``_ACROSS`` in a row, each under its title. JPEG in and out."""
    across = min(_ACROSS, len(panels))
    down = -(-len(panels) // _ACROSS)
    width = across * (_SMALL + _APART) - _APART + 2 * _GAP
    size = readable_size(width, down * (_SMALL + _GAP), down * _TITLE_LINES)
    line = round(size * _CLOSE)
    broken = [typeset(title, size, _SMALL, _TITLE_LINES) for title in titles]
    rows = [broken[n : n + _ACROSS] for n in range(0, len(broken), _ACROSS)]
    heads = [line * max(map(len, row)) for row in rows]
    canvas = Image.new("RGB", (width, sum(heads) + down * (_SMALL + _GAP) + _GAP), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (data, title) in enumerate(zip(panels, broken, strict=True)):
        row = number // _ACROSS
        left, head = _GAP + _column(number, across, titles[0]) * (_SMALL + _APART), heads[row]
        top = _GAP + sum(heads[:row]) + row * (_SMALL + _GAP)
        at = (left, top + head - line * len(title))
        _write_lines(draw, at, _SMALL, title, size, reads_leftward(titles[number]))
        panel = _fitted(_opened(data), _SMALL)
        canvas.paste(panel, (left + (_SMALL - panel.width) // 2, top + head + (_SMALL - panel.height) // 2))
    return encode_jpeg(canvas)


def _column(number: int, across: int, words: str) -> int:
    """The column, counted from the left, of a numbered panel: the first stands where ``words`` begin."""
    column = number % across
    return across - 1 - column if reads_leftward(words) else column


def _opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # which would copy what is RGB already


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """A picture in a square of ``side`` pixels, its shape kept."""
    scale = min(side / picture.width, side / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _cut(words: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """Words that are wider than ``width`` pixels end in an ellipsis."""
    if font.getlength(words) <= width:
        return words
    kept = next((n for n in range(len(words), 0, -1) if font.getlength(f"{words[:n]}…") <= width), 0)
    return f"{words[:kept]}…"


def _write_lines(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    width: int,
    lines: Sequence[Sequence[Part]],
    size: int,
    mirrored: bool,
) -> None:
    """Write lines from the point ``at`` on, or up to ``width`` pixels to the right of it when ``mirrored``."""
    for number, line in enumerate(lines):
        drawn = [(_face(file, size, shaped), text) for file, text, shaped in line]
        left = at[0] + (width - sum(face.getlength(text) for face, text in drawn) if mirrored else 0)
        for face, text in drawn:
            draw.text((left, at[1] + size * _CLOSE * (number + 0.75)), text, fill=_INK, font=face, anchor="ls")
            left += face.getlength(text)


@cache
def _face(file: Path, size: int, shaped: bool) -> ImageFont.FreeTypeFont:
    """A font whose letters join where they do in writing; the others stand one after the other, as they are given."""
    return ImageFont.truetype(str(file), size, layout_engine=None if shaped else ImageFont.Layout.BASIC)


def stands_out(picture: Image.Image, heat_map: Image.Image) -> bool:
    """Whether the overlay differs anywhere by more than what saving both as JPEG does."""
    small = [np.asarray(panel.reduce(8), np.float32) for panel in (picture, heat_map)]
    apart = np.abs(small[0] - small[1])
    return bool((apart[..., 0] + apart[..., 1] + apart[..., 2]).max() >= 3 * FAINTEST)


def reads_leftward(words: str) -> bool:
    """Whether words are of a script that is read from right to left; their first letter tells."""
    strong = (unicodedata.bidirectional(letter) for letter in words)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def write_title(
    draw: ImageDraw.ImageDraw, left: float, right: float, middle: float, title: str, font: ImageFont.FreeTypeFont
) -> None:
    """Write a title where its reader begins: from ``left``, or up to ``right`` when it is read leftward."""
    at, anchor = (right - _GAP, "rm") if reads_leftward(title) else (left + _GAP, "lm")
    draw.text((at, middle), title, fill=_INK, font=font, anchor=anchor)


def draw_bar(canvas: Image.Image, middle: float, words: PictureWords, font: ImageFont.FreeTypeFont) -> None:
    """Write the first word, the bar and the second word on one line of the canvas, mirrored for a leftward script."""
    draw = ImageDraw.Draw(canvas)
    mirrored = reads_leftward(words.none)
    left, right = (words.strong, words.none) if mirrored else (words.none, words.strong)
    draw.text((_GAP, middle), left, fill=_INK, font=font, anchor="lm")
    draw.text((canvas.width - _GAP, middle), right, fill=_INK, font=font, anchor="rm")
    start = 3 * _GAP + round(draw.textlength(left, font))
    end = canvas.width - 3 * _GAP - round(draw.textlength(right, font))
    thickness = max(8, round(font.size * 0.7))
    if end - start >= 2 * thickness:
        bar = color_bar(end - start, thickness)
        bar = bar.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else bar
        canvas.paste(bar, (start, round(middle - thickness / 2)))


@cache
def load_font(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    """Open a TrueType file, or the font that Pillow carries, at a size in pixels."""
    if path is not None:
        return ImageFont.truetype(str(path), size)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("this build of Pillow has no FreeType: install Pillow's wheel, or name a font")
    return font
