"""Pictures as cameras, old Windows programs, slide and office scanners write them are read as they are meant."""

import io
import logging
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode import tiff
from inference.study.opening import open_study
from tests import pictures, studies
from tests.decoding import difference, reason_of

BRAIN = (pictures.brain_array(160) * 255).astype(np.uint8)
SMEAR = np.asarray(pictures.smear_image(200, 150))
NO_ALPHA = np.zeros((150, 200, 1), np.uint8)


def deep_png(pixels: NDArray[np.uint8], shift: int, *, alpha: bool = False) -> bytes:
    deep = pixels.astype(np.uint16) << shift
    if alpha:
        deep = np.dstack([deep, np.full(deep.shape[:2], 0xFFFF, np.uint16)])
    return bytes(imagecodecs.png_encode(deep))


@pytest.mark.parametrize("shift", [0, 4, 8])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_a_deep_png_keep_their_hue(shift: int, *, alpha: bool) -> None:
    assert difference(deep_png(SMEAR, shift, alpha=alpha), SMEAR) < 2


@pytest.mark.parametrize("shift", [4, 8])
def test_deep_grey_with_alpha_is_read_by_used_bits(shift: int) -> None:
    assert difference(deep_png(BRAIN, shift, alpha=True), BRAIN) < 2


def test_deep_jpeg_xl_is_read_by_its_used_bits() -> None:
    data = bytes(imagecodecs.jpegxl_encode(SMEAR.astype(np.uint16) << 4, lossless=True))
    assert difference(data, SMEAR) < 2


def bmp_with_alpha(alpha: int) -> bytes:
    """A BMP of 32 bits with a mask for alpha, as the clipboard of Windows gives it."""
    pixels = np.dstack([SMEAR[::-1, :, ::-1], np.full((150, 200, 1), alpha, np.uint8)]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 124, 200, 150, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    header += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs"
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels), 0, 0, 138) + header.ljust(124, b"\0") + pixels


def tiff_of(*pages: tuple[NDArray[Any], dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pixels, options in pages:
            writer.write(pixels, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        bmp_with_alpha(0),
        bmp_with_alpha(255),
        tiff_of((np.dstack([SMEAR, NO_ALPHA]), {"photometric": "rgb", "extrasamples": ["unassalpha"]})),
    ],
    ids=["BMP", "opaque BMP", "TIFF"],
)
def test_an_alpha_that_was_never_filled_hides_nothing(data: bytes) -> None:
    assert difference(data, SMEAR) == 0


def test_tiff_with_eight_bit_palette_is_not_black() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16), (3, 1))
    assert difference(tiff_of((BRAIN, {"photometric": "palette", "colormap": ramp})), BRAIN) == 0
    assert difference(tiff_of((BRAIN, {"photometric": "palette", "colormap": ramp * 257})), BRAIN) == 0


def test_fitting_level_of_a_large_pyramid_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "MAX_PIXELS", 150 * 200)
    fine = np.asarray(pictures.smear_image(800, 600))
    label = np.asarray(pictures.smear_image(170, 170))
    levels = tiff_of(*((page, {"photometric": "rgb"}) for page in (fine, label, SMEAR, SMEAR[::2, ::2])))
    assert difference(levels, SMEAR) == 0
    assert tiff.largest_page(tiff_of((fine, {"photometric": "rgb"}), (label, {"photometric": "rgb"}))).width == 800


def pdf_of(filter_: str, data: bytes) -> bytes:
    """A PDF of one page with one picture, packed as office scanners do."""
    image = (
        f"<</Type/XObject/Subtype/Image/Width 160/Height 160/ColorSpace/DeviceGray/BitsPerComponent 8/Filter{filter_}"
    )
    drawn = b"q 400 0 0 400 0 0 cm /I Do Q"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]/Resources<</XObject<</I 4 0 R>>>>/Contents 5 0 R>>",
        f"{image}/Filter{filter_}/Length {len(data)}>>stream\n".encode() + data + b"\nendstream",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
    )
    body, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(body)


def test_pdf_of_unreadable_pictures_is_said_to_be_one() -> None:
    assert len(open_study(pdf_of("/FlateDecode", zlib.compress(BRAIN.tobytes()))).slices) == 1
    for codec in ("/JBIG2Decode", "/NoSuchDecode"):
        with pytest.raises(PictureError) as refused:
            open_study(pdf_of(codec, bytes(200)))
        assert refused.value.reason is Reason.PDF_FILE


def test_what_is_odd_about_a_pdf_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        open_study(b"\n\nJane" + studies.pages(BRAIN[None], "PDF"))
    assert not [record for record in caplog.records if record.name.startswith("pypdf")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x5c\1\0\0" + bytes(34) + b"r" + bytes(309), Reason.VOLUME_UNSUPPORTED),
        (b"\r\n# === DATA DESCRIPTION FILE ===\r\n", Reason.VOLUME_UNSUPPORTED),
        (b"# vtk DataFile Version 3.0\nhead\nBINARY\n", Reason.VOLUME_UNSUPPORTED),
        (b"MSCF\0\0\0\0" + bytes(60), Reason.ARCHIVE_FILE),
        (b"\x1f\x9d\x90" + bytes(60), Reason.ARCHIVE_FILE),
        (b"<!-- saved from url=(0025)https://portal.example/ -->\n<html><body>", Reason.WEB_LINK),
        (b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml">', Reason.WEB_LINK),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, reason: Reason) -> None:
    assert reason_of(data) is reason
