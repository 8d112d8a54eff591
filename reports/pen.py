"""A canvas with the few strokes that a report needs; all text goes through ``reports.text``, never through markup."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any, Literal

from reportlab import rl_config
from reportlab.lib.colors import Color
from reportlab.pdfbase.pdfutils import readJPEGInfo
from reportlab.pdfgen.canvas import Canvas

from reports.text import Line, wrap
from reports.typefaces import load

# As text (ASCII85) every picture and font would be a quarter larger and take many times as long to write.
rl_config.useA85 = 0

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
    """JPEG bytes with their size in pixels. Raises ReportError for anything else.

    ReportLab writes what ``jpeg_fh`` hands over into the PDF as it is (its own ImageReader would decode every pixel
    for a checksum first) and tells pictures apart by ``str``.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self.width, self.height, *_ = readJPEGInfo(io.BytesIO(data))
        except Exception as error:  # the parser fails in many ways, all of which mean this
            raise ReportError("a picture of the report is not a JPEG") from error
        if data[:2] != b"\xff\xd8" or self.width < 1 or self.height < 1:
            raise ReportError("a picture of the report is not a JPEG")
        self._data = data

    def __str__(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def jpeg_fh(self) -> io.BytesIO:
        """Hand over the bytes."""
        return io.BytesIO(self._data)


class Pen:
    """Draws on the current page; y grows upwards, as everywhere in a PDF. Units are points."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas: Any = canvas
        self._colour: Colour | None = None

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
        pen = self._canvas.beginText(x - line.width if align == "right" else x, baseline)
        for name, part in line.runs:
            load(name)
            pen.setFont(name, style.size)
            pen.textOut(part)
        self._canvas.drawText(pen)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, radius: float = 0) -> None:
        """Fill a rectangle with its lower left corner at (x, y)."""
        self._fill(colour)
        if radius and width >= 2 * radius:
            self._canvas.roundRect(x, y, width, height, radius, stroke=0, fill=1)
        else:
            self._canvas.rect(x, y, width, height, stroke=0, fill=1)

    def rule(self, x: float, y: float, width: float, colour: Colour, thickness: float = 0.6) -> None:
        """Draw a horizontal line."""
        self._canvas.setStrokeColorRGB(*colour)
        self._canvas.setLineWidth(thickness)
        self._canvas.line(x, y, x + width, y)

    def picture(self, jpeg: Jpeg, x: float, y: float, width: float, height: float) -> None:
        """Place a picture with its lower left corner at (x, y)."""
        self._canvas.drawImage(jpeg, x, y, width, height)

    def gradient(self, x: float, y: float, width: float, height: float, colours: tuple[Colour, ...]) -> None:
        """Fill a rectangle with colours that flow from left to right, as vectors."""
        canvas = self._canvas
        canvas.saveState()
        path = canvas.beginPath()
        path.rect(x, y, width, height)
        canvas.clipPath(path, stroke=0)
        canvas.linearGradient(x, y, x + width, y, [Color(*colour) for colour in colours], extend=False)
        canvas.restoreState()

    def link(self, url: str, x: float, y: float, width: float, height: float) -> None:
        """Make a rectangle lead to a web address; anything but http and https leads nowhere."""
        if url.startswith(("https://", "http://")):
            self._canvas.linkURL(url, (x, y, x + width, y + height), relative=0, thickness=0)
