"""Rare forms of common formats, and the formats that phones write, are read; what can't be has its own way out."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from inference.analysis import Reason
from inference.decode import jpeg, webp
from inference.decode.imaging import decode
from tests import pictures
from tests.decoding import difference, outcomes_of_damage, reason_of

DATA = Path(__file__).parents[2] / "data"
BRAIN = (pictures.brain_array(160) * 255).astype(np.uint8)
SMEAR = np.asarray(pictures.smear_image(200, 150))


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    kinds = {key: options.pop(key) for key in ("bigtiff", "byteorder") if key in options}
    with tifffile.TiffWriter(buffer, **kinds) as writer:
        writer.write(pixels, **options)
    return buffer.getvalue()


DEEP = (BRAIN.astype(np.uint16) << 4) + 100


@pytest.mark.parametrize(
    "data",
    [
        tiff(DEEP.max() - DEEP, photometric="miniswhite"),
        tiff((BRAIN.astype(np.int16) - 128).astype(np.int8), photometric="minisblack"),
        tiff(BRAIN.astype(np.float32) / 255, photometric="minisblack"),
        tiff(BRAIN.astype(np.float64) / 255, photometric="minisblack"),
        tiff(BRAIN.astype(np.float64), photometric="minisblack", bigtiff=True, byteorder=">"),
        tiff(DEEP, photometric="minisblack", compression="jpeg2000"),
        tiff(BRAIN.astype(np.float32), photometric="minisblack", compression="lerc"),
        tiff(DEEP, photometric="minisblack", compression="zstd", tile=(64, 64)),
        tiff(255 - BRAIN, photometric="miniswhite"),
    ],
    ids=[
        "16 bits inverted",
        "signed",
        "float",
        "double",
        "BigTIFF",
        "JPEG 2000",
        "LERC",
        "zstd tiles",
        "8 bits inverted",
    ],
)
def test_grey_tiffs_of_every_form_show_the_same(data: bytes) -> None:
    assert difference(data, BRAIN) < 5


@pytest.mark.parametrize(
    ("compression", "options"),
    [(name, {}) for name in ("lzw", "packbits", "deflate", "lzma", "zstd", "png", "jpegxr")]
    + [("jpegxl", {"lossless": True}), ("webp", {"lossless": True}), ("jpeg", {"level": 98})],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tiff_of_every_compression_is_read(compression: str, options: dict[str, Any]) -> None:
    data = tiff(SMEAR, photometric="rgb", compression=compression, compressionargs=dict(options))
    assert difference(data, SMEAR) < (2 if compression == "jpeg" else 1e-9)  # it keeps colours at half their size


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("shift", [0, 4, 8])
def test_deep_colours_keep_their_hue(planar: str, shift: int) -> None:
    pixels = SMEAR.astype(np.uint16) << shift
    pixels = np.moveaxis(pixels, -1, 0) if planar == "separate" else pixels
    assert difference(tiff(np.ascontiguousarray(pixels), photometric="rgb", planarconfig=planar), SMEAR) < 3


TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda shown: shown,
    2: np.fliplr,
    3: lambda shown: np.rot90(shown, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda shown: np.rot90(shown, 1),
    7: lambda shown: np.rot90(np.transpose(shown), 2),
    8: lambda shown: np.rot90(shown, -1),
}
"""How an upright picture is stored, by the orientation that the file then states."""


@pytest.mark.parametrize("orientation", TURNS)
def test_a_deep_tiff_is_turned_as_it_says(orientation: int) -> None:
    stored = np.ascontiguousarray(TURNS[orientation](DEEP[:, :120]))
    upright = decode(tiff(DEEP[:, :120], photometric="minisblack")).rgb
    data = tiff(stored, photometric="minisblack", extratags=[(274, "H", 1, orientation, True)])
    picture = decode(data)
    assert (picture.width, picture.height) == (120, 160)
    assert (picture.rgb == upright).all()


def test_of_several_pages_the_largest_is_read() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(SMEAR[::3, ::3, 0], subfiletype=1, photometric="minisblack")
        writer.write(BRAIN, photometric="minisblack")
    assert difference(buffer.getvalue(), BRAIN) == 0


def test_a_tiff_that_ends_within_its_pixels_is_damaged() -> None:
    data = tiff(BRAIN.astype(np.float64), photometric="minisblack")
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


def test_intact_tiff_with_unknown_codec_is_rare_form() -> None:
    data = bytearray(tiff(BRAIN, photometric="minisblack", compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        at = file.pages[0].tags["Compression"].valueoffset
    data[at : at + 2] = struct.pack("<H", 34661)
    assert reason_of(bytes(data)) is Reason.FORM_UNSUPPORTED


def test_a_raw_photo_is_not_judged_by_its_thumbnail() -> None:
    data = tiff(BRAIN, photometric="minisblack", extratags=[(50706, "B", 4, b"\x01\x04\0\0", True)])
    assert reason_of(data) is Reason.RAW_PHOTO
    assert reason_of(tiff(BRAIN, photometric="minisblack", subfiletype=1)) is Reason.RAW_PHOTO


@pytest.mark.parametrize(
    ("masks", "bits"),
    [((0xFF000000, 0xFF0000, 0xFF00), 32), ((0xFF, 0xFF00, 0xFF0000), 32), ((0x7C00, 0x3E0, 0x1F), 16)],
)
def test_bit_fields_of_a_bmp_are_read(masks: tuple[int, int, int], bits: int) -> None:
    height, width = SMEAR.shape[:2]
    values = np.zeros((height, width), np.uint32)
    for channel, mask in enumerate(masks):
        low = (mask & -mask).bit_length() - 1
        values |= (SMEAR[..., channel].astype(np.uint32) * (mask >> low) // 255) << low
    rows = values[::-1].astype(f"<u{bits // 8}").tobytes()
    header = struct.pack("<IiiHHIIiiII3I", 40, width, height, 1, bits, 3, len(rows), 0, 0, 0, 0, *masks)
    data = b"BM" + struct.pack("<IHHI", 14 + len(header) + len(rows), 0, 0, 14 + len(header)) + header + rows
    assert difference(data, SMEAR) < 5
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


@pytest.mark.parametrize(("offset", "value"), [(18, -127), (18, 0), (22, 0)])
def test_bmp_of_impossible_size_is_damaged(offset: int, value: int) -> None:
    data = bytearray(pictures.encode(Image.fromarray(SMEAR), "BMP"))
    struct.pack_into("<i", data, offset, value)
    assert reason_of(bytes(data)) is Reason.BROKEN


# --- PNG ---


def with_chunk(name: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """Put a chunk before the pixels of a PNG; its checksum is right unless it is given."""
    whole = pictures.encode(Image.fromarray(SMEAR), "PNG")
    at = whole.index(b"IDAT") - 4
    told = zlib.crc32(name + body) if crc is None else crc
    return whole[:at] + struct.pack(">I", len(body)) + name + body + struct.pack(">I", told) + whole[at:]


@pytest.mark.parametrize(
    "data",
    [
        with_chunk(b"tEXt", b"Comment\0hello", crc=7),
        with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000))),
        with_chunk(b"iCCP", b"x\0\0no profile"),
        with_chunk(b"acTL", struct.pack(">II", 3, 0)) + b"rest",
        with_chunk(b"eXIf", b"\xff" * 40, crc=1),
        with_chunk(b"aaAa", b"\xff" * 40, crc=1),
    ],
    ids=["a note", "a bomb of a note", "a profile", "no frames", "Exif", "unknown"],
)
def test_damage_beside_a_pngs_pixels_is_ignored(data: bytes) -> None:
    assert difference(data, SMEAR) == 0


def test_damage_within_the_pixels_of_a_png_stays_damage() -> None:
    data = bytearray(with_chunk(b"tEXt", b"Comment\0hello", crc=7))
    data[data.index(b"IDAT") + 40] ^= 255
    assert reason_of(bytes(data)) is Reason.BROKEN


# --- JPEG ---


def test_a_jpeg_of_twelve_bits_is_read() -> None:
    data = bytes(imagecodecs.jpeg8_encode(BRAIN.astype(np.uint16) << 4, level=95, bitspersample=12))
    assert difference(data, BRAIN) < 5


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}], ids=["plain", "progressive", "4:2:0"]
)
@pytest.mark.parametrize("lost", [2, 3, 10])
def test_a_jpeg_without_its_last_bytes_is_read(options: dict[str, Any], lost: int) -> None:
    data = pictures.encode(Image.fromarray(SMEAR), quality=92, **options)
    assert difference(data[:-lost], np.asarray(Image.open(io.BytesIO(data)))) < 1


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["plain", "progressive"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_a_jpeg_without_its_last_rows_is_damaged(options: dict[str, Any], share: float) -> None:
    data = pictures.encode(Image.fromarray(SMEAR), quality=92, **options)
    assert jpeg.repaired(data[: int(share * len(data))]) is None
    assert reason_of(data[: int(share * len(data))]) is Reason.BROKEN


def test_a_jpeg_ls_without_its_end_is_read() -> None:
    data = bytes(imagecodecs.jpegls_encode(BRAIN))
    assert difference(data[:-2], BRAIN) == 0
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


# --- colour profiles ---


def wide_profile() -> bytes:
    """Build a profile whose red and green are far outside sRGB, as Adobe RGB's green is."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, xyz in ((b"rXYZ", (0.60974, 0.31111, 0.01947)), (b"gXYZ", (0.20528, 0.62567, 0.06087))):
        at = int.from_bytes(profile[profile.index(name) + 4 : profile.index(name) + 8], "big")
        profile[at + 8 : at + 20] = struct.pack(">3i", *(round(value * 65536) for value in xyz))
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")).replace(b"sRGB", b"wide")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 98, "subsampling": 0}), ("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})],
)
def test_colours_are_brought_to_srgb_by_their_profile(kind: str, options: dict[str, Any]) -> None:
    profile = wide_profile()
    there = ImageCms.profileToProfile(
        Image.fromarray(SMEAR), ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile))
    )
    assert there is not None
    assert np.abs(np.asarray(there).astype(int) - SMEAR).mean() > 3
    assert difference(pictures.encode(there, kind, icc_profile=profile, **options), SMEAR) < 2.5


