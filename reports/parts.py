"""The parts of a report, each as blocks: result, pictures, scores, texts, sources, provenance."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from reports import qr
from reports.data import Bar, ContactSheet, ReportData, Source, Verification, Words
from reports.layout import Block, Draw, Section
from reports.pen import Jpeg, Pen, ReportError, Style
from reports.style import (
    ACCENT,
    BODY,
    BODY_WIDTH,
    CAPTION,
    EXPLANATION,
    FINE,
    HEADING,
    LEFT,
    LINK,
    PALE,
    RIGHT,
    RULE,
    SCORE,
    SIDE,
    TEXT,
    TINT,
    TRACK,
    VERDICT,
    WIDTH,
    heat_scale,
)
from reports.text import Line

SECTION_GAP = 13.5
_PAD = 14.0
_BULLET = 11.0
_BULLET_LINES = 8
_LINK_GAP = 6.0
_SLOT_GAP = 14.0
_SHEET_HEIGHT = 480.0
_SHEET_PIXELS = 1000  # of the width of a contact sheet
PICTURE_HEIGHTS = (222.0, 186.0, 160.0, 130.0, 110.0)
"""So much of the first page a picture may take: the less, the more of the words need no further page."""
_SCALE_HEIGHT = 7.0
_BAR_HEIGHT = 8.0
_SCORE_WIDTH = 38.0
_SQUARE = 92.0
"""Side of the QR code with its white edge: its modules are about 0.8 mm wide, which phones read from a hand's width."""
_NOTE_LINES = (21.0, 18.0)
"""Between two lines to write on by hand; the narrower (6.4 mm) where the page has no room for two of the wider."""
_NOTES_LEAST, _NOTES_MOST = 2, 12


def baseline(top: float, style: Style) -> float:
    """Where a line of text stands whose block begins at ``top``."""
    return top - (style.leading + style.size * 0.72) / 2


def result(data: ReportData, words: Words) -> Section:
    """The answer in words, in a calm box."""
    inner = WIDTH - 2 * _PAD - 4
    blocks = [_box(_PAD - 4)]
    for text, style in ((words.result, HEADING), (data.verdict_words, VERDICT), (data.explanation, EXPLANATION)):
        blocks += [_box(style.leading, line, style) for line in style.wrap(text, inner)]
        blocks.append(_box(5))
    return Section((*blocks, _box(_PAD - 10)), title=words.result, is_whole=True)


def _box(height: float, line: Line | None = None, style: Style = TEXT) -> Block:
    def ground(pen: Pen, top: float) -> None:
        # Half a point into the slice above, so that no seam shows between them.
        pen.box(LEFT, top - height, WIDTH, height + 0.5, TINT)
        pen.box(LEFT, top - height, 4, height + 0.5, ACCENT)

    def draw(pen: Pen, top: float) -> None:
        if line:
            pen.text(LEFT + 4 + _PAD, baseline(top, style), line, style)

    return Block(height, draw, ground=ground)


def pictures(data: ReportData, words: Words, most: float = PICTURE_HEIGHTS[0]) -> Section:
    """The original beside the overlay, at ``most`` so high, with the scale of the heat."""
    slot = (WIDTH - _SLOT_GAP) / 2
    shown = [(Jpeg(data.original), words.original), (Jpeg(data.overlay), words.overlay)]
    sizes = [_fit(jpeg, slot, most) for jpeg, _ in shown]
    height = max(size[1] for size in sizes)
    placed = f"{words.original}. {data.place}" if data.place else words.original
    captions = [CAPTION.wrap(placed, slot, 2), CAPTION.wrap(words.overlay, slot, 2)]
    caption_height = CAPTION.leading * max(map(len, captions))
    sides = data.sides
    told = CAPTION.wrap(sides.words, WIDTH, 2) if sides else ()
    height_of_all = height + 5 + caption_height + 3 + CAPTION.leading

    def draw(pen: Pen, top: float) -> None:
        for i, ((jpeg, said), (wide, high)) in enumerate(zip(shown, sizes, strict=True)):
            x = LEFT + i * (slot + _SLOT_GAP)
            if wide < 0.7 * slot or high < 0.7 * height:
                pen.box(x, top - height, slot, height, TRACK)
            pen.picture(jpeg, x + (slot - wide) / 2, top - (height + high) / 2, wide, high, said)
            if sides and sides.left and wide > 4 * SIDE.size:
                # The picture itself is never mirrored, whichever way the page runs.
                edges = (sides.right, sides.left) if data.right_to_left else (sides.left, sides.right)
                for at, letter in zip((10, wide - 10), edges, strict=True):
                    pen.mark_side(x + (slot - wide) / 2 + at, top - height / 2, letter, SIDE)
            write(pen, x, top - height - 5, captions[i], CAPTION)
        _draw_scale(pen, LEFT + slot + _SLOT_GAP, top - height - 5 - caption_height - 3, slot, words)
        write(pen, LEFT, top - height_of_all - 2, told, CAPTION)

    whole = height_of_all + (2 + CAPTION.leading * len(told) if told else 0)
    return Section((Block(whole, draw),), SECTION_GAP, title=words.original)


