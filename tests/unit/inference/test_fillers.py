"""A value that stands for no measurement is not taken for one, also where no tag declares it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.decode.bit_depth import high_filler, low_filler, stretch
from inference.decode.imaging import decode
from inference.study.opening import open_study
from tests import dicom_files, pictures, studies

SIDE = 160
BRAIN = (pictures.brain_array(SIDE) * 1000).astype(np.int16)
ROUND = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE / 2)) < SIDE / 2 - 1


def filled(value: int, pixels: NDArray[np.int16] = BRAIN) -> NDArray[np.int16]:
    """The slice in a round field, with ``value`` in all corners."""
    return np.where(ROUND, pixels, value).astype(np.int32).astype(np.uint16).view(np.int16)


RIGHT = decode(dicom_files.native(filled(0))).rgb.astype(int)


@pytest.mark.parametrize("value", [-2000, -1024, -3024, -32768, 32767])
def test_undeclared_padding_leaves_the_contrast_alone(value: int) -> None:
    assert np.abs(decode(dicom_files.native(filled(value))).rgb - RIGHT).max() <= 3


@pytest.mark.parametrize("value", [65535, 63536, 4095])
def test_unsigned_padding_at_the_corners_is_known_as_well(value: int) -> None:
    assert np.abs(decode(dicom_files.native(filled(value).view(np.uint16))).rgb - RIGHT).max() <= 3


def test_padding_of_an_inverted_picture_is_black() -> None:
    inverted = filled(-2000, (1000 - BRAIN).astype(np.int16))
    shown = decode(dicom_files.native(inverted, PhotometricInterpretation="MONOCHROME1")).rgb
    assert (shown[~ROUND] == 0).all()
    assert np.abs(shown.astype(int) - RIGHT)[ROUND].mean() < 3
    declared = dicom_files.native(inverted, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=-2000)
    assert (decode(declared).rgb == shown).all()


@pytest.mark.parametrize("value", [-2000, -1024, -32768])
def test_padding_of_a_volume_leaves_the_contrast_alone(value: int) -> None:
    def shown(filler: int) -> NDArray[np.int_]:
        study = open_study(studies.nifti(np.stack([np.full_like(BRAIN, filler), *[filled(filler)] * 3])))
        return np.stack([np.frombuffer(one.pixels, np.uint8).reshape(one.shape) for one in study.slices]).astype(int)

    assert shown(value).shape == (3, SIDE, SIDE)  # the slice of padding alone is left out
    assert np.abs(shown(value) - shown(0)).max() <= 6


def test_burned_in_letters_and_white_paper_are_no_padding() -> None:
    lettered = BRAIN.astype(np.uint16)
    lettered[4:12, 4:40] = 4095
    assert np.isnan(high_filler(lettered))
    assert (decode(dicom_files.native(lettered)).rgb[4:12, 4:40] == 255).all()
    assert np.isnan(high_filler(np.where(ROUND, BRAIN // 8, 255)))


def test_what_was_measured_is_no_filler() -> None:
    assert np.isnan(low_filler(BRAIN))
    assert np.isnan(low_filler(BRAIN - 500))
    air = np.where(ROUND, BRAIN - 1000, -1024)  # a CT: the air around a head is -1000
    assert np.isnan(low_filler(air))
    assert np.isnan(low_filler(np.full((40, 40), -5)))
    assert np.isnan(low_filler(np.array([])))


def test_what_is_no_number_is_black() -> None:
    holes = np.where(ROUND, BRAIN, np.nan).astype(np.float32)
    assert (stretch(holes)[~ROUND] == 0).all()
    assert (stretch(holes, inverted=True)[~ROUND] == 0).all()
