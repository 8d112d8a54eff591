"""Glyphs in place of characters, for scripts whose letters join, stack or change places: by HarfBuzz."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import uharfbuzz

from reports.typefaces import FONTS, load

GLYPHS = 0xF0000
"""Where, in Unicode's private plane, ReportLab is given a font's glyphs: glyph 7 is the character U+F0007."""
INVISIBLE = "\u200b"
"""Stands for a glyph that is only part of a character, where text is copied out of the PDF."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph at its place in a run; lengths are thousandths of the font size, as in a PDF."""

    char: str
    """What ReportLab calls it."""
    text: str
    """The characters that it stands for."""
    advance: float
    x: float
    y: float


@lru_cache(maxsize=4096)
def shape(font: str, text: str, *, right_to_left: bool) -> tuple[Glyph, ...]:
    """Shape a text of one font and direction; returns its glyphs from left to right as they are seen."""
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if right_to_left else "ltr"
    buffer.cluster_level = uharfbuzz.BufferClusterLevel.MONOTONE_CHARACTERS
    face, scale = _face(font)
    uharfbuzz.shape(face, buffer, {})
    infos, positions = buffer.glyph_infos, buffer.glyph_positions
    told = _told(font, text, [(info.cluster, info.codepoint) for info in infos])
    return tuple(
        Glyph(
            _known(font, info.codepoint, face.get_glyph_h_advance(info.codepoint) * scale),
            said,
            place.x_advance * scale,
            place.x_offset * scale,
            place.y_offset * scale,
        )
        for info, place, said in zip(infos, positions, told, strict=True)
    )


def advance(font: str, text: str) -> float:
    """Width of a text of one font in units of the font size, whichever way it runs."""
    right_to_left = unicodedata.bidirectional(text[:1]) in ("R", "AL", "NSM")
    return sum(glyph.advance for glyph in shape(font, text, right_to_left=right_to_left)) / 1000


def _told(font: str, text: str, glyphs: Sequence[tuple[int, int]]) -> list[str]:
    """The characters of each glyph: its own where it has one, else what is left of those that it came from."""
    starts = sorted({cluster for cluster, _ in glyphs})
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    characters = load(font).face.glyphToChar
    left = {start: text[start : ends[start]] for start in starts}
    told = [""] * len(glyphs)
    several = len(starts) < len(glyphs)
    if several:
        for place, (cluster, glyph) in enumerate(glyphs):
            own = next((chr(code) for code in characters.get(glyph, ()) if chr(code) in left[cluster]), "")
            told[place], left[cluster] = own, left[cluster].replace(own, "", 1) if own else left[cluster]
    for place, (cluster, _) in enumerate(glyphs):
        if not told[place]:
            told[place], left[cluster] = left[cluster], ""
    return told


def _known(font: str, glyph: int, width: float) -> str:
    """Make a glyph known to ReportLab by its number, so that the same one has the same name in every process.

    ``width`` is that of the glyph alone: beside another one it may be given more or less room.
    """
    face, code = load(font).face, GLYPHS + glyph
    if code not in face.charToGlyph:
        face.charToGlyph[code] = glyph
        face.charWidths[code] = width
    return chr(code)


@cache
def _face(font: str) -> tuple[Any, float]:
    face = uharfbuzz.Face(uharfbuzz.Blob((FONTS / f"{font}.ttf").read_bytes()))
    return uharfbuzz.Font(face), 1000 / face.upem
