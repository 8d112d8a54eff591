"""What a picture may be, and what decoders raise when it is damaged: shared by every way in."""

import struct
import zlib
from typing import Final

from inference.analysis import PictureError, Reason

MAX_FILE_BYTES: Final = 20 * 1024 * 1024
"""What a bot may download from Telegram."""
MAX_PIXELS: Final = 60_000_000
"""Width times height as the header says; checked before anything is decoded."""
MOST_PIXELS: Final = {"WEBP": 20_000_000, "JXL": 20_000_000, "HEIC": 30_000_000, "AVIF": 30_000_000,
                     "DICOM in JPEG 2000": 25_000_000}  # fmt: skip
"""The same of formats whose decoders need more memory for each pixel than ``budget`` has for MAX_PIXELS."""
MOST_SCANS: Final = 100
"""Scans of a progressive JPEG, each of which is a pass over the whole picture: programs write ten."""
MOST_ELEMENTS: Final = 50_000
"""Elements of a DICOM file outside of sequences: devices write some hundreds."""
MIN_SIDE: Final = 32
"""Pixels of the shorter side; below that there is nothing to see."""
SHOWN_SIDE: Final = 640
"""Long side of what the models read and people see; smaller pictures are not enlarged."""
FINE_SIDE: Final = 1920
"""Long side of a screenshot or of a photo of a screen, before the slice in it is cut out."""
SHEET_SIDE: Final = 2560
"""Long side of a sheet of many slices, before these are cut out: each keeps enough pixels of its own."""
_LONGEST_SIDE: Final = 2**31 - 1  # no writer of pictures goes beyond: it is a negative number, or damage
_MIN_REDUCED_SIDE = 16  # a strip that is thinner than this once its long side fits SHOWN_SIDE is no picture

# All that Pillow and pydicom raise on damaged or hostile input. Spelled out, because a fault of our own must not hide
# behind "the file is damaged" when it is another kind of exception.
DECODER_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def check_size(width: int, height: int, kind: str = "") -> None:
    """Raise PictureError (BROKEN for a size that can't be, TOO_MANY_PIXELS or TOO_SMALL) unless it may be decoded."""
    if min(width, height) < 1 or max(width, height) > _LONGEST_SIDE:
        raise PictureError(Reason.BROKEN, f"{width} x {height}")
    if width * height > MOST_PIXELS.get(kind, MAX_PIXELS):
        raise PictureError(Reason.TOO_MANY_PIXELS, f"{width} x {height}")
    if min(width, height) < MIN_SIDE or min(reduced_size(width, height)) < _MIN_REDUCED_SIDE:
        raise PictureError(Reason.TOO_SMALL, f"{width} x {height}")


def reduced_size(width: int, height: int, side: int = SHOWN_SIDE) -> tuple[int, int]:
    """Size of a picture once its long side is at most ``side``."""
    scale = min(1.0, side / max(width, height, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def dicom_errors() -> tuple[type[Exception], ...]:
    """What pydicom raises over a damaged file: its own errors are no kind of ValueError. Only loaded where one came."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (BytesLengthException, InvalidDicomError, *DECODER_ERRORS)
