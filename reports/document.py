"""``render(data)``: the PDF of one scan, the same bytes for the same data."""

import io
from datetime import UTC

from reportlab.pdfgen.canvas import Canvas

from reports import parts
from reports.data import ReportData, Words
from reports.layout import Section, paginate
from reports.parts import baseline
from reports.pen import Pen, Style
from reports.style import (
    ACCENT,
    BOTTOM,
    CAPTION,
    FINE,
    LEFT,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    RIGHT,
    RULE,
    SCAN_ID,
    SUBTITLE,
    TITLE,
    TOP,
    VALUE,
    WIDTH,
)
from reports.typefaces import REGULAR, load

_LABEL_CHARACTERS = 600
"""More of a patient label is not looked at; two lines of it are shown."""
_LABEL_WIDTH = WIDTH * 0.53


def render(data: ReportData) -> bytes:
    """Draw the report, one or two A4 pages for texts of the usual length, more if they need more.

    ``original`` and ``overlay`` are in it byte for byte. Texts may hold anything: nothing in them is read as markup.
    Raises ReportError when a picture is not a JPEG or a score not a number.
    """
    own = data.words
    label = (data.patient_label or "")[:_LABEL_CHARACTERS]
    label_lines = VALUE.wrap(label, _LABEL_WIDTH, 2) or VALUE.wrap(own.no_patient, _LABEL_WIDTH, 1)
    first_top = PAGE_HEIGHT - 130 - VALUE.leading * len(label_lines)
    pages = paginate([section for section in _sections(data, own) if section.blocks], first_top, TOP, BOTTOM)

    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(PAGE_WIDTH, PAGE_HEIGHT),
        pageCompression=1,
        invariant=1,
        lang=data.language,
        initialFontName=load(REGULAR).fontName,  # or Helvetica, which is not embedded, would be named on each page
    )
    canvas.setTitle(f"{own.title} {data.public_id}")
    canvas.setAuthor("TumorScan")
    canvas.setCreator("TumorScan")
    canvas.setSubject(own.not_a_diagnosis)
    made = data.created_at.astimezone(UTC)
    canvas.setDateFormatter(lambda *_: made.strftime("D:%Y%m%d%H%M%SZ"))
    pen = Pen(canvas, mirror=PAGE_WIDTH if data.right_to_left else None)
    for number, placed in enumerate(pages, 1):
        if number == 1:
            _masthead(pen, data, own)
            parts.write(pen, LEFT, PAGE_HEIGHT - 116, label_lines, VALUE)
        else:
            _running_head(pen, data, own, label)
        for item in placed:
            item.block.draw(pen, item.top)
        _footer(pen, own, number, len(pages))
        pen.next_page()
    canvas.save()
    return buffer.getvalue()


def _sections(data: ReportData, own: Words) -> list[Section]:
    return [
        parts.result(data, own),
        parts.pictures(data, own),
        parts.scores(data.bars, own),
        parts.paragraph(own.figure, data.figure_words),
        *parts.slices(data.slices),
        parts.bullets(own.limits, data.limits),
        parts.bullets(own.seek_help, data.seek_help),
        parts.sources(own.sources, data.sources),
        parts.provenance(data, own),
    ]


def _masthead(pen: Pen, data: ReportData, own: Words) -> None:
    pen.box(0, PAGE_HEIGHT - 7, PAGE_WIDTH, 7, ACCENT)
    _left(pen, PAGE_HEIGHT - 36, own.title, TITLE)
    _left(pen, PAGE_HEIGHT - 64, parts.capitalised(data.organ_words), SUBTITLE)
    _right(pen, PAGE_HEIGHT - 38, data.public_id, SCAN_ID)
    _right(pen, PAGE_HEIGHT - 64, f"{own.scan} {own.number.format(number=data.number)}", SUBTITLE)
    pen.rule(LEFT, PAGE_HEIGHT - 92, WIDTH, RULE)
    _left(pen, PAGE_HEIGHT - 103, own.patient, CAPTION)
    _right(pen, PAGE_HEIGHT - 103, own.received, CAPTION)
    _right(pen, PAGE_HEIGHT - 116, data.created_words, VALUE, WIDTH * 0.46)


def _running_head(pen: Pen, data: ReportData, own: Words, label: str) -> None:
    pen.box(0, PAGE_HEIGHT - 7, PAGE_WIDTH, 7, ACCENT)
    _left(pen, PAGE_HEIGHT - 36, f"{own.title} {data.public_id}", CAPTION)
    if label.strip():
        _right(pen, PAGE_HEIGHT - 36, f"{own.patient}: {label}", CAPTION)
    pen.rule(LEFT, PAGE_HEIGHT - 52, WIDTH, RULE)


def _footer(pen: Pen, own: Words, number: int, pages: int) -> None:
    pen.rule(LEFT, 44, WIDTH, RULE)
    _left(pen, 38, own.not_a_diagnosis, FINE, WIDTH - 80)
    _right(pen, 38, own.page.format(page=number, pages=pages), FINE, 78)


def _left(pen: Pen, top: float, text: str, style: Style, width: float = WIDTH * 0.6) -> None:
    pen.text(LEFT, baseline(top, style), style.line(text, width), style)


def _right(pen: Pen, top: float, text: str, style: Style, width: float = WIDTH * 0.38) -> None:
    pen.text(RIGHT, baseline(top, style), style.line(text, width), style, align="right")
