"""Strings to lines that can be drawn: cleaned, split by font, broken to a width, in the order of seeing."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from reports import bidi
from reports.typefaces import ADVANCES, BOLD, PLACEHOLDER, REGULAR, face_of, has_glyph

ELLIPSIS = "…"
_MARKS_PER_LETTER = 4
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_EMOJI_ONLY = {0x20E3, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
"""Keycap and variation selectors: they only say how the character before them should look."""
_NO_SPACES = r"\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""Scripts without spaces, where a line may end after any character."""
_PIECE = re.compile(rf"(?:[{_NO_SPACES}][\u0300-\u036f\u3099\u309a]*|[^ {_NO_SPACES}/–—-]+[/–—-]*|[/–—-]+| ) *")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: (font name, text) runs in visual order, and its width in points."""

    runs: tuple[tuple[str, str], ...]
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
        if last and unicodedata.category(char) == "Mn" and has_glyph(last, char):
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


def wrap(text: str, size: float, width: float, *, bold: bool = False, max_lines: int | None = None) -> tuple[Line, ...]:
    """Break a text into lines of at most ``width`` points; beyond ``max_lines`` it ends in an ellipsis.

    Newlines end a paragraph. A word that is wider than a line is broken inside. An empty text has no lines.
    """
    pieces: list[tuple[str, list[int]]] = []
    for paragraph in clean(text, keep_newlines=True).split("\n"):
        joined, levels = _directed(paragraph, bold=bold)
        for start, end in _breaks(joined, width / size, bold=bold):
            if len(pieces) == max_lines:
                cut = _cut(pieces.pop()[0], width / size, bold=bold)
                pieces.append((cut, _directed(cut, bold=bold)[1]))
                return tuple(_line(*piece, size, bold=bold) for piece in pieces)
            pieces.append((joined[start:end], levels[start:end]))
    return tuple(_line(*piece, size, bold=bold) for piece in pieces)


def _directed(text: str, *, bold: bool) -> tuple[str, list[int]]:
    """Join Arabic letters and find each character's direction; most texts need neither."""
    if not bidi.is_right_to_left(text):
        return text, []
    joined = bidi.join_arabic(text, lambda shape: face_of(shape, bold=bold) is not None)
    return joined, bidi.levels(joined)


def _breaks(text: str, width: float, *, bold: bool) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each line, with ``width`` in units of the font size."""
    advances = ADVANCES[bold]
    start, used = 0, 0.0
    for first, last in _words(text):
        piece = text[first:last]
        step = advances.of(piece.rstrip(" "))
        if used + step > width and first > start:
            yield start, first
            start, used = first, 0.0
        if step > width:  # a word that is wider than a line
            for i in range(first, last):
                wide = advances[text[i]]
                if used + wide > width and i > start and unicodedata.category(text[i]) != "Mn":
                    yield start, i
                    start, used = i, 0.0
                used += wide
        else:
            used += step + advances[" "] * piece.endswith(" ")
    if start < len(text):
        yield start, len(text)


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the pieces between which a line may end; spaces belong to the piece before them."""
    for match in _PIECE.finditer(text):
        yield match.span()


def _line(text: str, levels: list[int], size: float, *, bold: bool) -> Line:
    bare = text.rstrip(" ")
    if levels:
        bare = bidi.visual(bare, levels[: len(bare)])
    return Line(runs(bare, bold=bold), size * ADVANCES[bold].of(bare))


def _cut(text: str, width: float, *, bold: bool) -> str:
    advances = ADVANCES[bold]
    while text and advances.of(text) + advances[ELLIPSIS] > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS
