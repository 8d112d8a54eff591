"""Any bytes come in; a clean picture or one clear reason comes out."""

import io
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode import imaging
from inference.decode.imaging import SHOWN_SIDE, decode, encode_jpeg, recognise
from inference.decode.limits import MAX_FILE_BYTES
from tests import dicom_files, pictures
from tests.decoding import difference, outcomes_of_damage, reason_of

PROJECT = Path(__file__).parents[3]
BRAIN = (pictures.brain_array() * 255).astype(np.uint8)
SMEAR = pictures.smear_image()


# --- what can be read ---


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 5),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("GIF", {}, 8),
    ],
)
def test_every_promised_format_is_read(kind: str, options: dict[str, object], tolerance: float) -> None:
    assert difference(pictures.encode(SMEAR, kind, **options), np.asarray(SMEAR)) <= tolerance


def test_a_gif_gives_its_first_frame() -> None:
    assert difference(pictures.animated_gif(), BRAIN) < 6


def test_format_name_comes_from_the_bytes_alone() -> None:
    assert recognise(pictures.brain(kind="PNG")) == "PNG"
    assert recognise(pictures.brain(kind="WEBP")) == "WEBP"


def test_decoded_picture_is_small_and_keeps_its_proportions() -> None:
    picture = decode(pictures.photo(1280, 960))
    assert picture.rgb.shape == (480, SHOWN_SIDE, 3)
    assert (picture.width, picture.height) == (1280, 960)


def test_a_small_picture_is_not_enlarged() -> None:
    assert decode(pictures.brain(100)).rgb.shape == (100, 100, 3)


@pytest.mark.parametrize("adobe", [True, False], ids=["Adobe, inverted", "plain"])
def test_cmyk_jpeg_colours_are_not_inverted(*, adobe: bool) -> None:
    assert difference(pictures.cmyk_jpeg(adobe=adobe), BRAIN) < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_by_their_used_range(kind: str) -> None:
    deep = Image.open(io.BytesIO(pictures.deep_png(900, 3200)))
    assert deep.mode == "I;16"
    data = pictures.encode(deep, kind)
    rgb = decode(data).rgb
    assert rgb.min() == 0
    assert rgb.max() == 255
    assert np.corrcoef(rgb[..., 0].ravel(), BRAIN.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    "values",
    [
        (pictures.brain_array() * 70_000 - 20_000).astype(np.int32),
        pictures.brain_array() * 1e-6,
        np.where(pictures.brain_array() > 0.9, np.nan, pictures.brain_array()),
    ],
    ids=["signed 32 bits", "tiny fractions", "with gaps"],
)
def test_deep_tiffs_are_scaled_too(values: NDArray[np.float32]) -> None:
    rgb = decode(pictures.encode(Image.fromarray(values), "TIFF")).rgb
    assert rgb.max() == 255
    assert rgb.std() > 40


def test_one_hot_pixel_does_not_darken_a_deep_picture() -> None:
    values = (1000 + pictures.brain_array() * 1000).astype(np.uint16)
    values[5, 5] = 65535
    assert decode(pictures.encode(Image.fromarray(values), "PNG")).rgb.mean() > 40


def test_palette_alpha_and_one_bit_pictures_are_read() -> None:
    grey = Image.fromarray(BRAIN)
    assert difference(pictures.encode(grey.convert("P"), "PNG"), BRAIN) < 8
    assert difference(pictures.encode(grey.convert("LA"), "PNG"), BRAIN) == 0
    one_bit = decode(pictures.encode(grey.convert("1"), "PNG")).rgb
    assert set(np.unique(one_bit)) == {0, 255}


