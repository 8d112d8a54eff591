"""The pixels of a DICOM file as they are stored: the element is found and taken apart here, whatever else is odd.

Compressed frames are known by their own first bytes, because transfer syntaxes are often wrong. Everything that stands
behind the pixels is left alone.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode import jpeg
from inference.decode.isolation import run_isolated
from inference.decode.limits import check_size
from inference.decode.newer_formats import JXL_STARTS, jxl_size

PIXEL_TAGS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""FloatPixelData, DoubleFloatPixelData, PixelData."""
_LONG_VRS: Final = (b"OB", b"OW", b"UN", b"OF", b"OD", b"OL", b"UT")
_ITEM: Final = 0xFFFEE000
_END: Final = 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_MOST_FRAGMENTS: Final = 65536
_JPEG_2000: Final = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
_TILE_PART: Final = b"\xff\x90"
_CODING: Final = b"\xff\x52"
_RLE: Final = "1.2.840.10008.1.2.5"
_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
_DEFLATED: Final = "1.2.840.10008.1.2.8.1"
"""Frames in fragments that are as they would be without (PS3.5, A.4.11), or each deflated (A.4.13)."""
_RLE_TABLE: Final = 64
"""Bytes."""
MAY_LACK: Final = 2
"""Bytes that may be missing at the end of uncompressed pixels: the padding of an odd length, or a slip of it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How stored values lie in the bytes, as the tags say or as the standard has it where they say nothing."""

    rows: int
    columns: int
    samples: int
    allocated: int
    """Bits of a value."""
    stored: int
    """So many of them count."""
    high_bit: int
    signed: bool
    planar: bool
    """Colours lie plane by plane."""
    halved: bool
    """Uncompressed YBR_FULL_422: two pixels share their colour."""
    kind: str
    """"i", "f" or "d": whole numbers, floats, doubles."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        samples = 2 if self.halved else self.samples
        return (self.rows * self.columns * samples * self.allocated + 7) // 8


@dataclass(frozen=True, slots=True)
class Element:
    """The pixel element: its bytes, or the fragments of compressed frames."""

    tag: int
    value: bytes
    fragments: tuple[bytes, ...]
    complete: bool
    """False when the file ends within it."""
    little: bool
    in_words: bool
    """Whether bytes lie in words of 16 bits, which big endian files turn round."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded values: H x W, or H x W x 3 with the colours in the order of ``is_rgb``."""

    values: NDArray[Any]
    is_rgb: bool | None
    """Whether the decoder has made RGB of it; None when it can't tell."""


def find_element(data: bytes, at: int, *, explicit: bool, little: bool) -> Element | None:
    """The pixel element that begins at byte ``at``; None when there is none."""
    order = "<" if little else ">"
    if at + 8 > len(data):
        return None
    group, element = struct.unpack_from(f"{order}HH", data, at)
    tag = group << 16 | element
    if tag not in PIXEL_TAGS:
        return None
    vr = data[at + 4 : at + 6]
    # The length of an implicit one is even, and no two capital letters: whatever the file says of itself.
    if vr in _LONG_VRS or (explicit and vr.isalpha() and vr.isupper()):
        is_long = vr in _LONG_VRS
        start = at + (12 if is_long else 8)
        length = int.from_bytes(
            data[at + 8 : at + 12] if is_long else data[at + 6 : at + 8], "little" if little else "big"
        )
    else:
        start, length = at + 8, int.from_bytes(data[at + 4 : at + 8], "little" if little else "big")
    encapsulated = length == _UNDEFINED or struct.unpack_from("<HH", data[start : start + 4].ljust(4)) == (
        0xFFFE,
        0xE000,
    )
    if encapsulated:
        fragments, complete = _fragments(data, start)
        return Element(tag, b"", fragments, complete, little=True, in_words=False)
    complete = start + length <= len(data)
    return Element(tag, data[start : start + length], (), complete, little=little, in_words=vr != b"OB")


