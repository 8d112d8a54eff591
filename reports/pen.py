"""A canvas with the few strokes that a report needs; all text goes through ``reports.text``, never through markup."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from reportlab import rl_config
from reportlab.lib.colors import Color
from reportlab.lib.rl_accel import fp_str
from reportlab.pdfbase.pdfdoc import PDFString
from reportlab.pdfbase.pdfutils import readJPEGInfo
from reportlab.pdfgen.canvas import Canvas

from reports.shaping import INVISIBLE
from reports.text import Line, Run, clean, wrap
from reports.typefaces import GLYPH_TEXTS, load

# As text (ASCII85) every picture and font would be a quarter larger and take many times as long to write.
rl_config.useA85 = 0

_FAINT = 0.01
"""Thousandths of a font size that nobody sees."""
_PRINTED = 4
"""Flag of an annotation (ISO 32000-1, table 165)."""
Colour = tuple[float, float, float]


class ReportError(Exception):
    """The report cannot be drawn; the text says which part of its data is wrong."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a text looks: size and distance of lines in points."""

    size: float
    leading: float
    colour: Colour
    bold: bool = False

    def wrap(self, text: str, width: float, max_lines: int | None = None) -> tuple[Line, ...]:
        """Break a text into lines of this style."""
        return wrap(text, self.size, width, bold=self.bold, max_lines=max_lines)

    def line(self, text: str, width: float) -> Line:
        """Bring a text onto one line, cut where it would be wider."""
        return next(iter(self.wrap(" ".join(text.split()), width, 1)), Line((), 0))


