"""A QR code (ISO/IEC 18004) as rows of dark stretches, for a pen to fill."""

from functools import lru_cache

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

QUIET = 4
"""Modules of white that the standard wants around the code."""
_MASK = 2
"""The pattern laid over the code. Readers take any; to try all eight for the fairest would take ten times as long."""

Stretch = tuple[int, int, int]
"""Row from the top, first column, number of dark modules."""


@lru_cache(maxsize=64)
def stretches(text: str) -> tuple[int, tuple[Stretch, ...]]:
    """Modules a side, and the dark stretches of each row; about 15 % of the code may be damaged (level M)."""
    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.version = code.calculate_version()
    code.makeImpl(False, _MASK)  # noqa: FBT003  # ReportLab's own way to ask for the real thing
    side = code.getModuleCount()
    found: list[Stretch] = []
    for row in range(side):
        column = 0
        while column < side:
            end = column
            while end < side and code.isDark(row, end):
                end += 1
            if end > column:
                found.append((row, column, end - column))
            column = end + 1
    return side, tuple(found)