def contact_sheet(sheet: ContactSheet | None) -> tuple[Section, ...]:
    """A contact sheet below what it shows: one of ``_SHEET_PIXELS`` takes the whole width, a narrower one less."""
    if sheet is None:
        return ()
    jpeg = Jpeg(sheet.picture)
    scale = min(WIDTH / max(jpeg.width, _SHEET_PIXELS), _SHEET_HEIGHT / jpeg.height)
    wide, high = jpeg.width * scale, jpeg.height * scale
    picture = Block(high, lambda pen, top: pen.picture(jpeg, LEFT, top - high, wide, high, sheet.words), _SLOT_GAP)
    return (
        Section((*paragraph(sheet.heading, sheet.words).blocks, picture), SECTION_GAP, sheet.heading, is_whole=True),
    )


def _fit(jpeg: Jpeg, slot: float, most: float) -> tuple[float, float]:
    scale = min(slot / jpeg.width, most / jpeg.height)
    return jpeg.width * scale, jpeg.height * scale


def _draw_scale(pen: Pen, x: float, top: float, width: float, words: Words) -> None:
    weak, strong = (CAPTION.line(text, width / 3) for text in (words.weak, words.strong))
    foot = baseline(top, CAPTION)
    pen.text(x, foot, weak, CAPTION)
    pen.text(x + width, foot, strong, CAPTION, align="right")
    start, end = x + weak.width + 7, x + width - strong.width - 7
    pen.gradient(start, top - (CAPTION.leading + _SCALE_HEIGHT) / 2, end - start, _SCALE_HEIGHT, heat_scale())


def scores(bars: Sequence[Bar], words: Words) -> Section:
    """Draw the probabilities as bars, in vectors."""
    label_width = BODY_WIDTH * 0.42
    blocks = []
    for bar in bars:
        if not math.isfinite(bar.probability):
            raise ReportError("a score of the report is not a number")
        style = SCORE if bar.highlighted else TEXT
        label = style.wrap(bar.words, label_width - 10, 2)
        height = style.leading * max(1, len(label)) + 3
        blocks.append(Block(height, partial(_draw_bar, bar=bar, label=label, style=style, x=BODY + label_width)))
    blocks += _lines(CAPTION.wrap(words.scores_note, BODY_WIDTH), CAPTION, gap=3)
    return _headed(words.scores, blocks, is_whole=True)


def _draw_bar(pen: Pen, top: float, bar: Bar, label: Sequence[Line], style: Style, x: float) -> None:
    share = min(max(bar.probability, 0.0), 1.0)
    width = RIGHT - _SCORE_WIDTH - x
    middle = top - style.leading * max(1, len(label)) / 2
    write(pen, BODY, top, label, style)
    pen.box(x, middle - _BAR_HEIGHT / 2, width, _BAR_HEIGHT, TRACK, radius=2)
    if share > 0:
        colour = ACCENT if bar.highlighted else PALE
        pen.box(x, middle - _BAR_HEIGHT / 2, max(1.2, width * share), _BAR_HEIGHT, colour, radius=2)
    number = style.line(bar.chance, _SCORE_WIDTH)
    pen.text(RIGHT, baseline(middle + style.leading / 2, style), number, style, align="right")


def paragraph(heading: str, text: str) -> Section:
    """A heading and its text."""
    return _headed(heading, _lines(TEXT.wrap(text, BODY_WIDTH), TEXT))


