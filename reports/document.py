"""``render(data)``: the PDF of one scan, the same bytes for the same data."""

import hashlib
import io
from dataclasses import dataclass

from reportlab.pdfgen.canvas import Canvas

from reports import parts
from reports.archival import About, describe, written
from reports.data import ReportData, Words
from reports.layout import Placed, Section, paginate
from reports.parts import baseline
from reports.pen import Pen, Style
from reports.style import (
    ACCENT,
    BOTTOM,
    CAPTION,
    FINE,
    HEAD,
    LEFT,
    PAPERS,
    RIGHT,
    RULE,
    SCAN_ID,
    SUBTITLE,
    TITLE,
    VALUE,
    WIDTH,
)
from reports.text import Line
from reports.typefaces import REGULAR, load

_LABEL_CHARACTERS = 600
"""More of a patient label is not looked at; two lines of it are shown."""
_PAGES, _PAGES_OF_A_STUDY = 2, 4
"""As many as a doctor is asked to turn; pictures are drawn smaller before it are more."""
_LABEL_WIDTH = WIDTH * 0.53


def render(data: ReportData) -> bytes:
    """Draw the report as PDF/A-2b: one or two pages for texts of the usual length, more if they need more.

    ``original`` and ``overlay`` are in it byte for byte. Texts may hold anything: nothing in them is read as markup.
    With ``data.verification`` the trailer has room for the seal of ``reports.seal``, and so has it without.
    Raises ReportError when a picture is not a JPEG in grey or RGB, or a score not a number.
    """
    width, height = PAPERS[data.paper]
    sheet = _Sheet(data, data.words, height, (data.patient_label or "")[:_LABEL_CHARACTERS])
    about = _about(data)
    canvas = Canvas(
        io.BytesIO(),
        pagesize=(width, height),
        pageCompression=1,
        invariant=1,
        lang=data.language,
        initialFontName=load(REGULAR).fontName,  # or Helvetica, which is not embedded, would be named on each page
    )
    describe(canvas, about)
    on_a4 = LEFT + RIGHT
    pen = Pen(canvas, mirror=on_a4 if data.right_to_left else None, shift=(width - on_a4) / 2)
    pages = sheet.pages()
    for number, placed in enumerate(pages, 1):
        sheet.draw_edges(pen, number, len(pages))
        for item in placed:
            if item.block.ground:
                item.block.ground(pen, item.top)
        for item in placed:
            if item.title:
                pen.bookmark(item.title, item.top)
            item.block.draw(pen, item.top)
        pen.next_page()
    return written(canvas, about)


def _about(data: ReportData) -> About:
    made = data.created_at
    scan = "\0".join((data.public_id, data.provenance.picture_sha256, data.language, made.isoformat()))
    return About(
        title=f"{data.words.title} {data.public_id}",
        subject=data.words.not_a_diagnosis,
        language=data.language,
        made=made,
        code=data.verification.code if data.verification else None,
        fingerprint=hashlib.sha256(scan.encode()).hexdigest()[:32],
    )


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What stands on every page of one report, and what goes between its head and its foot."""

    data: ReportData
    own: Words
    height: float
    label: str

    def pages(self) -> list[list[Placed]]:
        """What goes onto each page, with lines for notes where the last one has room."""
        first_top = self.height - 130 - VALUE.leading * len(self._label_lines())
        result, *others = [section for section in _sections(self.data, self.own) if section.blocks]
        most = _PAGES_OF_A_STUDY if self.data.slices else _PAGES
        found: list[list[Placed]] = []
        for height in parts.PICTURE_HEIGHTS:
            sections = [result, parts.pictures(self.data, self.own, height), *others]
            pages = paginate(sections, first_top, self.height - HEAD, BOTTOM)
            has_notes = self._add_notes(pages)
            # Smaller pictures are only worth it when they bring fewer pages, or room to write on.
            if not found or len(found) > most or (has_notes and len(pages) <= most):
                found = pages
            if has_notes and len(found) <= most:
                break
        return found

    def _add_notes(self, pages: list[list[Placed]]) -> bool:
        """Put lines to write on below the last block, where there is room for them."""
        if not pages[-1]:
            return False
        last = pages[-1][-1]
        left = last.top - last.block.height - BOTTOM
        notes = parts.notes(left, self.own)
        pages[-1] += [Placed(block, left + BOTTOM - notes.gap, notes.title) for block in notes.blocks]
        return bool(notes.blocks)

    def draw_edges(self, pen: Pen, number: int, pages: int) -> None:
        """The head and the foot of page ``number``."""
        pen.box(LEFT - 100, self.height - 7, WIDTH + 200, 7, ACCENT)
        if number == 1:
            self._masthead(pen)
        else:
            self._running_head(pen)
        pen.rule(LEFT, 44, WIDTH, RULE)
        _left(pen, 38, self.own.not_a_diagnosis, FINE, WIDTH - 80)
        _right(pen, 38, self.own.page.format(page=number, pages=pages), FINE, 78)

    def _label_lines(self) -> tuple[Line, ...]:
        return VALUE.wrap(self.label, _LABEL_WIDTH, 2) or VALUE.wrap(self.own.no_patient, _LABEL_WIDTH, 1)

    def _masthead(self, pen: Pen) -> None:
        data, own, height = self.data, self.own, self.height
        _left(pen, height - 36, own.title, TITLE)
        _left(pen, height - 64, parts.capitalised(data.organ_words), SUBTITLE)
        _right(pen, height - 38, data.public_id, SCAN_ID)
        _right(pen, height - 64, f"{own.scan} {own.number.format(number=data.number)}", SUBTITLE)
        pen.rule(LEFT, height - 92, WIDTH, RULE)
        _left(pen, height - 103, own.patient, CAPTION)
        _right(pen, height - 103, own.received, CAPTION)
        _right(pen, height - 116, data.created_words, VALUE, WIDTH * 0.46)
        parts.write(pen, LEFT, height - 116, self._label_lines(), VALUE)

    def _running_head(self, pen: Pen) -> None:
        _left(pen, self.height - 36, f"{self.own.title} {self.data.public_id}", CAPTION)
        if self.label.strip():
            _right(pen, self.height - 36, f"{self.own.patient}: {self.label}", CAPTION)
        pen.rule(LEFT, self.height - 52, WIDTH, RULE)


def _sections(data: ReportData, own: Words) -> list[Section]:
    return [
        parts.result(data, own),
        parts.scores(data.bars, own),
        parts.bullets(own.strength, data.strength),
        parts.paragraph(own.figure, data.figure_words),
        *parts.contact_sheet(data.slices),
        *parts.contact_sheet(data.cells),
        parts.bullets(own.limits, data.limits),
        parts.bullets(own.seek_help, data.seek_help),
        parts.sources(own.sources, data.sources),
        parts.provenance(data, own),
    ]


def _left(pen: Pen, top: float, text: str, style: Style, width: float = WIDTH * 0.6) -> None:
    pen.text(LEFT, baseline(top, style), style.line(text, width), style)


def _right(pen: Pen, top: float, text: str, style: Style, width: float = WIDTH * 0.38) -> None:
    pen.text(RIGHT, baseline(top, style), style.line(text, width), style, align="right")
