"""Small files that ask for much: made by code, each about as large as a decoder lets a picture be."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from tests import dicom_files

SIDE = 7700
"""Pixels: just under the limit of 60 million."""
_JPEG_2000, _JPEG_LS, _RLE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"
_ONE = np.zeros((2, 2), np.uint8)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """A piece of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _zeros(count: int) -> Iterator[bytes]:
    for _ in range(count >> 20):
        yield bytes(1 << 20)
    yield bytes(count & (1 << 20) - 1)


def png(colour: int, bits: int, *, interlaced: bool = False) -> bytes:
    """A black PNG; ``colour`` is PNG's number: 0 grey, 2 RGB, 3 palette, 6 RGBA."""
    samples = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    packer = zlib.compressobj(1)
    rows = SIDE * (SIDE * samples * bits // 8 + 1) * (2 if interlaced else 1)
    packed = b"".join(packer.compress(part) for part in _zeros(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, bits, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def progressive_jpeg(scans: int, side: int) -> bytes:
    """A JPEG whose last scan comes again and again."""
    plain = _saved(Image.new("L", (side, side), 90), "JPEG", progressive=True)
    last = plain.rindex(b"\xff\xda")
    return plain[:-2] + plain[last:-2] * scans + plain[-2:]


def rle_dicom(samples: int, bits: int, **tags: Any) -> bytes:
    """A DICOM file packed by PackBits: black, in as many segments as there are bytes in a pixel."""
    length, segments = SIDE * SIDE, samples * bits // 8
    segment = b"\x81\0" * (length // 128) + b"\x81\0"
    segment += b"\0" * (len(segment) % 2)
    offsets = [64 + number * len(segment) for number in range(segments)]
    stream = struct.pack("<16I", segments, *offsets, *[0] * (15 - segments)) + segment * segments
    known: dict[str, Any] = {"SamplesPerPixel": samples, "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    if samples == 3:
        known |= {"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    return dicom_files.encapsulated(_ONE, stream, _RLE, Rows=SIDE, Columns=SIDE, **known, **tags)


def palette_dicom() -> bytes:
    """The same with a palette of 16 bits, which is three planes of 16 bits once looked up."""
    palette = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", bytes(512)))
    }
    return rle_dicom(1, 8, PhotometricInterpretation="PALETTE COLOR", **palette)


def elements_dicom(count: int) -> bytes:
    """A DICOM file of empty elements before its pixels."""
    plain = dicom_files.native(np.zeros((64, 64), np.uint8))
    at = plain.index(b"\xe0\x7f\x10\x00")
    return plain[:at] + b"\x09\x00\x01\x00LO\0\0" * count + plain[at:]


def nested_dicom(count: int) -> bytes:
    """The same within an item of a sequence."""
    plain = dicom_files.native(np.zeros((64, 64), np.uint8))
    at = plain.index(b"\xe0\x7f\x10\x00")
    inner = b"\x09\x00\x01\x00LO\0\0" * count
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
    return plain[:at] + b"\x40\x00\x75\x02SQ\0\0" + struct.pack("<I", len(item)) + item + plain[at:]


def coded_dicom(stream: bytes, syntax: str) -> bytes:
    return dicom_files.encapsulated(_ONE, stream, syntax, Rows=SIDE, Columns=SIDE)


def black(samples: int = 1) -> Image.Image:
    return Image.new("L" if samples == 1 else "RGB", (SIDE, SIDE))


def jpeg_2000() -> bytes:
    """A picture of a single tile, in a header that says that there are many more: the decoder makes room for them."""
    small = bytearray(_saved(Image.new("L", (1100, 1100)), "JPEG2000", num_resolutions=1, no_jp2=True))
    struct.pack_into(">II", small, small.index(b"\xff\x51") + 6, SIDE, SIDE)
    return bytes(small)


def targa() -> bytes:
    """Red, green, blue and alpha in runs of 128 pixels."""
    head = bytes((0, 0, 10)) + bytes(9) + struct.pack("<HHBB", SIDE, SIDE, 32, 8)
    row = b"\xff\0\0\0\0" * (SIDE // 128) + bytes((0x80 | SIDE % 128 - 1, 0, 0, 0, 0))
    return head + row * SIDE + bytes(8) + b"TRUEVISION-XFILE.\0"


def pcx() -> bytes:
    """Three planes in runs of 63."""
    head = struct.pack("<4B4H", 10, 5, 1, 8, 0, 0, SIDE - 1, SIDE - 1).ljust(65, b"\0") + struct.pack("<BH", 3, SIDE)
    row = b"\xff\0" * (SIDE // 63) + bytes((0xC0 | SIDE % 63, 0))
    return head.ljust(128, b"\0") + row * (3 * SIDE)


def psd(resources: int = 0) -> bytes:
    """The merged picture in runs of 128, behind so many empty notes."""
    note = b"8BIM\4\4" + bytes(6)
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 4, SIDE, SIDE, 8, 3) + bytes(4)
    row = b"\x81\0" * (SIDE // 128) + bytes(((257 - SIDE % 128) & 255, 0))
    rows = 4 * SIDE
    lengths = struct.pack(">H", len(row)) * rows
    head += struct.pack(">I", len(note) * resources) + note * resources
    return head + bytes(4) + b"\0\1" + lengths + row * rows


BOMBS: dict[str, Callable[[], bytes]] = {
    "RGB PNG": lambda: png(2, 8),
    "RGBA PNG of 16 bits": lambda: png(6, 16),
    "grey PNG of 16 bits": lambda: png(0, 16),
    "palette PNG": lambda: png(3, 8),
    "interlaced RGB PNG": lambda: png(2, 8, interlaced=True),
    "JPEG of 1,000 scans": lambda: progressive_jpeg(1000, 7000),
    "JPEG of 90 scans": lambda: progressive_jpeg(85, 7000),
    "GIF": lambda: _saved(black().convert("P"), "GIF"),
    "WebP": lambda: _saved(Image.new("RGB", (16_000, 3_700)), "WEBP", method=0, quality=0),
    "TIFF of floats": lambda: _saved(Image.new("F", (SIDE, SIDE)), "TIFF", compression="tiff_lzw"),
    "CMYK TIFF": lambda: _saved(Image.new("CMYK", (SIDE, SIDE)), "TIFF", compression="tiff_lzw"),
    "BMP in runs": lambda: _bmp(),
    "PBM": lambda: b"P4 %d %d\n" % (SIDE, SIDE) + bytes((SIDE + 7) // 8 * SIDE),
    "PBM in text": lambda: b"P1 4400 4400\n" + b"0" * 4400**2,
    "PGM in text": lambda: b"P2 3100 3100 65535\n" + b"0 " * 3100**2,
    "PPM of 16 bits": lambda: b"P6 1800 1800 65535\n" + bytes(6 * 1800**2),
    "Targa in runs": targa,
    "PCX": pcx,
    "PSD in runs": psd,
    "PSD of 1,000,000 notes": lambda: psd(1_000_000),
    "JPEG 2000": jpeg_2000,
    "JPEG XL": lambda: bytes(imagecodecs.jpegxl_encode(np.zeros((SIDE, SIDE, 3), np.uint8), effort=1)),
    "DICOM in runs, grey of 16 bits": lambda: rle_dicom(1, 16),
    "DICOM in runs, RGB": lambda: rle_dicom(3, 8),
    "DICOM in runs, palette": palette_dicom,
    "DICOM in JPEG 2000": lambda: coded_dicom(jpeg_2000(), _JPEG_2000),
    "DICOM in JPEG-LS": lambda: coded_dicom(
        bytes(imagecodecs.jpegls_encode(np.zeros((SIDE, SIDE), np.uint8))), _JPEG_LS
    ),
    "DICOM of 2,000,000 elements": lambda: elements_dicom(2_000_000),
    "DICOM of 2,000,000 nested elements": lambda: nested_dicom(2_000_000),
}


def _bmp() -> bytes:
    """Eight bits in runs: a run of 255 is two bytes."""
    row = b"\xff\0" * (SIDE // 255) + bytes((SIDE % 255, 0)) + b"\0\0"
    body = row * SIDE + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(body), 2835, 2835, 256, 0)
    offset = 14 + 40 + 1024
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + head + bytes(1024) + body