def capitalised(text: str) -> str:
    """Begin with a capital letter and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def bullets(heading: str, items: Iterable[str]) -> Section:
    """A heading and a list."""
    dot = TEXT.line("•", _BULLET)
    blocks: list[Block] = []
    for item in items:
        lines = TEXT.wrap(item, BODY_WIDTH - _BULLET)
        # An entry stays on one page, unless it is as long as a paragraph.
        for start in range(0, len(lines), _BULLET_LINES):
            part = lines[start : start + _BULLET_LINES]
            drawn = partial(_draw_bullet, dot=dot if start == 0 else None, lines=part)
            blocks.append(Block(TEXT.leading * len(part), drawn, 0 if start else 2.5))
    return _headed(heading, blocks, kept=1)


def _draw_bullet(pen: Pen, top: float, dot: Line | None, lines: Sequence[Line]) -> None:
    if dot:
        pen.text(BODY, baseline(top, TEXT), dot, HEADING)
    write(pen, BODY + _BULLET, top, lines, TEXT)


def sources(heading: str, items: Iterable[Source]) -> Section:
    """Where the statements come from; the whole entry is a link."""
    blocks: list[Block] = []
    for item in items:
        title, url = FINE.wrap(item.title, BODY_WIDTH), LINK.wrap(item.url, BODY_WIDTH)
        # A short address stands behind its title.
        is_one = len(title) == len(url) == 1 and title[0].width + url[0].width + _LINK_GAP <= BODY_WIDTH
        height = FINE.leading * len(title) + (0 if is_one else LINK.leading * len(url))
        drawn = partial(_draw_source, link=item.url, title=title, url=url, is_one=is_one)
        blocks.append(Block(height, drawn, 3))
    return _headed(heading, blocks, kept=1)


def _draw_source(pen: Pen, top: float, link: str, title: Sequence[Line], url: Sequence[Line], *, is_one: bool) -> None:
    height = write(pen, BODY, top, title, FINE)
    if is_one:
        write(pen, BODY + title[0].width + _LINK_GAP, top, url, LINK)
    else:
        height += write(pen, BODY, top - height, url, LINK)
    pen.link(link, BODY, top - height, BODY_WIDTH, height)


def provenance(data: ReportData, words: Words) -> Section:
    """Which model spoke about which bytes, so that the answer can be checked later; and how to check the report.

    The square code of the report stands in the margin.
    """
    origin = data.provenance
    rows = (
        (words.model, words.model_line.format(name=origin.model_name, version=origin.model_version)),
        (words.weights, origin.model_sha256),
        (words.picture, capitalised(origin.picture_words)),
        (words.picture_hash, origin.picture_sha256),
    )
    blocks: list[Block] = []
    for name, value in rows:
        blocks += _lines(CAPTION.wrap(name, BODY_WIDTH, 1), CAPTION, gap=3)
        blocks += _lines(FINE.wrap(value, BODY_WIDTH, 3), FINE)
    if data.verification is None:
        return _headed(words.made_by, blocks, is_whole=True)
    blocks += _lines(CAPTION.wrap(words.check, BODY_WIDTH, 1), CAPTION, gap=3)
    blocks += _lines(FINE.wrap(words.check_how.format(code=data.verification.code), BODY_WIDTH), FINE)
    headed = _headed(words.made_by, blocks, is_whole=True)
    below = HEADING.leading * len(HEADING.wrap(words.made_by, BODY - LEFT - 14))
    return replace(headed, blocks=_with_square(headed.blocks, below, data.verification, words))


def _with_square(
    blocks: tuple[Block, ...], below: float, verification: Verification, words: Words
) -> tuple[Block, ...]:
    """Put the square code into the margin ``below`` the upper edge of the first block, and leave room for it."""
    side, stretches = qr.stretches(verification.address)
    module = _SQUARE / (side + 2 * qr.QUIET)
    first = blocks[0]

    def draw(pen: Pen, top: float) -> None:
        first.draw(pen, top)
        # Its white edge may lie over the edge of the column: there is nothing but paper.
        at = top - below - qr.QUIET * module / 2
        pen.modules(stretches, LEFT, at, module, f"{words.square}: {verification.address}")

    used = sum(block.height + block.gap for block in blocks)
    missing = max(below + _SQUARE - qr.QUIET * module - used, 0.0)
    return (replace(first, draw=draw), *blocks[1:], Block(missing, _nothing))


def notes(room: float, words: Words) -> Section:
    """Lines to write on by hand, as many as ``room`` (points) holds; empty where that is too few."""
    room -= SECTION_GAP + HEADING.leading
    apart = next((apart for apart in _NOTE_LINES if room >= _NOTES_LEAST * apart), None)
    if apart is None:
        return Section(())
    lines = min(int(room / apart), _NOTES_MOST)
    heading = HEADING.line(words.notes, WIDTH)

    def draw(pen: Pen, top: float) -> None:
        pen.text(LEFT, baseline(top, HEADING), heading, HEADING)
        for number in range(1, lines + 1):
            pen.rule(LEFT, top - HEADING.leading - number * apart, WIDTH, RULE)

    return Section((Block(HEADING.leading + lines * apart, draw),), SECTION_GAP, title=words.notes)


def _headed(heading: str, blocks: Sequence[Block], *, is_whole: bool = False, kept: int = 2) -> Section:
    """Put a heading beside its blocks; without any, the section is empty and takes no room."""
    if not blocks:
        return Section(())
    lines = HEADING.wrap(heading, BODY - LEFT - 14)
    first, rest = blocks[0], list(blocks[1:])

    def draw(pen: Pen, top: float) -> None:
        write(pen, LEFT, top, lines, HEADING)
        first.draw(pen, top)

    missing = HEADING.leading * len(lines) - sum(block.height + block.gap for block in blocks)
    if missing > 0:
        rest.append(Block(missing, _nothing))
    return Section((Block(first.height, draw), *rest), SECTION_GAP, heading, is_whole, kept)


def _lines(lines: Iterable[Line], style: Style, x: float = BODY, gap: float = 0) -> list[Block]:
    def drawing(line: Line) -> Draw:
        return lambda pen, top: pen.text(x, baseline(top, style), line, style)

    return [Block(style.leading, drawing(line), 0 if i else gap) for i, line in enumerate(lines)]


def write(pen: Pen, x: float, top: float, lines: Iterable[Line], style: Style) -> float:
    """Write lines one below another; returns their height."""
    height = 0.0
    for line in lines:
        pen.text(x, baseline(top - height, style), line, style)
        height += style.leading
    return height


def _nothing(pen: Pen, top: float) -> None:
    """Leave room."""
