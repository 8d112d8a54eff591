"""What a file is by its first bytes, never by its name: a picture that can be read, or something with a way out."""

from typing import Final

from inference.analysis import PictureError, Reason
from inference.decode import dicom_signature, netpbm
from inference.decode.newer_formats import AVIF_BRANDS, HEIC_BRANDS, JPEG_2000_STARTS, JXL_STARTS

_BMP_HEADERS: Final = (12, 16, 40, 52, 56, 64, 108, 124)
_STARTS: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"8BPS\0\1", "PSD"),
    *((start, "JXL") for start in JXL_STARTS),
    *((start, "JPEG2000") for start in JPEG_2000_STARTS),
)
_TARGA_END: Final = b"TRUEVISION-XFILE.\0"
"""The one sure sign of a Targa, which begins with no signature: programs write it since 1989."""
_TARGA_FORMS: Final = (1, 2, 3, 9, 10, 11)
_TARGA_HEADER: Final = 18
_DEPTHS: Final = (8, 15, 16, 24, 32)
_PCX_VERSIONS: Final = (0, 2, 3, 5)
_PCX_HEADER: Final = 128
_RAW_STARTS: Final = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FILM_STARTS: Final = (
    b"\x1a\x45\xdf\xa3",
    b"\0\0\x01\xba",
    b"\0\0\x01\xb3",
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
)
_FILM_BOXES: Final = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""What a QuickTime film begins with that has no box for its brand."""
_VOLUME_STARTS: Final = (
    b"\x89HDF\r\n\x1a\n",
    b"CDF\1",
    b"CDF\2",
    b"# === DATA DESCRIPTION FILE",
    b"\x93NUMPY",
    b"# vtk DataFile",
)
"""MINC and other arrays, Philips' PAR, NumPy, VTK."""
_ANALYZE: Final = (b"\x5c\1\0\0", b"\0\0\1\x5c")
_REGULAR: Final = 38
"""Where the header of an Analyze volume, whose voxels lie in another file, has an "r"."""
_LINKS: Final = (b"http://", b"https://", b"[internetshortcut]", b"<!doctype html", b"<html")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OFFICE: Final = (b"word/", b"ppt/", b"xl/", b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
_ARCHIVES: Final = (
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"\xfd7zXZ\0",
    b"BZh",
    b"\x28\xb5\x2f\xfd",
    b"LZIP",
    b"MSCF\0\0\0\0",
    b"\x1f\x9d",
)
"""With the cabinets of Windows and the oldest of Unix."""
_CD_SECTOR: Final = 0x8001
_NO_BOX_LENGTH: Final = 64


def recognise(data: bytes) -> str:
    """Name the format of a picture; raises PictureError with the way out for what is known to be something else."""
    if dicom_signature.looks_like(data):  # first, because its preamble may hold the magic bytes of a TIFF
        return "DICOM"
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data.startswith(b"RIFF"):
        return _riff(data)
    if data.startswith(_TIFF_STARTS):
        if data[8:10] == b"CR":
            raise PictureError(Reason.RAW_PHOTO)
        return "TIFF"
    if data[4:8] == b"ftyp":
        return _boxes(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if netpbm.looks_like(data):
        return "NETPBM"
    if _is_pcx(data):
        return "PCX"
    if may_be_targa(data) and data.endswith(_TARGA_END):
        return "TGA"
    raise PictureError(way_out(data))


def may_be_targa(data: bytes) -> bool:
    """Whether the beginning of a file does not speak against a Targa; only its end can tell."""
    return data[1:2] in (b"\0", b"\1") and len(data) > _TARGA_HEADER and data[2] in _TARGA_FORMS and data[16] in _DEPTHS


def _is_pcx(data: bytes) -> bool:
    """Whether it begins as a PCX: with a line feed, its version, runs, and further on a byte of zero and its planes."""
    return (
        len(data) > _PCX_HEADER
        and data[0] == ord("\n")
        and data[1] in _PCX_VERSIONS
        and data[2] == 1
        and data[3] in (1, 2, 4, 8)
        and data[64] == 0
        and 1 <= data[65] <= 4
    )


def _riff(data: bytes) -> str:
    if data[8:12] == b"WEBP":
        return "WEBP"
    raise PictureError(Reason.FILM if data[8:12] == b"AVI " else Reason.UNKNOWN_FORMAT)


def _boxes(data: bytes) -> str:
    """An ISO base media file: its brands tell a picture from a film."""
    length = min(int.from_bytes(data[:4], "big"), _NO_BOX_LENGTH)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, length, 4))]
    if brands[0] == b"crx ":
        raise PictureError(Reason.RAW_PHOTO)
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    if any(brand in HEIC_BRANDS for brand in brands):
        return "HEIC"
    raise PictureError(Reason.FILM)


def way_out(data: bytes) -> Reason:
    """Why these bytes are no picture, as far as their beginning tells."""
    if data.startswith(_RAW_STARTS):
        return Reason.RAW_PHOTO
    if data.startswith(_FILM_STARTS) or data[4:8] in _FILM_BOXES:
        return Reason.FILM
    is_analyze = data.startswith(_ANALYZE) and data[_REGULAR : _REGULAR + 1] == b"r"
    if data[:512].lstrip().startswith(_VOLUME_STARTS) or is_analyze:
        return Reason.VOLUME_UNSUPPORTED
    if data.startswith(b"%PDF-"):
        return Reason.PDF_FILE
    if data.startswith(_OLE) or (data.startswith(b"PK\x03\x04") and any(name in data[:4096] for name in _OFFICE)):
        return Reason.OFFICE_FILE
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06", *_ARCHIVES)):
        return Reason.ARCHIVE_FILE
    if data[_CD_SECTOR : _CD_SECTOR + 5] == b"CD001":
        return Reason.CD_COPY
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"mime-version:") or _is_mail(start):
        return Reason.MAIL_FILE
    if start.startswith(_LINKS) or _is_saved_page(start):
        return Reason.WEB_LINK
    if start.startswith(b"{\\rtf"):
        return Reason.OFFICE_FILE
    return Reason.UNKNOWN_FORMAT


def _is_mail(start: bytes) -> bool:
    """Whether a file begins as a mail, or as a page saved in one file as a mail is (in lower case)."""
    if start.startswith((b"from:", b"received:", b"return-path:", b"date:", b"subject:", b"delivered-to:")):
        return b"\nmime-version:" in start or b"\nreceived:" in start or b"\nsubject:" in start
    return False


def _is_saved_page(start: bytes) -> bool:
    """Whether a file begins as a page, or as a link as macOS keeps it (in lower case)."""
    if start.startswith((b"<!--", b"<?xml")) and b"<html" in start:
        return True
    return start.startswith((b"<?xml", b"bplist")) and b"url" in start and b"http" in start