def test_a_dicom_slice_shows_its_grey_levels() -> None:
    rgb = decode(dicom_files.native(BRAIN)).rgb
    assert rgb.shape == (*BRAIN.shape, 3)
    assert np.corrcoef(rgb[..., 0].ravel(), BRAIN.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_premultiplied_picture_looks_as_the_plain_one(mode: str) -> None:
    plain = Image.fromarray(BRAIN).convert(mode)
    plain.putalpha(Image.fromarray(np.where(BRAIN > 10, 255, 0).astype(np.uint8)))
    shown, expected = (imaging._to_rgb(image, SHOWN_SIDE) for image in (plain.convert(f"{mode[:-1]}a"), plain))
    assert np.array_equal(np.asarray(shown), np.asarray(expected))
    assert np.asarray(shown).std() > 20


def test_colours_under_full_transparency_stay_hidden() -> None:
    pixels = np.zeros((100, 100, 4), np.uint8)
    pixels[..., 0] = 255  # bright red everywhere, and nearly everywhere invisible
    pixels[30:70, 30:70] = (90, 90, 90, 255)
    rgb = decode(pictures.encode(Image.fromarray(pixels), "PNG")).rgb
    assert rgb[5, 5].tolist() == [0, 0, 0]
    assert rgb[50, 50].tolist() == [90, 90, 90]


def test_transparency_is_also_found_in_palettes_and_grey_pictures() -> None:
    palette = Image.fromarray(BRAIN).convert("P")
    background = int(np.asarray(palette)[0, 0])
    for image in (palette, Image.fromarray(np.where(BRAIN < 10, 1, BRAIN))):
        hidden = background if image.mode == "P" else 1
        rgb = decode(pictures.encode(image, "PNG", transparency=hidden)).rgb
        assert rgb[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("level", "ground"), [(100, 0), (200, 255), (5, 255)], ids=["brain", "smear", "line art"])
def test_cut_out_lies_on_its_intended_background(level: int, ground: int) -> None:
    pixels = np.zeros((100, 100, 4), np.uint8)
    pixels[20:80, 20:80] = (level, level, level, 255)
    assert decode(pictures.encode(Image.fromarray(pixels), "PNG")).rgb[0, 0, 0] == ground


CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("width", [320, 1600], ids=["small", "made smaller"])
def test_exif_orientation_is_obeyed(orientation: int, width: int) -> None:
    picture = decode(pictures.rotated_jpeg(orientation, width, width * 3 // 4))
    row, column = CORNERS[orientation]
    assert picture.rgb[row, column, 0] > 150
    assert sum(picture.rgb[r, c, 0] > 150 for r in (0, -1) for c in (0, -1)) == 1
    upright = orientation < 5
    assert (picture.width > picture.height) == upright
    assert (picture.rgb.shape[1] > picture.rgb.shape[0]) == upright


def test_a_turned_tiff_is_turned_once() -> None:
    image = Image.open(io.BytesIO(pictures.rotated_jpeg(1)))
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 6
    picture = decode(pictures.encode(image, "TIFF", exif=exif))
    assert (picture.width, picture.height) == (240, 320)
    assert picture.rgb.shape == (320, 240, 3)
    assert picture.rgb[0, -1, 0] > 150


def test_damaged_metadata_do_not_cost_the_picture() -> None:
    data = bytearray(pictures.rotated_jpeg(1))
    at = data.index(b"Exif\0\0") + 6
    data[at + 8 : at + 24] = b"\xff" * 16
    assert decode(bytes(data)).rgb.shape == (240, 320, 3)


def test_no_metadata_survive() -> None:
    picture = decode(pictures.rotated_jpeg(6))
    clean = encode_jpeg(Image.fromarray(picture.rgb))
    assert b"Jane" not in clean
    assert b"Exif" not in clean
    assert not Image.open(io.BytesIO(clean)).getexif()


# --- what can't be read: each has its own reason ---


def test_an_empty_file_is_called_empty() -> None:
    assert reason_of(b"") is Reason.EMPTY


@pytest.mark.parametrize(
    "data",
    [
        b"Dear doctor, please find my scan attached.",
        b"BMW is a car maker, not a bitmap, whatever the first letters say",
        b"\x08\0\x05\0" + b"\xff" * 60,
        bytes(5000),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
    ids=["text", "BM text", "like DICOM", "zeros", "SVG"],
)
def test_another_kind_of_file_is_an_unknown_format(data: bytes) -> None:
    assert reason_of(data) is Reason.UNKNOWN_FORMAT


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_truncated_jpeg_is_broken_and_never_half_read(share: float) -> None:
    assert reason_of(pictures.truncated_jpeg(share)) is Reason.BROKEN


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_other_formats_that_were_cut_off_are_broken_too(kind: str) -> None:
    data = pictures.encode(SMEAR, kind)
    assert reason_of(data[: len(data) // 2]) is Reason.BROKEN


def test_a_magic_number_alone_is_broken() -> None:
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"II*\0"):
        assert reason_of(start + bytes(40)) is Reason.BROKEN


def test_a_damaged_png_is_broken() -> None:
    data = bytearray(pictures.encode(SMEAR, "PNG"))
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    assert reason_of(bytes(data)) is Reason.BROKEN


def test_one_pixel_is_too_small() -> None:
    assert reason_of(pictures.encode(Image.new("RGB", (1, 1)), "PNG")) is Reason.TOO_SMALL


def test_a_long_thin_strip_is_too_small() -> None:
    assert reason_of(pictures.encode(Image.new("L", (5000, 40)), "PNG")) is Reason.TOO_SMALL


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "RGBA"])
def test_one_colour_is_blank(mode: str) -> None:
    assert reason_of(pictures.encode(Image.new(mode, (300, 200)), "PNG")) is Reason.BLANK


def test_a_picture_of_nothing_but_transparency_is_blank() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (100, 100, 4), np.uint8)
    pixels[..., 3] = 0
    assert reason_of(pictures.encode(Image.fromarray(pixels), "PNG")) is Reason.BLANK


def test_a_file_over_the_limit_is_not_even_opened() -> None:
    assert reason_of(pictures.brain() + bytes(25_000_000)) is Reason.TOO_LARGE_FILE
    assert decode(pictures.brain() + bytes(MAX_FILE_BYTES - 500_000)).rgb.shape == (320, 320, 3)


@pytest.mark.parametrize("side", [8_000, 10_000, 20_000])
def test_too_many_pixels_are_refused_by_the_header(side: int) -> None:
    assert reason_of(pictures.huge_png(side)) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    "data",
    [
        b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + bytes(40),
        b"RIFF"
        + struct.pack("<I", 60)
        + b"WEBPVP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0\xff\xff\x3f\xff\xff\x3f"
        + bytes(40),
    ],
    ids=["BMP", "GIF", "WebP"],
)
def test_headers_of_other_formats_are_not_believed_either(data: bytes) -> None:
    assert reason_of(data) in {Reason.TOO_MANY_PIXELS, Reason.BROKEN}


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x3c\0\0\0WEBPVP8 " + bytes(40),
        b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\0\x14ispe" + bytes(60),
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1\0\0\0\x14ispe" + bytes(60),
        b"\xff\x4f\xff\x51\0\x2f\0\0" + bytes(60),
        b"GIF89a" + bytes(40),
        b"BM" + struct.pack("<IHHI", 94, 0, 0, 54) + struct.pack("<IiiHH", 40, 0, 0, 1, 24) + bytes(64),
    ],
    ids=["WebP", "AVIF", "HEIC", "JPEG 2000", "GIF", "BMP"],
)
def test_a_size_of_nought_is_damage_in_any_format(data: bytes) -> None:
    assert reason_of(data) is Reason.BROKEN