def _fragments(data: bytes, at: int) -> tuple[tuple[bytes, ...], bool]:
    """The items of a compressed element without its first, the table of offsets; whether its end is there."""
    found: list[bytes] = []
    while at + 8 <= len(data) and len(found) < _MOST_FRAGMENTS:
        group, element, length = struct.unpack_from("<HHI", data, at)
        tag = group << 16 | element
        if tag == _END:
            return tuple(found[1:]), True
        if tag != _ITEM:
            break
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return tuple(found[1:]), False


def stored_values(element: Element, layout: Layout, syntax: str, *, as_rgb: bool) -> Stored:
    """The first frame's values; ``as_rgb`` where the tags say that its colours are no YCbCr.

    Raises PictureError when pixels are missing, ValueError and the like on damage.
    """
    if not element.fragments:
        if not element.value:
            raise PictureError(Reason.BROKEN, "no pixels")
        return Stored(_native(element, layout), None)
    stream = element.fragments[0] if len(element.fragments) == 1 else b"".join(element.fragments)
    if syntax in (_UNCOMPRESSED, _DEFLATED) and layout.frame_bytes:
        if syntax == _DEFLATED:
            stream = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, layout.frame_bytes)
        return Stored(
            _native(replace(element, value=stream, fragments=(), in_words=layout.allocated > 8), layout), None
        )
    if syntax == _RLE or _is_rle(stream, layout):
        return Stored(_rle(stream, layout), None)
    return _by_codec(stream, as_rgb=as_rgb, complete=element.complete)


