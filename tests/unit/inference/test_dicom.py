"""DICOM comes out as a viewer shows it, and a bad file gets its own reason."""

import logging
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from inference.analysis import PictureError, Reason
from inference.decode.imaging import decode
from inference.study.listing import Contents, add_dicom
from tests import dicom_files, pictures
from tests.decoding import grey_of, reason_of

GREY = (pictures.brain_array(128) * 255).astype(np.uint8)
DEEP = (200 + pictures.brain_array(128) * 1500).astype(np.uint16)
RAMP = np.tile(np.arange(256, dtype=np.uint16), (64, 1))


@pytest.mark.parametrize(
    "write",
    [
        dicom_files.native,
        lambda pixels: dicom_files.native(pixels, dicom_files.IMPLICIT),
        lambda pixels: dicom_files.native(pixels, dicom_files.BIG_ENDIAN),
        dicom_files.rle,
        dicom_files.jpeg2000,
        lambda pixels: dicom_files.by_gdcm("jpeg_lossless", pixels),
        lambda pixels: dicom_files.by_gdcm("jpeg_ls", pixels),
    ],
    ids=["explicit", "implicit", "big endian", "RLE", "JPEG 2000", "JPEG lossless", "JPEG-LS"],
)
@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8 bits", "16 bits"])
def test_every_lossless_form_gives_the_same_picture(
    write: Callable[[NDArray[np.uint16]], bytes], pixels: NDArray[np.uint16]
) -> None:
    assert np.abs(grey_of(write(pixels)) - grey_of(dicom_files.native(pixels))).max() == 0


def test_a_baseline_jpeg_gives_nearly_the_same_picture() -> None:
    difference = np.abs(grey_of(dicom_files.jpeg(GREY)) - grey_of(dicom_files.native(GREY)))
    assert difference.mean() < 4


def test_the_window_of_the_file_is_obeyed() -> None:
    shown = grey_of(dicom_files.native(RAMP, WindowCenter="128", WindowWidth="65"))
    assert (shown[:, :95] == 0).all()
    assert (shown[:, 161:] == 255).all()
    assert abs(int(shown[0, 127]) - 127) <= 2
    assert (np.diff(shown[0]) >= 0).all()


def test_the_first_of_several_windows_is_taken() -> None:
    several = dicom_files.native(RAMP, WindowCenter=["128", "5"], WindowWidth=["65", "3"])
    assert (grey_of(several) == grey_of(dicom_files.native(RAMP, WindowCenter="128", WindowWidth="65"))).all()


def test_a_window_counts_in_rescaled_units() -> None:
    plain = dicom_files.native(RAMP, WindowCenter="128", WindowWidth="65")
    rescaled = dicom_files.native(
        RAMP, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter=str(128 * 2 - 1000), WindowWidth="129"
    )
    assert np.abs(grey_of(plain) - grey_of(rescaled)).max() <= 2


def test_a_window_for_other_values_is_not_obeyed() -> None:
    senseless = dicom_files.native(RAMP, WindowCenter="30000", WindowWidth="10")
    assert np.abs(grey_of(senseless) - grey_of(dicom_files.native(RAMP))).max() == 0


def test_a_sigmoid_window_is_soft_at_both_ends() -> None:
    shown = grey_of(dicom_files.native(RAMP, WindowCenter="128", WindowWidth="100", VOILUTFunction="SIGMOID"))
    assert 0 < shown[0, 60] < 30
    assert 225 < shown[0, 200] < 255


def test_a_lookup_table_goes_before_the_window() -> None:
    table = Dataset()
    table.LUTDescriptor = [256, 0, 8]
    table.LUTData = np.arange(255, -1, -1).astype("<u2").tobytes()  # turns light into dark
    table["LUTData"].VR = "OW"
    shown = grey_of(dicom_files.native(RAMP, VOILUTSequence=Sequence([table]), WindowCenter="10", WindowWidth="5"))
    assert shown[0, 0] == 255
    assert shown[0, 255] == 0


def test_monochrome1_is_shown_inverted() -> None:
    window = {"WindowCenter": "128", "WindowWidth": "256"}
    white = grey_of(dicom_files.native(GREY, PhotometricInterpretation="MONOCHROME1", **window))
    black = grey_of(dicom_files.native(GREY, **window))
    assert (white == 255 - black).all()


def test_twelve_of_sixteen_bits_use_the_whole_range() -> None:
    shown = grey_of(dicom_files.native(DEEP, BitsStored=12, HighBit=11))
    assert shown.min() == 0
    assert shown.max() == 255


def test_signed_pixels_keep_their_order() -> None:
    signed = RAMP.astype(np.int16) - 128
    assert (grey_of(dicom_files.native(signed)) == grey_of(dicom_files.native(RAMP))).all()


def test_padding_does_not_compress_the_pictures_range() -> None:
    padded = DEEP.astype(np.int16)
    padded[:20] = -2000
    shown = grey_of(dicom_files.native(padded, PixelPaddingValue=-2000))
    assert (shown[:20] == 0).all()
    assert np.abs(shown[20:] - grey_of(dicom_files.native(DEEP))[20:]).max() <= 3


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ({"PixelSpacing": ["1.0", "0.5"]}, (128, 256)),
        ({"PixelSpacing": ["0.5", "1.0"]}, (256, 128)),
        ({"PixelAspectRatio": ["2", "1"]}, (128, 256)),
        ({"PixelSpacing": ["0.8", "0.8"]}, (128, 128)),
        ({"PixelSpacing": ["0", "1"]}, (128, 128)),
        ({"PixelSpacing": ["1000", "1"]}, (128, 128)),
    ],
)
def test_pixels_that_are_not_square_get_their_true_proportions(tags: dict[str, Any], size: tuple[int, int]) -> None:
    picture = decode(dicom_files.native(GREY, **tags))
    assert (picture.width, picture.height) == size