class Jpeg:
    """JPEG bytes in grey or RGB with their size in pixels. Raises ReportError for anything else.

    CMYK is refused, for the file says of no colours but sRGB what they are (PDF/A).

    ReportLab writes what ``jpeg_fh`` hands over into the PDF as it is (its own ImageReader would decode every pixel
    for a checksum first) and tells pictures apart by ``str``.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self.width, self.height, channels, *_ = readJPEGInfo(io.BytesIO(data))
        except Exception as error:  # the parser fails in many ways, all of which mean this
            raise ReportError("a picture of the report is not a JPEG") from error
        if data[:2] != b"\xff\xd8" or self.width < 1 or self.height < 1:
            raise ReportError("a picture of the report is not a JPEG")
        if channels not in (1, 3):
            raise ReportError("a picture of the report is not in grey or RGB")
        self._data = data

    def __str__(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def jpeg_fh(self) -> io.BytesIO:
        """Hand over the bytes."""
        return io.BytesIO(self._data)


class Pen:
    """Draws on the current page; y grows upwards, as everywhere in a PDF. Units are points."""

    def __init__(self, canvas: Canvas, mirror: float | None = None, shift: float = 0.0) -> None:
        """``mirror``: the width, when left and right change places, as for a language that runs leftward.

        ``shift`` is added to every place on its way from the left edge of the paper.
        """
        self._canvas: Any = canvas
        self._mirror = mirror
        self._shift = shift
        self._bookmarks = 0
        self._colour: Colour | None = None
        self._texts: dict[str, dict[str, str]] = defaultdict(dict)
        setattr(self._canvas._doc, GLYPH_TEXTS, self._texts)

    def _left(self, x: float, width: float) -> float:
        """Where something ``width`` points wide begins whose place in a page that runs rightward is ``x``."""
        return self._shift + (x if self._mirror is None else self._mirror - x - width)

    def next_page(self) -> None:
        """End the page; the next one begins with nothing set."""
        self._canvas.showPage()
        self._colour = None

    def _fill(self, colour: Colour) -> None:
        if colour != self._colour:
            self._canvas.setFillColorRGB(*colour)
            self._colour = colour

    def text(
        self, x: float, baseline: float, line: Line, style: Style, align: Literal["left", "right"] = "left"
    ) -> None:
        """Write a line whose left (or right) end is at ``x``."""
        if not line.runs:
            return
        self._fill(style.colour)
        x = self._left(x - line.width if align == "right" else x, line.width)
        pen = self._canvas.beginText(x, baseline)
        for run in line.runs:
            load(run.font)
            pen.setFont(run.font, style.size)
            if run.glyphs:
                self._shaped(pen, run, style)
            else:
                pen.textOut(run.text)
            x += run.width(bold=style.bold) * style.size
            if run.glyphs:
                pen.setTextOrigin(x, baseline)
        self._canvas.drawText(pen)

    def _shaped(self, pen: Any, run: Run, style: Style) -> None:
        """Write glyphs, each where shaping has put it; a reader who copies them is given the text itself.

        Glyphs of one height are one operator, their distances between them (TJ: ISO 32000-1, 9.4.3).
        """
        font, document, size = load(run.font), self._canvas._doc, style.size
        texts, widths = self._texts[run.font], font.face.charWidths
        for glyph in run.glyphs:
            texts.setdefault(glyph.char, glyph.text or INVISIBLE)
        codes = (
            (subset, bytes((code,)))
            for subset, part in font.splitString("".join(glyph.char for glyph in run.glyphs), document)
            for code in part
        )
        height, current, shown, gap = 0.0, -1, _Shown(self._canvas._escape), 0.0
        pen._code.append(f"/Span <</ActualText <{_utf16(run.text)}>>> BDC")
        for glyph, (subset, code) in zip(run.glyphs, codes, strict=True):
            if subset != current or glyph.y != height:
                pen._code.extend(shown.ended())
            if subset != current:
                pen._code.append(f"{font.getSubsetInternalName(subset, document)} {fp_str(size)} Tf")
                current = subset
            if glyph.y != height:
                pen._code.append(f"{fp_str(glyph.y * size / 1000)} Ts")
                height = glyph.y
            shown.add(gap + glyph.x, code)
            gap = glyph.advance - widths[ord(glyph.char)] - glyph.x
        pen._code.extend(shown.ended())
        if height:
            pen._code.append("0 Ts")
        pen._code.append("EMC")

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0) -> None:
        """Fill a rectangle with its lower left corner at (x, y)."""
        self._fill(colour)
        x = self._left(x, width)
        if radius and width >= 2 * radius:
            self._canvas.roundRect(x, y, width, height, radius, stroke=0, fill=1)
        else:
            self._canvas.rect(x, y, width, height, stroke=0, fill=1)

    def rule(self, x: float, y: float, width: float, colour: Colour, thickness: float = 0.6) -> None:
        """Draw a horizontal line."""
        self._canvas.setStrokeColorRGB(*colour)
        self._canvas.setLineWidth(thickness)
        x = self._left(x, width)
        self._canvas.line(x, y, x + width, y)

    def picture(self, jpeg: Jpeg, x: float, y: float, width: float, height: float, words: str) -> None:
        """Place a picture with its lower left corner at (x, y); ``words`` are read to whoever can't see it."""
        with self._said(words):
            self._canvas.drawImage(jpeg, self._left(x, width), y, width, height)

    def modules(self, stretches: Iterable[tuple[int, int, int]], x: float, top: float, size: float, words: str) -> None:
        """Fill (row, column, number) of squares ``size`` wide, rows downward from ``top``: never mirrored."""
        stretches = tuple(stretches)
        side = 1 + max(row for row, _, _ in stretches)
        x = self._left(x, side * size)
        with self._said(words):
            self._fill((0.0, 0.0, 0.0))
            rectangles = (
                f"{x + column * size:.2f} {top - (row + 1) * size:.2f} {number * size:.3f} {size + 0.03:.3f} re"
                for row, column, number in stretches
            )
            self._canvas._code.append(f"{' '.join(rectangles)} f")

    def mark_side(self, x: float, middle: float, letter: str, style: Style) -> None:
        """Write a letter on a dark patch whose middle is at (x, middle)."""
        line = style.line(letter, 40)
        half = max(line.width / 2 + 2.5, style.size * 0.55)
        self.box(x - half, middle - style.size * 0.65, 2 * half, style.size * 1.3, (0.0, 0.0, 0.0), radius=2)
        self.text(x - line.width / 2, middle - style.size * 0.36, line, style)

    def bookmark(self, title: str, top: float) -> None:
        """List the height ``top`` of this page among the bookmarks."""
        self._bookmarks += 1
        key = f"part{self._bookmarks}"
        self._canvas.bookmarkHorizontal(key, 0, top)
        self._canvas.addOutlineEntry(clean(title), key)

    @contextmanager
    def _said(self, words: str) -> Iterator[None]:
        """What is drawn meanwhile has these words as its alternative (ISO 32000-1, 14.9.3)."""
        self._canvas._code.append(f"/Span <</Alt <{_utf16(clean(words))}>>> BDC")
        yield
        self._canvas._code.append("EMC")

    def gradient(self, x: float, y: float, width: float, height: float, colours: tuple[Colour, ...]) -> None:
        """Fill a rectangle with colours that flow from left to right, as vectors."""
        canvas, x = self._canvas, self._left(x, width)
        if self._mirror is not None:
            colours = colours[::-1]
        canvas.saveState()
        path = canvas.beginPath()
        path.rect(x, y, width, height)
        canvas.clipPath(path, stroke=0)
        canvas.linearGradient(x, y, x + width, y, [Color(*colour) for colour in colours], extend=False)
        canvas.restoreState()

    def link(self, url: str, x: float, y: float, width: float, height: float) -> None:
        """Make a rectangle lead to a web address; anything but http and https leads nowhere."""
        if url.startswith(("https://", "http://")):
            x = self._left(x, width)
            area = (x, y, x + width, y + height)
            # Printed with the page (PDF/A), and read aloud as what it is.
            self._canvas.linkURL(url, area, relative=0, thickness=0, F=_PRINTED, Contents=PDFString(url))


class _Shown:
    """The operand of one TJ: codes of glyphs, and how far apart they are set beyond their widths."""

    def __init__(self, escape: Callable[[bytes], str]) -> None:
        self._escape = escape
        self._parts: list[str] = []
        self._codes = b""

    def add(self, gap: float, code: bytes) -> None:
        """One more glyph, ``gap`` thousandths of the font size beyond the one before it."""
        if abs(gap) > _FAINT:
            self._close()
            self._parts.append(fp_str(-gap))
        self._codes += code

    def ended(self) -> list[str]:
        """The operator, if there is anything to show; the next one begins empty."""
        self._close()
        parts, self._parts = self._parts, []
        return [f"[{' '.join(parts)}] TJ"] if parts else []

    def _close(self) -> None:
        if self._codes:
            self._parts.append(f"({self._escape(self._codes)})")
            self._codes = b""


def _utf16(text: str) -> str:
    return f"\ufeff{text}".encode("utf-16-be").hex().upper()
