"""Containers that ask for much: small files made by code, of which each part may be within its own limit."""

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from tests import bombs, dicom_files

MAX_BYTES = 19 << 20
"""Just under what Telegram hands to a bot."""


def gzip_members() -> bytes:
    """Hundreds of thousands of empty gzip streams, one behind the other."""
    return gzip.compress(b"") * (MAX_BYTES // 20)


def slow_pictures(count: int = 60) -> bytes:
    """A ZIP of so many pictures that each take almost as long as one picture may."""
    side = 4600
    rows = side * (side * 8 + 1)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(rows >> 20)) + packer.compress(
        bytes(rows & (1 << 20) - 1)
    )
    packed += packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    chunks = b"".join(bombs.chunk(*chunk) for chunk in ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")))
    return zipped({f"{number:02}.png": b"\x89PNG\r\n\x1a\n" + chunks for number in range(count)})


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def elements_in_many_files() -> bytes:
    """A ZIP of DICOM files whose headers have as many elements as fit."""
    one = bombs.elements_dicom(30_000)
    return zipped({f"{number:03}": one for number in range(600)})


def multiframe_elements() -> bytes:
    """One DICOM file that says that it has frames, and then millions of elements before its pixels."""
    plain = dicom_files.several_frames(np.zeros((64, 64), np.uint8))
    at = plain.index(b"\xe0\x7f\x10\x00")
    return plain[:at] + b"\x09\x00\x01\x00LO\0\0" * 2_300_000 + plain[at:]


def pax_records() -> bytes:
    """A TAR whose one file has millions of attributes."""
    records = b"".join(b"12 %07d=\n" % n for n in range(1_500_000))
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    body = info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    return body + tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT) + bytes(1024)


def tiff_directories() -> bytes:
    """A TIFF of two thousand pages that share one long list of tags."""
    pages, tags = 1999, 4096
    block = b"".join(struct.pack("<HHII", 256 + n % 2, 4, 1, 64) for n in range(tags))
    step = 2 + len(block) + 4
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    for number in range(min(pages, (MAX_BYTES - 8) // step)):
        following = 8 + (number + 1) * step
        out += struct.pack("<H", tags) + block + struct.pack("<I", following)
    struct.pack_into("<I", out, len(out) - 4, 0)
    return bytes(out)


def nifti(shape: tuple[int, int, int], code: int, bits: int) -> bytes:
    """A black volume, packed by gzip."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352.0)
    head[344:348] = b"n+1\0"
    packer = zlib.compressobj(1, wbits=31)
    size = shape[0] * shape[1] * shape[2] * bits // 8
    packed = packer.compress(bytes(head)) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return packed + packer.compress(bytes(size & (1 << 20) - 1)) + packer.flush()


def nrrd_of_skipped_lines() -> bytes:
    """A volume behind as many lines as may be skipped."""
    header = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nline skip: 65536\n\n"
    return header + b"\n" * 65_536 + bytes(MAX_BYTES - 65_536 - len(header))


def blank_headers(count: int = 250_000) -> dict[str, bytes]:
    """Headers of volumes in two files, each with so many bytes of white space where a name is looked for.

    Who goes through them again for each of them takes minutes.
    """
    return {
        "lines before a name": b"ObjectType = Image" + b"\n" * count + b"ElementDataFile b.raw",
        "spaces in a name": b"ObjectType = Image\nElementDataFile = a" + b" " * count + b"b.raw\n",
        "spaces in an NRRD": b"NRRD0004\ndata file: a" + b" " * count + b"b.raw\n\n",
    }


def lzma_zip() -> bytes:
    """A ZIP whose packing asks for a dictionary of four gigabytes."""
    data = bytearray(zipped({"a.png": bytes(4096)}, zipfile.ZIP_LZMA))
    at = data.index(lzma_properties())
    struct.pack_into("<I", data, at + 5, 0xFFFFFFFF)
    return bytes(data)


def lzma_properties() -> bytes:
    """How the properties of an LZMA stream begin in a ZIP: version, their length, lc/lp/pb."""
    own: bytes = lzma._encode_filter_properties({"id": lzma.FILTER_LZMA1})  # type: ignore[attr-defined]
    return b"\x09\x04\x05\x00" + own[:1]


def pdf_pages() -> bytes:
    """A PDF whose damaged table makes readers search the file from its beginning, for each of many objects."""
    objects = b"".join(b"%d 0 obj<</Type/Page/Parent 1 0 R>>endobj\n" % n for n in range(3, 60_000))
    kids = b" ".join(b"%d 0 R" % n for n in range(3, 190))
    pages = b"1 0 obj<</Type/Pages/Count 187/Kids[" + kids + b"]>>endobj\n2 0 obj<</Type/Catalog/Pages 1 0 R>>endobj\n"
    return b"%PDF-1.4\n" + pages + objects + b"startxref\n7\n%%EOF" + b"\nstartxref\n7\n" * 1000


def pdf_of_tables() -> bytes:
    """A PDF whose chain of tables goes on and on."""
    out, last = bytearray(b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"), 0
    for _ in range(40_000):
        at = len(out)
        previous = b"/Prev %d" % last if last else b""
        out += b"xref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R/Size 3" + previous + b">>\n"
        last = at
    return bytes(out) + b"startxref\n%d\n%%%%EOF" % last


def pdf_unpacked() -> bytes:
    """A PDF whose pictures unpack to a hundred megabytes each."""
    raw = zlib.compress(zlib.compress(bytes(170_000_000), 9), 9)
    image = (
        b"<</Type/XObject/Subtype/Image/Width 7500/Height 7500/BitsPerComponent 8/ColorSpace/DeviceRGB"
        b"/Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n" % len(raw)
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    names = b"".join(b"/i%d 4 0 R" % n for n in range(200))
    for body in (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</XObject<<" + names + b">>>>>>",
        image + raw + b"\nendstream",
    ):
        offsets.append(len(out))
        out += b"%d 0 obj" % len(offsets) + body + b"endobj\n"
    table = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    return bytes(out) + b"trailer<</Root 1 0 R/Size 5>>\nstartxref\n%d\n%%%%EOF" % table


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip of empty streams": gzip_members,
    "ZIP of slow pictures": slow_pictures,
    "ZIP of DICOM with many elements": elements_in_many_files,
    "DICOM of frames and many elements": multiframe_elements,
    "TAR of many attributes": pax_records,
    "TIFF of many tags": tiff_directories,
    "NIfTI of doubles": lambda: nifti((256, 256, 380), 64, 64),
    "NIfTI of a column": lambda: nifti((1, 6000, 32_000), 2, 8),
    "NIfTI of many small slices": lambda: nifti((80, 80, 30_000), 2, 8),
    "NRRD behind many lines": nrrd_of_skipped_lines,
    "ZIP by LZMA": lzma_zip,
    "PDF without its table": pdf_pages,
    "PDF of many tables": pdf_of_tables,
    "PDF of large pictures": pdf_unpacked,
}
