"""The fonts that travel with this package, loaded once per process and only when a character asks for them."""

import re
import threading
import unicodedata
import zlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONTS = Path(__file__).parent / "fonts"
REGULAR = "NotoSans-Regular"
BOLD = "NotoSans-Bold"
FALLBACKS = (
    "NotoEmoji-Regular",
    "DejaVuSans",
    "NotoSansThai-Regular",
    "NotoSansDevanagari-Regular",
    "DroidSansFallbackFull",
    "NanumSquareR",
)
PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that no font has: it is seen to be missing."""

_loading = threading.Lock()


class Typeface(TTFont):  # type: ignore[misc]  # ReportLab ships no types
    """A TrueType font whose text can be copied out of the PDF again.

    ReportLab's own table from glyphs to text writes characters beyond U+FFFF (every emoji) as five digits, which
    readers take for another character, and Arabic shapes as shapes instead of letters.
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
                part.content, part.filters = _readable(part.content), [_PackedOnce]
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
def _readable(table: str) -> bytes:
    return re.sub(r"(<[0-9A-F]{2}> )<([0-9A-F]{4,6})>", _as_utf16, table).encode()


def _as_utf16(entry: re.Match[str]) -> str:
    char = chr(int(entry[2], 16))
    if "\ufb50" <= char <= "\ufeff":
        char = unicodedata.normalize("NFKC", char)
    return f"{entry[1]}<{char.encode('utf-16-be').hex().upper()}>"


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
    """Name the first font that has a character; None when none has."""
    return next((name for name in (BOLD if bold else REGULAR, *FALLBACKS) if has_glyph(name, char)), None)


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
