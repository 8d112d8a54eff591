"""JPEG files that tell their height behind the picture, and deep ones that lie on their side, are read as meant."""

import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import Reason
from inference.decode.imaging import decode
from tests import dicom_files, pictures
from tests.decoding import difference, reason_of

BRAIN = (pictures.brain_array(160) * 255).astype(np.uint8)[:, :120]
DEEP = BRAIN.astype(np.uint16) << 4


def ljpeg(pixels: NDArray[Any]) -> bytes:
    """Encode a lossless JPEG of twelve bits."""
    return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=12))


def with_lines(data: bytes, *, told: bool = True) -> bytes:
    """Move the height out of the frame header, into a marker behind the scan."""
    frame = next(data.index(start) for start in (b"\xff\xc0", b"\xff\xc2", b"\xff\xc3") if start in data)
    height, end = data[frame + 5 : frame + 7], data.rindex(b"\xff\xd9")
    lines = b"\xff\xdc\0\x04" + height if told else b""
    return data[: frame + 5] + b"\0\0" + data[frame + 7 : end] + lines + data[end:]


@pytest.mark.parametrize("image", [Image.fromarray(BRAIN), pictures.smear_image(200, 150)], ids=["grey", "colours"])
def test_a_jpeg_with_its_height_behind_the_scan_is_read(image: Image.Image) -> None:
    data = pictures.encode(image, quality=95)
    picture = decode(with_lines(data))
    assert (picture.width, picture.height) == image.size
    assert (picture.rgb == decode(data).rgb).all()


def test_deep_jpeg_may_tell_its_height_behind_the_scan() -> None:
    lossless = ljpeg(DEEP)
    assert (decode(with_lines(lossless)).rgb == decode(lossless).rgb).all()
    baseline = with_lines(pictures.encode(Image.fromarray(BRAIN), quality=95))
    data = dicom_files.encapsulated(BRAIN, baseline, "1.2.840.10008.1.2.4.50")
    assert difference(data, BRAIN) < 12  # it is shown by the range that it uses


def test_a_jpeg_without_any_height_is_damaged() -> None:
    assert reason_of(with_lines(pictures.brain(), told=False)) is Reason.BROKEN
    assert reason_of(with_lines(pictures.brain()).replace(b"\xff\xdc\0\x04", b"\xff\xdc\0\x03")) is Reason.BROKEN


def with_orientation(data: bytes, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = orientation
    body = exif.tobytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 1), (8, -1)])
def test_a_deep_jpeg_is_turned_as_its_exif_says(orientation: int, turns: int) -> None:
    stored = ljpeg(np.ascontiguousarray(np.rot90(DEEP, turns)))
    picture = decode(with_orientation(stored, orientation))
    assert (picture.width, picture.height) == (120, 160)
    assert (picture.rgb == decode(ljpeg(DEEP)).rgb).all()


def test_damaged_exif_of_a_deep_jpeg_is_left_out() -> None:
    stored = ljpeg(DEEP)
    data = with_orientation(stored, 6)
    damaged = data.replace(b"Exif\0\0MM\0*", b"Exif\0\0MM\0!")
    assert damaged != data
    assert (decode(damaged).rgb == decode(stored).rgb).all()
