"""Strings to lines that can be drawn: cleaned, split by font, broken to a width, in the order of seeing."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from reports import bidi
from reports.shaping import Glyph, advance, shape
from reports.typefaces import ADVANCES, BOLD, PLACEHOLDER, REGULAR, face_of, has_glyph, is_shaped

ELLIPSIS = "…"
_MARKS_PER_LETTER = 4
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_EMOJI_ONLY = {0x20E3, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
"""Keycap and variation selectors: they only say how the character before them should look."""
_NO_SPACES = r"\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""Scripts without spaces, where a line may end after any character."""
_PIECE = re.compile(rf"(?:[{_NO_SPACES}][\u0300-\u036f\u3099\u309a]*|[^ {_NO_SPACES}/–—-]+[/–—-]*|[/–—-]+| ) *")


_JOINERS = "\u200c\u200d"
"""Invisible, but they decide how letters of many scripts look; elsewhere they only glue emoji."""
_LEADING_VOWELS = frozenset("เแโใไເແໂໃໄ")
_VIRAMA = 9
"""Unicode's combining class of the sign that ties a consonant to the next one."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one font and one direction. ``text`` is drawn as it is, or by ``glyphs`` where letters are shaped.

    Then ``text`` stands in the order of speaking, for whoever copies it; else in that of seeing.
    """

    font: str
    text: str
    glyphs: tuple[Glyph, ...] = ()

    def width(self, *, bold: bool) -> float:
        """In units of the font size."""
        return sum(glyph.advance for glyph in self.glyphs) / 1000 if self.glyphs else ADVANCES[bold].of(self.text)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: its runs from left to right as they are seen, and its width in points."""

    runs: tuple[Run, ...]
    width: float


def clean(text: str, *, keep_newlines: bool = False) -> str:
    """Make any string drawable without losing what is visible in it.

    Control characters and invisible formatting (bidi overrides, joiners, tags) go, since they can disguise a text.
    Half surrogates become the placeholder. Emoji sequences fall apart into their base emoji. White space becomes
    one space; a pile of marks on one letter is cut to four.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if char == "\n" and keep_newlines:
            kept.append(char)
        elif category == "Cs":
            kept.append(PLACEHOLDER)
        elif char.isspace():
            kept.append(" ")
        elif char in _JOINERS and kept and "\u0600" <= kept[-1] < "\u1b00":
            kept.append(char)
        elif category in ("Cc", "Cf") or ord(char) in _EMOJI_ONLY or (ord(char) in _SKIN_TONES and _is_emoji(kept)):
            continue
        elif category in ("Mn", "Me"):
            marks += 1
            if marks <= _MARKS_PER_LETTER:
                kept.append(char)
            continue
        else:
            kept.append(char)
        marks = 0
    joined = "".join(kept)
    return "\n".join(" ".join(line.split(" ")).strip() for line in re.sub(" +", " ", joined).split("\n"))


def _is_emoji(kept: list[str]) -> bool:
    return bool(kept) and unicodedata.category(kept[-1]) == "So"


def runs(text: str, *, bold: bool = False) -> tuple[tuple[str, str], ...]:
    """Split a text by the font that draws it; a character that no font has becomes the placeholder."""
    if text.isascii():
        return ((BOLD if bold else REGULAR, text),) if text else ()
    found: list[tuple[str, list[str]]] = []
    for char in text:
        last = found[-1][0] if found else None
        if last and (char in _JOINERS or (unicodedata.category(char) in ("Mn", "Mc") and has_glyph(last, char))):
            name: str | None = last  # a mark is drawn by the font of its letter
        else:
            name = face_of(char, bold=bold)
        if name is None:
            name, char = (BOLD if bold else REGULAR), PLACEHOLDER
        if name == last:
            found[-1][1].append(char)
        else:
            found.append((name, [char]))
    return tuple((name, "".join(chars)) for name, chars in found)