def significant(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Only the bits that count: overlays and junk above them are cut off, and the sign is carried on."""
    if values.dtype.kind == "f":
        return values
    below = layout.high_bit + 1 - layout.stored
    mask = (1 << layout.stored) - 1
    bits = values.astype(np.int64) >> below & mask
    if layout.signed:
        sign = 1 << (layout.stored - 1)
        bits = (bits ^ sign) - sign
    return np.asarray(bits, np.int32 if layout.stored <= 31 else np.int64)


def _native(element: Element, layout: Layout) -> NDArray[Any]:
    missing = layout.frame_bytes - len(element.value)
    if missing > MAY_LACK:
        raise PictureError(Reason.BROKEN, "pixels are missing")
    data = element.value[: layout.frame_bytes] + bytes(max(0, missing))
    values = _unpacked(data, layout, element)
    if layout.halved:
        return _doubled(values, layout)
    if layout.samples == 1:
        return values[: layout.rows * layout.columns].reshape(layout.rows, layout.columns)
    if layout.planar:
        return np.moveaxis(values.reshape(layout.samples, layout.rows, layout.columns), 0, -1)
    return values.reshape(layout.rows, layout.columns, layout.samples)


def _unpacked(data: bytes, layout: Layout, element: Element) -> NDArray[Any]:
    order = "<" if element.little else ">"
    if layout.kind in "fd":
        return np.frombuffer(data, f"{order}f{4 if layout.kind == 'f' else 8}")
    if layout.allocated in (16, 32, 64):
        return np.frombuffer(data, f"{order}u{layout.allocated // 8}")
    if not element.little and element.in_words:
        data = np.frombuffer(data + bytes(len(data) % 2), "<u2").byteswap().tobytes()[: len(data)]
    if layout.allocated == 8:
        return np.frombuffer(data, np.uint8)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    groups = bits[: len(bits) // layout.allocated * layout.allocated].reshape(-1, layout.allocated)
    values = np.zeros(len(groups), np.uint16)
    for place in range(layout.allocated):
        values |= groups[:, place].astype(np.uint16) << place
    return values


def _doubled(values: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Y Y Cb Cr, Y Y Cb Cr ... to three samples a pixel."""
    quads = values.reshape(-1, 4)
    full = np.stack([quads[:, :2], quads[:, [2, 2]], quads[:, [3, 3]]], -1)
    return full.reshape(layout.rows, layout.columns, 3)


def _is_rle(stream: bytes, layout: Layout) -> bool:
    """Whether a frame begins as RLE does: so many segments, and the first of them right behind the table."""
    return stream[:8] == struct.pack("<2I", layout.samples * layout.allocated // 8, _RLE_TABLE)


def _rle(stream: bytes, layout: Layout) -> NDArray[Any]:
    """RLE (PS3.5 annex G): a plane of bytes a segment, the most significant first."""
    import imagecodecs

    count, *offsets = struct.unpack_from("<16I", stream)
    size, width = layout.rows * layout.columns, layout.allocated // 8
    if count != layout.samples * width or width * 8 != layout.allocated:
        raise ValueError("the segments don't fit the tags")
    ends = [*offsets[1:count], len(stream)]
    planes = []
    for start, end in zip(offsets[:count], ends, strict=True):
        unpacked = imagecodecs.packbits_decode(stream[start:end], out=2 * size + 1024)
        if len(unpacked) < size:
            raise PictureError(Reason.BROKEN, "pixels are missing")
        planes.append(np.frombuffer(unpacked, np.uint8)[:size])
    samples = []
    for first in range(0, count, width):
        value = planes[first].astype(f"u{width}")
        for plane in planes[first + 1 : first + width]:
            value = value << 8 | plane
        samples.append(value.reshape(layout.rows, layout.columns))
    return samples[0] if layout.samples == 1 else np.stack(samples, -1)


def _by_codec(stream: bytes, *, as_rgb: bool, complete: bool) -> Stored:
    """Decode a frame by what its first bytes say that it is."""
    if stream.startswith(_JPEG_2000):
        return _jpeg_2000(stream)
    if stream.startswith(JXL_STARTS):
        return _jpeg_xl(stream, complete=complete)
    stream = jpeg.with_height(stream)
    header = jpeg.frame(stream)
    if header is None:
        raise PictureError(Reason.DICOM_UNSUPPORTED if complete else Reason.BROKEN, "an unknown codec")
    if header.is_plain:
        values = jpeg.decode_plain(stream, as_rgb=as_rgb)
        return Stored(values, True if values.ndim == 3 else None)
    if not complete:
        raise PictureError(Reason.BROKEN, "pixels are missing")
    return Stored(jpeg.decode_deep(stream, header), header.process not in (jpeg.LOSSLESS, jpeg.JPEG_LS) or None)


def _jpeg_2000(stream: bytes) -> Stored:
    start = stream.find(_JPEG_2000[0])
    if start < 0:
        raise ValueError("no codestream")
    right, down, left, top = struct.unpack_from(">4I", stream, start + 8)
    if right <= left or down <= top:
        raise ValueError("no size")
    check_size(right - left, down - top, "DICOM in JPEG 2000")
    at = start + 2
    mixed = False
    while (marker := stream[at : at + 2]) != _TILE_PART:
        if marker == _CODING and len(stream) > at + 8:
            mixed = stream[at + 8] == 1
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if at + 12 > len(stream):
            raise PictureError(Reason.BROKEN, "no tile")
    while stream[at : at + 2] == _TILE_PART:
        length = int.from_bytes(stream[at + 6 : at + 10], "big")
        if at + length > len(stream) + MAY_LACK:
            raise PictureError(Reason.BROKEN, "pixels are missing")
        if length < 14:
            break
        at += length
    values = run_isolated(lambda: _decode_jpeg_2000(stream))
    return Stored(values, mixed or None)


def _jpeg_xl(stream: bytes, *, complete: bool) -> Stored:
    """JPEG XL (PS3.5, 8.2.19), whose decoder gives RGB whatever the file says of its colours."""
    check_size(*jxl_size(stream), "JXL")
    if not complete:
        raise PictureError(Reason.BROKEN, "pixels are missing")
    values = run_isolated(lambda: _decode_jpeg_xl(stream))
    return Stored(values, True if values.ndim == 3 else None)


def _decode_jpeg_xl(stream: bytes) -> NDArray[Any]:
    import imagecodecs

    values = np.asarray(imagecodecs.jpegxl_decode(stream))
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values


def _decode_jpeg_2000(stream: bytes) -> NDArray[Any]:
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(stream))
