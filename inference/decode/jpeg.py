"""JPEG streams beside what Pillow reads: deep and lossless ones, those that lack their height or their last bytes."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inference.decode.isolation import run_isolated
from inference.decode.limits import DECODER_ERRORS, check_size

START: Final = b"\xff\xd8"
END: Final = b"\xff\xd9"
LOSSLESS: Final = 0xC3
JPEG_LS: Final = 0xF7
_BY_PILLOW: Final = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)
_FRAMES: Final = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), JPEG_LS)
_ALONE: Final = (0x01, *range(0xD0, 0xD9))
"""Markers without a length."""
_SCAN: Final = 0xDA
_NUMBER_OF_LINES: Final = b"\xff\xdc\0\x04"
"""Marker and length of what tells the height behind the first scan (ITU T.81, B.2.5)."""
_EXIF: Final = 0xE1
_COMPARED_SIDE: Final = 1024
_FILLER: Final = bytes(range(1, 255)) * 8
_ADOBE_RGB: Final = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
"""A marker that says: no transform of colours."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the header of a JPEG says."""

    process: int
    """The second byte of its start-of-frame marker."""
    precision: int
    """Bits of a sample."""
    width: int
    height: int
    components: int
    unit_height: int
    """Rows of pixels that are coded together."""

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads such a one."""
        return self.process in _BY_PILLOW and self.precision == 8 and self.components in (1, 3, 4)


def frame(data: bytes) -> FrameHeader | None:
    """Read the frame header; None when there is none."""
    for marker, body in _segments(data):
        if marker in _FRAMES and len(body) >= 6:
            precision, height, width, components = struct.unpack_from(">BHHB", body)
            factors = [body[i] & 15 for i in range(7, min(len(body), 6 + 3 * components), 3)]
            return FrameHeader(marker, precision, width, height, components, 8 * max(factors, default=1))
    return None


def with_height(data: bytes) -> bytes:
    """Write the height into the frame header where that leaves it to a DNL marker, as line scanners do.

    Any other file comes back as it is.
    """
    at, body = next(((at, body) for marker, at, body in _placed(data) if marker in (*_FRAMES, _SCAN)), (0, b""))
    if body[1:3] != b"\0\0":
        return data
    # In coded data every 0xff has a 0 or a restart behind it, so that this is nothing else.
    found = data.find(_NUMBER_OF_LINES, data.find(bytes((0xFF, _SCAN)), at))
    height = data[found + 4 : found + 6] if found >= 0 else b""
    return data[: at + 1] + height + data[at + 3 :] if len(height) == 2 else data


def orientation(data: bytes) -> int:
    """How EXIF says that the picture is to be turned, 1 to 8; 1 where it says nothing."""
    for marker, body in _segments(data):
        if marker == _EXIF and body.startswith(b"Exif\0\0"):
            exif = Image.Exif()
            try:
                exif.load(body)
                value = exif.get(ExifTags.Base.Orientation, 1)
            except DECODER_ERRORS:
                return 1  # damaged metadata are no reason to refuse the pixels
            return value if isinstance(value, int) else 1
        if marker == _SCAN:
            break
    return 1


def has_end(data: bytes) -> bool:
    """Whether the last bytes are a JPEG's, but for zeros behind it."""
    return data.rstrip(b"\0").endswith(END)


def repaired(data: bytes) -> bytes | None:
    """Give a JPEG that lacks its last bytes an end; None when rows are missing, or scans of a progressive one.

    What follows the last byte is made up in two ways: where the two pictures part, the file ends. That must not be
    before the last row of coded units.
    """
    header = frame(data)
    if header is None or not header.is_plain or not _has_all_scans(data, header.components):
        return None
    body = data.rstrip(b"\0").removesuffix(b"\xff")
    one, other = (_small(body + filler + END) for filler in (b"", _FILLER))
    if one is None or other is None or one.shape != other.shape:
        return None
    parted = np.nonzero((one != other).reshape(len(one), -1).any(1))[0]
    last_unit = (len(one) * (header.height - header.unit_height)) // header.height - 1
    return body + END if not len(parted) or parted[0] >= last_unit else None


def decode_plain(data: bytes, *, as_rgb: bool) -> NDArray[np.uint8]:
    """Decode eight bits a sample: H x W grey, or H x W x 3 RGB; ``as_rgb`` where the file around it says so.

    Raises OSError and the like on damaged streams, and when rows are missing.
    """
    if as_rgb and b"Adobe" not in data[:1024]:
        data = data[:2] + _ADOBE_RGB + data[2:]
    try:
        return _pixels(data)
    except OSError:
        mended = repaired(data)
        if mended is None:
            raise
        return _pixels(mended)


def decode_deep(data: bytes, header: FrameHeader) -> NDArray[Any]:
    """Decode what Pillow does not read, in a process of its own: up to 16 bits, lossless, JPEG-LS.

    Raises PictureError when it is too large, ValueError when it can't be decoded.
    """
    check_size(header.width, header.height)
    return run_isolated(lambda: _deep(data, header))


def _deep(data: bytes, header: FrameHeader) -> NDArray[Any]:
    import imagecodecs

    if header.process == LOSSLESS:
        return np.asarray(imagecodecs.ljpeg_decode(data))
    if header.process == JPEG_LS:
        # Where a stream lacks its end, CharLS looks for it for ever.
        return np.asarray(imagecodecs.jpegls_decode(data if has_end(data) else data + END))
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        check_size(*image.size)
        image.load()
        return np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))


def _small(data: bytes) -> NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            check_size(*image.size)
            image.draft(None, (_COMPARED_SIDE, _COMPARED_SIDE))
            image.load()
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError):
        return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a stream with their bodies; entropy-coded data are stepped over."""
    return ((marker, body) for marker, _, body in _placed(data))


def _placed(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """As ``_segments``, with where each body begins."""
    at = data.find(START) + 2
    while 2 <= at < len(data) - 1:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return
        marker = data[at + 1]
        if marker in (0x00, 0xFF, *_ALONE):
            at += 1 if marker == 0xFF else 2
            continue
        if marker == END[1] or at + 4 > len(data):
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, at + 4, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _has_all_scans(data: bytes, components: int) -> bool:
    """Whether the scans bring every coefficient of every component down to its last bit (ITU T.81, G.1.1.1)."""
    left: dict[int, list[int]] = {}
    for marker, body in _segments(data):
        if marker != _SCAN or not body or len(body) < 4 + 2 * body[0]:
            continue
        count = body[0]
        first, last, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
        for i in range(count):
            bits = left.setdefault(body[1 + 2 * i], [15] * 64)
            for k in range(min(first, 63), min(last, 63) + 1):
                bits[k] = low
    return len(left) >= components and all(not any(bits) for bits in left.values())
