"""The fonts that travel with this package, loaded once per process and only when a character asks for them."""

import re
import threading
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONTS = Path(__file__).parent / "fonts"
REGULAR = "NotoSans-Regular"
BOLD = "NotoSans-Bold"
SCRIPTS = (
    (0x0590, 0x0600, "NotoSansHebrew"),
    (0xFB1D, 0xFB50, "NotoSansHebrew"),
    (0x0600, 0x0700, "NotoSansArabic"),
    (0x0750, 0x0780, "NotoSansArabic"),
    (0x08A0, 0x0900, "NotoSansArabic"),
    (0x0780, 0x07C0, "NotoSansThaana"),
    (0x0900, 0x0980, "NotoSansDevanagari"),
    (0x0980, 0x0A00, "NotoSansBengali"),
    (0x0A00, 0x0A80, "NotoSansGurmukhi"),
    (0x0A80, 0x0B00, "NotoSansGujarati"),
    (0x0B00, 0x0B80, "NotoSansOriya"),
    (0x0B80, 0x0C00, "NotoSansTamil"),
    (0x0C00, 0x0C80, "NotoSansTelugu"),
    (0x0C80, 0x0D00, "NotoSansKannada"),
    (0x0D00, 0x0D80, "NotoSansMalayalam"),
    (0x0D80, 0x0E00, "NotoSansSinhala"),
    (0x0E00, 0x0E80, "NotoSansThai"),
    (0x0E80, 0x0F00, "NotoSansLao"),
    (0x0F00, 0x1000, "NotoSerifTibetan"),
    (0x1000, 0x10A0, "NotoSansMyanmar"),
    (0x1200, 0x13A0, "NotoSansEthiopic"),
    (0x2D80, 0x2DE0, "NotoSansEthiopic"),
    (0x1780, 0x1800, "NotoSansKhmer"),
    (0x19E0, 0x1A00, "NotoSansKhmer"),
)
"""Blocks of Unicode (from, before) with the family that draws them; its letters are shaped (``reports.shaping``)."""
IN_BOLD = frozenset({"NotoSansArabic", "NotoSansDevanagari"})
"""Families that are here in bold too: those of languages that the bot speaks."""
FALLBACKS = ("NotoEmoji-Regular", "DejaVuSans", "DroidSansFallbackFull", "NanumSquareR")
"""Asked in this order for what no script of the list holds."""
PRIVATE = 0xF0000
"""From here on a character is nobody's but ours."""
PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that no font has: it is seen to be missing."""

GLYPH_TEXTS = "glyph_texts"
"""Attribute of ReportLab's document: font name -> glyph as ReportLab knows it -> the text that it stands for."""

_loading = threading.Lock()


class Typeface(TTFont):  # type: ignore[misc]  # ReportLab ships no types
    """A TrueType font whose text can be copied out of the PDF again.

    ReportLab's own table from glyphs to text writes characters beyond U+FFFF (every emoji) as five digits, which
    readers take for another character, and knows no glyph that shaping has put in place of characters.
    All of ASCII goes into a font's first subset, so that most reports have the same subset; it is made and packed once.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, str(FONTS / f"{name}.ttf"), asciiReadable=1)
        make = lru_cache(maxsize=16)(self.face.makeSubset)
        self.face.makeSubset = lambda subset: make(tuple(subset))

    def addObjects(self, doc: Any) -> None:  # noqa: N802  # ReportLab's name
        """Add the font to the document, then set its ToUnicode tables right."""
        before = set(doc.idToObject)
        super().addObjects(doc)
        for key in set(doc.idToObject) - before:
            part = doc.idToObject[key]
            if key.startswith("fontFile:"):
                part.filters = [_PackedOnce]
            elif key.startswith("toUnicodeCMap:"):
                texts = tuple(sorted(getattr(doc, GLYPH_TEXTS, {}).get(self.fontName, {}).items()))
                part.content, part.filters = _readable(part.content, texts), [_PackedOnce]
            elif hasattr(part, "Widths"):
                part.Widths = _numbers(tuple(part.Widths.sequence))


class _PackedOnce:
    """A filter for streams, as ReportLab wants one, that remembers what it packed last."""

    pdfname = "FlateDecode"
    encode = staticmethod(lru_cache(maxsize=32)(zlib.compress))


@lru_cache(maxsize=32)
def _numbers(values: tuple[float, ...]) -> bytes:
    return f"[{' '.join(f'{value:.6g}' for value in values)}]".encode()


@lru_cache(maxsize=32)
def _readable(table: str, texts: tuple[tuple[str, str], ...]) -> bytes:
    """The table in UTF-16, with the text of each shaped glyph in place of our name for it."""
    known = dict(texts)

    def in_utf16(entry: re.Match[str]) -> str:
        char = chr(int(entry[2], 16))
        return f"{entry[1]}<{known.get(char, char).encode('utf-16-be').hex().upper()}>"

    return re.sub(r"(<[0-9A-F]{2}> )<([0-9A-F]{4,6})>", in_utf16, table).encode()


@cache
def load(name: str) -> Typeface:
    """Load a font by its file's name and make it known to ReportLab under that name."""
    with _loading:
        font = Typeface(name)
        pdfmetrics.registerFont(font)
    return font


def has_glyph(name: str, char: str) -> bool:
    """Whether a font can draw a character."""
    return bool(load(name).face.charToGlyph.get(ord(char)))


@lru_cache(maxsize=8192)
def face_of(char: str, *, bold: bool) -> str | None:
    """Name the font that draws a character: that of its script, or the first one that has it; None when none has."""
    if ord(char) >= PRIVATE:
        return None
    families = (family for start, end, family in SCRIPTS if start <= ord(char) < end)
    of_script = (f"{family}-{'Bold' if bold and family in IN_BOLD else 'Regular'}" for family in families)
    names = (*of_script, BOLD if bold else REGULAR, *FALLBACKS)
    return next((name for name in names if has_glyph(name, char)), None)


def file_for(text: str) -> Path | None:
    """The file of the font for words of one script; None for those of ASCII alone, which every font has."""
    letter = next((char for char in text if char.isalpha() and not char.isascii()), None)
    name = face_of(letter, bold=False) if letter else None
    return FONTS / f"{name}.ttf" if name else None


@cache
def is_shaped(name: str) -> bool:
    """Whether a font's letters join, stack or change places, so that their glyphs have to be asked for."""
    return name.partition("-")[0] in {family for *_, family in SCRIPTS}


class Advances(dict[str, float]):
    """Widths of characters in units of the font size, looked up at most once each.

    What no font has is as wide as its placeholder.
    """

    def __init__(self, *, bold: bool) -> None:
        super().__init__()
        self._bold = bold

    def __missing__(self, char: str) -> float:
        name = face_of(char, bold=self._bold)
        if name is None:
            return self[PLACEHOLDER]
        width: float = load(name).face.getCharWidth(ord(char)) / 1000
        self[char] = width
        return width

    def of(self, text: str) -> float:
        """Width of a text on one line."""
        return sum(map(self.__getitem__, text))


ADVANCES = {False: Advances(bold=False), True: Advances(bold=True)}
"""By whether the text is bold."""
