"""A DICOM whose tags contradict its bytes or one another is read by what the bytes can only be."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, generate_frames

from inference.analysis import Reason
from inference.decode.imaging import decode
from tests import dicom_files, pictures
from tests.decoding import grey_of, reason_of

GREY = (pictures.brain_array(96) * 255).astype(np.uint8)
DEEP = (200 + pictures.brain_array(96) * 1500).astype(np.uint16)
RGB = np.asarray(pictures.smear_image(96, 96))
PLAIN = grey_of(dicom_files.native(DEEP))


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The file's own header, and the data set behind it."""
    start = 144 + int.from_bytes(data[140:144], "little")
    return data[:start], data[start:]


@pytest.mark.parametrize(
    ("named", "written"),
    [
        (dicom_files.EXPLICIT, dicom_files.IMPLICIT),
        (dicom_files.EXPLICIT, dicom_files.BIG_ENDIAN),
        (dicom_files.IMPLICIT, dicom_files.EXPLICIT),
        (dicom_files.BIG_ENDIAN, dicom_files.EXPLICIT),
        (dicom_files.BIG_ENDIAN, dicom_files.IMPLICIT),
    ],
)
def test_data_set_in_another_syntax_than_named_is_read(named: str, written: str) -> None:
    header, _ = parts(dicom_files.native(DEEP, named))
    _, body = parts(dicom_files.native(DEEP, written))
    assert (grey_of(header + body) == PLAIN).all()


def rle_stream() -> bytes:
    stream: bytes = next(generate_frames(dicom_files.parse(dicom_files.rle(DEEP)).PixelData, number_of_frames=1))
    return stream


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"])
def test_runs_under_another_codecs_name_are_read(syntax: str) -> None:
    assert (grey_of(dicom_files.encapsulated(DEEP, rle_stream(), syntax)) == PLAIN).all()


def test_a_frame_of_runs_in_two_fragments_is_one() -> None:
    stream = rle_stream()
    half = len(stream) // 4 * 2
    built = dicom_files.dataset(DEEP)
    built.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.5"
    built.PixelData = encapsulate([stream[:half], stream[half:]], has_bot=False)
    built["PixelData"].VR, built["PixelData"].is_undefined_length = "OB", True
    assert (grey_of(dicom_files.save(built)) == PLAIN).all()


def test_a_codec_that_nobody_knows_is_no_damage() -> None:
    data = dicom_files.encapsulated(GREY, b"\x12\x34" * 3000, "1.2.840.10008.1.2.4.50")
    assert reason_of(data) is Reason.DICOM_UNSUPPORTED
    assert reason_of(data[:3000]) is Reason.BROKEN


@pytest.mark.parametrize(
    ("pixels", "tags"),
    [
        (RGB, {"SamplesPerPixel": 1}),
        (GREY, {"SamplesPerPixel": 3}),
        (DEEP, {"SamplesPerPixel": 3}),
        (DEEP, {"BitsAllocated": 8}),
        (DEEP, {"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}),
        (DEEP, {"BitsAllocated": 1}),
        (GREY, {"BitsAllocated": 16}),
        (GREY, {"BitsAllocated": 7}),
    ],
)
def test_samples_or_bits_that_cannot_be_follow_from_length(pixels: NDArray[Any], tags: dict[str, Any]) -> None:
    expected = decode(dicom_files.native(pixels)).rgb.astype(np.int16)
    assert np.abs(decode(dicom_files.native(pixels, **tags)).rgb - expected).max() <= 1


def test_half_the_pixels_are_not_fewer_bits() -> None:
    whole = dicom_files.native(DEEP)
    assert reason_of(whole[: -DEEP.nbytes // 2]) is Reason.BROKEN
    assert reason_of(dicom_files.native(DEEP, PixelData=DEEP.tobytes()[: DEEP.nbytes // 2])) is Reason.BROKEN


@pytest.mark.parametrize("slope", ["1e-320", "1e300", "1e-8"])
def test_a_slope_of_any_size_leaves_the_picture(slope: str) -> None:
    assert np.abs(grey_of(dicom_files.native(DEEP, RescaleSlope=slope)) - PLAIN).max() <= 1


@pytest.mark.parametrize(
    "tags",
    [
        {"Modality": "SEG"},
        {"Modality": "RTDOSE"},
        {"Modality": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"},
        {"Modality": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.1"},
    ],
)
def test_masks_and_doses_are_refused_by_their_tags(tags: dict[str, str]) -> None:
    assert reason_of(dicom_files.native(GREY, **tags)) is Reason.DICOM_OTHER_KIND


@pytest.mark.parametrize("side", [struct.pack(">II", 2**31 + 5, 96), struct.pack(">II", 96, 2**32 - 1)])
def test_a_side_beyond_any_picture_is_damage(side: bytes) -> None:
    stream = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + side + bytes(40)
    assert reason_of(dicom_files.encapsulated(GREY, stream, "1.2.840.10008.1.2.4.90")) is Reason.BROKEN