@lru_cache(maxsize=1024)  # most of a report's texts are those of its language, and stand in every one
def wrap(text: str, size: float, width: float, *, bold: bool = False, max_lines: int | None = None) -> tuple[Line, ...]:
    """Break a text into lines of at most ``width`` points; beyond ``max_lines`` it ends in an ellipsis.

    Newlines end a paragraph. A word that is wider than a line is broken inside. An empty text has no lines.
    """
    pieces: list[tuple[str, list[int]]] = []
    for paragraph in clean(text, keep_newlines=True).split("\n"):
        levels = _levels(paragraph)
        for start, end in _breaks(paragraph, width / size, bold=bold):
            if len(pieces) == max_lines:
                last = pieces.pop()[0]
                # A part of the next word fits too where a long one has left most of the line empty.
                if start and measure(last.rstrip(" "), bold=bold) < width / size / 2:
                    last += paragraph[start:end]
                cut = _cut(last, width / size, bold=bold)
                pieces.append((cut, _levels(cut)))
                return tuple(_line(*piece, size, bold=bold) for piece in pieces)
            pieces.append((paragraph[start:end], levels[start:end]))
    return tuple(_line(*piece, size, bold=bold) for piece in pieces)


def measure(text: str, *, bold: bool) -> float:
    """Width of a text on one line, in units of the font size."""
    if text.isascii():
        return ADVANCES[bold].of(text)
    return sum(
        advance(name, part) if is_shaped(name) else ADVANCES[bold].of(part) for name, part in runs(text, bold=bold)
    )


def _levels(text: str) -> list[int]:
    """Each character's direction; most texts run from left to right and need no look at it."""
    return bidi.levels(text) if bidi.is_right_to_left(text) else []


def _breaks(text: str, width: float, *, bold: bool) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each line, with ``width`` in units of the font size."""
    space = ADVANCES[bold][" "]
    start, used = 0, 0.0
    for first, last in _words(text):
        piece = text[first:last]
        step = measure(piece.rstrip(" "), bold=bold)
        if used + step > width and first > start:
            yield start, first
            start, used = first, 0.0
        if step > width:  # a word that is wider than a line
            for i in range(first + 1, last):
                if _may_part(text, i) and measure(text[start : _next_part(text, i, last)], bold=bold) > width:
                    yield start, i
                    start = i
            used = measure(text[start:last], bold=bold)
        else:
            used += step + space * piece.endswith(" ")
    if start < len(text):
        yield start, len(text)


def _next_part(text: str, place: int, end: int) -> int:
    return next((i for i in range(place + 1, end) if _may_part(text, i)), end)


def _may_part(text: str, place: int) -> bool:
    """Whether a word may be parted before ``text[place]``: not within a letter with its signs."""
    before, after = text[place - 1], text[place]
    joined = before in _JOINERS or before in _LEADING_VOWELS or unicodedata.combining(before) == _VIRAMA
    return not joined and after not in _JOINERS and unicodedata.category(after) not in ("Mn", "Mc", "Me")


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the pieces between which a line may end; spaces belong to the piece before them."""
    for match in _PIECE.finditer(text):
        yield match.span()


def _line(text: str, levels: list[int], size: float, *, bold: bool) -> Line:
    bare = text.rstrip(" ")
    found: list[Run] = []
    for start, end, level in bidi.visual_runs(levels[: len(bare)] or [0] * len(bare)):
        backwards = bool(level & 1)
        parts = runs(bare[start:end], bold=bold)
        seen: list[Run] = []
        for name, part in reversed(parts) if backwards else parts:
            if is_shaped(name):
                seen.append(Run(name, part, shape(name, part, right_to_left=backwards)))
            else:
                seen.append(Run(name, bidi.turned(part) if backwards else part))
        found.extend(_joined(seen, backwards=backwards, bold=bold))
    return Line(tuple(found), size * sum(run.width(bold=bold) for run in found))


def _joined(words: Sequence[Run], *, backwards: bool, bold: bool) -> Iterator[Run]:
    """Bring shaped words of one font together with the spaces between them, which keep the width that they have."""
    kept: Run | None = None
    for number, run in enumerate(words):
        if kept and run.text == " " and number + 1 < len(words) and words[number + 1].font == kept.font:
            (space,) = shape(kept.font, " ", right_to_left=backwards)
            run = Run(kept.font, " ", (replace(space, advance=1000 * ADVANCES[bold][" "]),))
        if kept and run.font == kept.font:
            text = run.text + kept.text if backwards else kept.text + run.text
            kept = Run(kept.font, text, kept.glyphs + run.glyphs)
        else:
            if kept:
                yield kept
            kept = run if run.glyphs else None
            if not kept:
                yield run
    if kept:
        yield kept


def _cut(text: str, width: float, *, bold: bool) -> str:
    room = width - ADVANCES[bold][ELLIPSIS]
    while text and measure(text, bold=bold) > room:
        end = len(text) - 1
        while end > 0 and not _may_part(text, end):
            end -= 1
        text = text[:end]
    return text.rstrip() + ELLIPSIS