def test_nothing_of_a_file_is_quoted() -> None:
    data = pictures.encode(SMEAR, "PNG")
    secret = data[:33] + b"\0\0\0\x10SECRETSECRET" + data[33:]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(PictureError) as error:
            decode(secret)
    assert error.value.reason is Reason.BROKEN
    assert "SECRET" not in str(error.value)
    assert error.value.__suppress_context__
    assert not caught


LIMITED = """
import math, pathlib, resource, sys
from inference.analysis import PictureError
from inference.decode import imaging
from inference.decode.imaging import decode
import PIL.PngImagePlugin, PIL.JpegImagePlugin
data = pathlib.Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
now = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv[2]) * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(before) + 3,) * 2)
try:
    decode(data)
    print("read")
except PictureError as error:
    print(error.reason)
"""


@pytest.mark.parametrize(
    ("drawing", "megabytes", "expected"),
    [
        ("huge_png", 16, "too_many_pixels"),
        ("truncated_jpeg", 16, "broken"),
        ("animated_gif", 16, "read"),
        ("cmyk_jpeg", 16, "read"),
        ("deep_png", 16, "read"),
        ("photo", 16, "read"),
        ("largest_png", 640, "read"),
        ("largest_png", 64, "too_many_pixels"),
    ],
)
def test_bad_files_cost_little_time_and_memory(drawing: str, megabytes: int, expected: str, tmp_path: Path) -> None:
    (tmp_path / drawing).write_bytes(getattr(pictures, drawing)())
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / drawing), str(megabytes)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == (expected, "", 0)


SMALL = SMEAR.resize((120, 90))
WHOLE = {
    **{kind: pictures.encode(SMALL, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")},
    "TIFF, LZW": pictures.encode(SMALL, "TIFF", compression="tiff_lzw"),
    "DICOM": dicom_files.native(BRAIN[::4, ::4]),
    "DICOM, RLE": dicom_files.rle(BRAIN[::4, ::4]),
    "DICOM, JPEG 2000": dicom_files.jpeg2000(BRAIN[::4, ::4]),
    "DICOM, JPEG lossless": dicom_files.by_gdcm("jpeg_lossless", BRAIN[::4, ::4]),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_any_damage_gives_a_picture_or_a_reason(kind: str) -> None:
    assert len(outcomes_of_damage(WHOLE[kind], kind, 60)) >= 2  # the damage did reach the decoder