def test_colour_pixels_keep_their_colours() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, 32:] = (200, 10, 30)
    for data in (dicom_files.native(red), dicom_files.rle(red)):
        assert decode(data).rgb[10, 50].tolist() == [200, 10, 30]


def test_a_palette_is_applied() -> None:
    rgb = decode(dicom_files.palette(RAMP.astype(np.uint8))).rgb
    assert rgb[0, 255].tolist() == [255, 0, 0]
    assert rgb[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("syntax", [dicom_files.EXPLICIT, dicom_files.IMPLICIT])
def test_a_file_without_preamble_is_read(syntax: str) -> None:
    bare = dicom_files.save(dicom_files.dataset(GREY, syntax), preamble=False)
    assert bare[128:132] != b"DICM"
    assert (grey_of(bare) == grey_of(dicom_files.native(GREY))).all()


def test_tiff_like_preamble_does_not_mislead() -> None:
    data = dicom_files.native(GREY)
    assert (grey_of(b"II*\0" + data[4:]) == grey_of(data)).all()


def test_what_has_no_picture_says_so() -> None:
    assert reason_of(dicom_files.without_picture()) is Reason.DICOM_WITHOUT_PICTURE


def test_several_frames_say_so() -> None:
    assert reason_of(dicom_files.several_frames(GREY)) is Reason.DICOM_SEVERAL_FRAMES


def test_a_film_is_not_supported() -> None:
    assert reason_of(dicom_files.film()) is Reason.DICOM_UNSUPPORTED


def test_a_deflated_file_is_read() -> None:
    data = dicom_files.save(dicom_files.dataset(GREY, dicom_files.DEFLATED))
    assert (grey_of(data) == grey_of(dicom_files.native(GREY))).all()


def test_a_deflated_bomb_is_not_inflated_to_its_end() -> None:
    data = dicom_files.save(dicom_files.dataset(np.zeros((6000, 6000), np.uint16), dicom_files.DEFLATED))
    assert len(data) < 200_000
    assert reason_of(data) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_broken(share: float) -> None:
    for data in (dicom_files.native(DEEP), dicom_files.rle(DEEP)):
        assert reason_of(data[: int(len(data) * share)]) is Reason.BROKEN


def test_file_ending_before_its_pixels_is_not_read() -> None:
    assert reason_of(dicom_files.native(GREY)[:400]) in {Reason.BROKEN, Reason.DICOM_WITHOUT_PICTURE}


def test_a_corrupted_stream_is_broken() -> None:
    data = bytearray(dicom_files.jpeg2000(DEEP))
    data[-3000:-1000] = bytes(2000)
    data[data.index(b"\xff\x4f\xff\x51") + 6 : data.index(b"\xff\x4f\xff\x51") + 40] = b"\xff" * 34
    assert reason_of(bytes(data)) is Reason.BROKEN


@pytest.mark.parametrize(("place", "value"), [(4, 17), (13, 0), (16, 2)], ids=["depth", "table", "length"])
def test_decoder_crashing_stream_is_broken_or_read_rightly(place: int, value: int) -> None:
    data = bytearray(dicom_files.by_gdcm("jpeg_lossless", DEEP))
    right = grey_of(bytes(data))
    frame = data.index(b"\xff\xc3", data.index(b"\xff\xd8\xff"))
    data[frame + place] = value
    try:
        shown = grey_of(bytes(data))
    except PictureError as error:
        shown, reason = right, error.reason
    else:
        reason = Reason.BROKEN
    assert reason is Reason.BROKEN
    assert (shown == right).all()


def test_a_header_of_noise_is_not_read() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes()
    assert reason_of(bytes(128) + b"DICM" + noise) in {Reason.BROKEN, Reason.DICOM_WITHOUT_PICTURE}


def test_header_promising_too_many_pixels_is_refused_unread() -> None:
    assert reason_of(dicom_files.native(GREY, Rows=60_000, Columns=60_000)) is Reason.TOO_MANY_PIXELS


def test_nothing_of_a_file_reaches_logs_or_warnings(caplog: pytest.LogCaptureFixture) -> None:
    odd = dicom_files.dataset(GREY)
    odd.PatientID = "Secret" * 30  # too long for its kind, which pydicom likes to quote
    odd.StudyDate = "Secret"
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(dicom_files.save(odd))
        reason_of(dicom_files.save(odd)[:-5000])
    assert "Secret" not in caplog.text
    assert not [w for w in caught if "Secret" in str(w.message)]


@pytest.mark.parametrize("length", [1, 3, 247, 0xFFFF])
@pytest.mark.parametrize(
    "tag", [b"\x02\x00\x00\x00UL", b"\x28\x00\x10\x00US", b"\x28\x00\x11\x00US", b"\x28\x00\x00\x01US"]
)
def test_number_of_wrong_length_is_no_fault_of_ours(tag: bytes, length: int) -> None:
    data = dicom_files.native((pictures.brain_array(64) * 900).astype(np.uint16))
    at = data.index(tag) + len(tag)
    odd = data[:at] + length.to_bytes(2, "little") + data[at + 2 :]
    with suppress(PictureError):  # anything else is what workers call a fault of ours
        decode(odd)
    contents = Contents()
    add_dicom(odd, lambda: odd, contents)
    assert len(contents.files) + contents.aside.total() == 1
