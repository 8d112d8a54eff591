"""Draws counts as a picture for a phone: a column for each day, and lists of bars below. Pillow alone."""

import io
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from reports.data import ChartData, CountList, DayCounts
from reports.typefaces import FONTS, REGULAR, face_of, has_glyph

WIDTH: Final = 1080
"""Pixels; a phone shows them on about 390 of its own, so letters of 34 px are read there as 12."""
EDGE: Final = 48
PLOT: Final = 360
"""Height of the columns' field."""
TITLE, TEXT, LINE = 42, 32, 52
BASELINE: Final = 1.07
"""Of letters, below the top of their line, in their size: the same for all scripts."""
LABELS: Final = 380
"""Width of the words before a bar."""
PAPER, INK, QUIET, RULE = (255, 255, 255), (33, 43, 56), (92, 107, 122), (221, 227, 233)
COLOURS: Final = ((23, 84, 112), (126, 178, 201), (217, 178, 106), (178, 184, 190))
"""Of the names in the legend; told apart by their brightness too, so also without seeing colours."""


def draw_chart(data: ChartData) -> bytes:
    """PNG bytes of the chart. Raises ValueError for more names in the legend than there are colours."""
    if len(data.legend) > len(COLOURS):
        raise ValueError(f"a chart tells {len(COLOURS)} names apart at most, not {len(data.legend)}")
    rows = sum(len(part.rows) or 1 for part in data.lists)
    height = EDGE + 2 * LINE + PLOT + 3 * LINE + len(data.lists) * 2 * LINE + rows * LINE + EDGE
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    top = EDGE
    _write(pen, EDGE, top, data.title, TITLE, INK, WIDTH - 2 * EDGE, bold=True)
    top += round(1.4 * LINE)
    top = _legend(pen, top, data.legend)
    top = _columns(pen, top, data)
    for part in data.lists:
        top = _bars(pen, top, part, data.nothing)
    file = io.BytesIO()
    canvas.crop((0, 0, WIDTH, top + EDGE // 2)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _legend(pen: ImageDraw.ImageDraw, top: int, names: Sequence[str]) -> int:
    left, room = EDGE, (WIDTH - 2 * EDGE) // max(len(names), 1)
    for name, colour in zip(names, COLOURS, strict=False):
        pen.rectangle((left, top + 8, left + 24, top + 32), fill=colour)
        _write(pen, left + 34, top, name, round(TEXT * 0.85), INK, room - 46)
        left += room
    return top + round(1.3 * LINE)


def _columns(pen: ImageDraw.ImageDraw, top: int, data: ChartData) -> int:
    """The field of columns, with lines at round numbers; returns where it ends."""
    most = max((sum(day.counts) for day in data.days), default=0)
    scale = round_above(most)
    left, right, bottom = EDGE + 90, WIDTH - EDGE, top + PLOT
    for share in (0, 0.5, 1):
        y = round(bottom - share * PLOT)
        pen.line((left, y, right, y), fill=RULE, width=2)
        _write(pen, left - 16, y - TEXT // 2, f"{share * scale:g}", round(TEXT * 0.8), QUIET, 80, anchor="r")
    if most:
        step = (right - left) / len(data.days)
        for number, day in enumerate(data.days):
            _column(pen, left + number * step, step, bottom, day, scale)
    else:
        _write(pen, (left + right) // 2, top + PLOT // 4, data.nothing, TEXT, QUIET, right - left, anchor="m")
    return bottom + round(1.6 * LINE)


def _column(pen: ImageDraw.ImageDraw, left: float, step: float, bottom: int, day: DayCounts, scale: float) -> None:
    base, gap = float(bottom), step * 0.14
    for count, colour in zip(day.counts, COLOURS, strict=False):
        if count:
            height = max(PLOT * count / scale, 2.0)
            pen.rectangle((left + gap, base - height, left + step - gap, base - 1), fill=colour)
            base -= height
    _write(pen, round(left + step / 2), bottom + 10, day.words, round(TEXT * 0.75), QUIET, 200, anchor="m")


def _bars(pen: ImageDraw.ImageDraw, top: int, part: CountList, nothing: str) -> int:
    """A heading and its bars; returns where they end."""
    _write(pen, EDGE, top, part.title, TEXT, INK, WIDTH - 2 * EDGE, bold=True)
    top += LINE
    most = max((count for _, count in part.rows), default=0)
    left, right = EDGE + LABELS, WIDTH - EDGE - 120
    for words, count in part.rows:
        _write(pen, EDGE, top, words, round(TEXT * 0.9), INK, LABELS - 20)
        length = max((right - left) * count / most, 2) if count else 0
        if length:
            pen.rectangle((left, top + 6, left + length, top + LINE - 18), fill=COLOURS[0])
        _write(pen, round(left + length + 14), top, f"{count:,}".replace(",", " "), round(TEXT * 0.9), INK, 120)
        top += LINE
    if not part.rows:
        _write(pen, EDGE, top, nothing, round(TEXT * 0.9), QUIET, WIDTH - 2 * EDGE)
        top += LINE
    return top + LINE // 2


def round_above(most: int) -> int:
    """The end of an axis: an even number at or above ``most`` that reads well, at least 2."""
    unit = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if factor * unit >= most:
                return factor * unit
        unit *= 10


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, words: str, size: int, fill: tuple[int, int, int], room: float,
    *, bold: bool = False, anchor: str = "l",
) -> None:  # fmt: skip
    """One line of text below ``y``, cut to fit its room; ``x`` is its left end, middle or right end (l, m, r)."""
    shown = words
    while shown and _length(pen, shown, size, bold=bold) > room:
        shown = shown[:-2].rstrip() + "…" if len(shown) > 2 else ""
    whole = _length(pen, shown, size, bold=bold)
    x -= {"l": 0.0, "m": whole / 2, "r": whole}[anchor]
    parts = runs(shown, bold=bold)
    if _is_leftward(shown):
        parts = [(name, _turned(part)) for name, part in reversed(parts)]
    for name, part in parts:
        font = _open_font(name, size)
        pen.text((x, y + BASELINE * size), part, fill=fill, font=font, anchor="ls")
        x += pen.textlength(part, font)


def _length(pen: ImageDraw.ImageDraw, words: str, size: int, *, bold: bool) -> float:
    return sum(pen.textlength(part, _open_font(name, size)) for name, part in runs(words, bold=bold))


def runs(words: str, *, bold: bool) -> list[tuple[str, str]]:
    """The text in pieces of one font each, with the font's name: words of two scripts may stand on one line."""
    found: list[tuple[str, str]] = []
    for char in words:
        name = face_of(char, bold=bold) or REGULAR
        if found and (not char.isalnum() and has_glyph(found[-1][0], char)):
            name = found[-1][0]  # points and spaces, and marks that join the letter before
        if found and found[-1][0] == name:
            found[-1] = name, found[-1][1] + char
        else:
            found.append((name, char))
    return found


def _is_leftward(words: str) -> bool:
    strong = next((kind for char in words if (kind := unicodedata.bidirectional(char)) in {"L", "R", "AL"}), "L")
    return strong != "L"


def _turned(part: str) -> str:
    """A rightward part of a leftward line: the spaces behind it stand to its left."""
    if _is_leftward(part):
        return part
    before, behind = len(part) - len(part.lstrip()), len(part) - len(part.rstrip())
    return " " * behind + part.strip() + " " * before


@cache
def _open_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), size)