@pytest.mark.parametrize("profile", [b"", b"x" * 200, bytes(36) + b"acsp" + bytes(200)])
def test_a_damaged_profile_is_left_out(profile: bytes) -> None:
    assert difference(pictures.encode(Image.fromarray(SMEAR), "PNG", icc_profile=profile), SMEAR) == 0


# --- what phones and archives write ---


def test_avif_jpeg_2000_and_jpeg_xl_are_read() -> None:
    image = Image.fromarray(SMEAR)
    assert difference(pictures.encode(image, "AVIF", quality=95), SMEAR) < 5
    assert difference(pictures.encode(image, "JPEG2000"), SMEAR) < 5
    assert difference(bytes(imagecodecs.jpegxl_encode(SMEAR, lossless=True)), SMEAR) == 0
    assert difference(bytes(imagecodecs.jpegxl_encode(SMEAR, lossless=True, usecontainer=True)), SMEAR) == 0
    deep = bytes(imagecodecs.jpeg2k_encode(DEEP, level=0, codecformat="J2K"))
    assert difference(deep, BRAIN) < 5


@pytest.mark.parametrize("size", [(1025, 1282), (2717, 701), (900, 2561)])
def test_jpeg_2000_of_every_size_is_read(size: tuple[int, int]) -> None:
    whole = Image.fromarray(SMEAR).resize(size)
    picture = decode(pictures.encode(whole, "JPEG2000", num_resolutions=6, irreversible=True, quality_layers=[60]))
    assert (picture.width, picture.height) == size
    shown = np.asarray(whole.resize(picture.rgb.shape[1::-1], Image.Resampling.BOX), np.int16)
    assert np.abs(picture.rgb - shown).mean() < 6


def test_jpeg_2000_of_uneven_channels_is_rare_not_damaged() -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(SMEAR, level=0, codecformat="J2K"))
    data[46:48] = b"\2\2"  # steps of the second channel (ITU T.800, A.5.1)
    assert reason_of(bytes(data)) is Reason.FORM_UNSUPPORTED
    assert reason_of(bytes(data[:-500])) is Reason.BROKEN


def test_a_heic_is_read() -> None:
    data = (DATA / "smear.heic").read_bytes()
    picture = decode(data)
    assert (picture.width, picture.height) == (200, 150)
    assert np.abs(picture.rgb.astype(int) - SMEAR).mean() < 8


def test_an_avif_is_turned_as_its_phone_was() -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    picture = decode(pictures.encode(Image.fromarray(SMEAR), "AVIF", quality=95, exif=exif))
    assert (picture.width, picture.height) == (150, 200)
    assert np.abs(picture.rgb.astype(int) - np.rot90(SMEAR, -1)).mean() < 5


def test_a_heic_is_bounded_by_its_header() -> None:
    boxes = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 30_000, 30_000)
    assert reason_of(boxes) is Reason.TOO_MANY_PIXELS
    assert reason_of(boxes[:-8] + struct.pack(">II", 300, 300)) is Reason.BROKEN


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_an_animation_that_begins_blank_is_read(kind: str, options: dict[str, Any]) -> None:
    frames = [Image.new("L", (160, 160), level) for level in (0, 1)] + [Image.fromarray(BRAIN)]
    rgb = [frame.convert("RGB") for frame in frames]
    assert difference(pictures.encode(rgb[0], kind, save_all=True, append_images=rgb[1:], **options), BRAIN) < 5
    assert reason_of(pictures.encode(rgb[0], kind, save_all=True, append_images=rgb[1:2], **options)) is Reason.BLANK


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
def test_half_of_a_newer_format_is_damaged(kind: str) -> None:
    data = pictures.encode(Image.fromarray(SMEAR), kind)
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", Reason.PDF_FILE),
        (b"PK\x03\x04" + bytes(60), Reason.ARCHIVE_FILE),
        (b"Rar!\x1a\x07\x01\0", Reason.ARCHIVE_FILE),
        (b"PK\x03\x04" + bytes(22) + b"word/document.xml", Reason.OFFICE_FILE),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60), Reason.OFFICE_FILE),
        (b"\0\0\0\x20ftypisom" + bytes(60), Reason.FILM),
        (b"\0\0\0\x14moov" + bytes(60), Reason.FILM),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), Reason.VOLUME_UNSUPPORTED),
        (b"CDF\1" + bytes(60), Reason.VOLUME_UNSUPPORTED),
        (b"{\\rtf1\\ansi{\\pict\\pngblip}}", Reason.OFFICE_FILE),
        (b"Received: by mail\r\nSubject: scan\r\nMIME-Version: 1.0\r\n", Reason.MAIL_FILE),
        (b"MIME-Version: 1.0\r\nSubject: scan\r\n", Reason.MAIL_FILE),
        (
            b'<?xml version="1.0"?><plist><dict><key>URL</key><string>https://x.org</string></dict></plist>',
            Reason.WEB_LINK,
        ),
        (b"\x1a\x45\xdf\xa3" + bytes(60), Reason.FILM),
        (b"RIFF\0\0\0\0AVI LIST", Reason.FILM),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", Reason.RAW_PHOTO),
        (b"II*\0\x10\0\0\0CR\x02\0", Reason.RAW_PHOTO),
        (b"FUJIFILMCCD-RAW 0201", Reason.RAW_PHOTO),
        (bytes(0x8001) + b"CD001\x01\0", Reason.CD_COPY),
        (b"[InternetShortcut]\r\nURL=https://portal.example/study/1", Reason.WEB_LINK),
        (b"<!DOCTYPE html><html><body>Viewer</body></html>", Reason.WEB_LINK),
    ],
)
def test_what_stays_unreadable_is_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason


SMALL = SMEAR[::2, ::2]
WHOLE = {
    "AVIF": pictures.encode(Image.fromarray(SMALL), "AVIF"),
    "JPEG 2000": pictures.encode(Image.fromarray(SMALL), "JPEG2000"),
    "JPEG XL": bytes(imagecodecs.jpegxl_encode(SMALL)),
    "HEIC": (DATA / "smear.heic").read_bytes(),
    "float TIFF": tiff(SMALL[..., 0].astype(np.float32), photometric="minisblack"),
    "12-bit JPEG": bytes(imagecodecs.jpeg8_encode(SMALL[..., 0].astype(np.uint16) << 4, level=90, bitspersample=12)),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_any_damage_gives_a_picture_or_a_reason(kind: str) -> None:
    assert len(outcomes_of_damage(WHOLE[kind], kind, 25)) >= 2  # the damage did reach the decoder


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 50}, {"quality": 50, "exif": b"Exif\0\0"}])
def test_a_webp_tells_its_size_before_it_is_opened(options: dict[str, object]) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((123, 45), 50).convert("RGB").save(buffer, "WEBP", **options)
    assert webp.size(buffer.getvalue()) == (123, 45)
    assert webp.size(buffer.getvalue()[:29]) is None
