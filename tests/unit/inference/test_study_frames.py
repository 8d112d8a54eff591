"""A file of several frames is taken apart whatever its syntax, codec and odd tags; what is wrong is told truly."""

from collections.abc import Callable
from typing import Any, Literal

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag

from inference.analysis import PictureError, Reason
from inference.study.opening import holds_several, open_study
from inference.study.study import SetAside
from tests import dicom_files, pictures, studies

HEAD = studies.head(3, 64)
DEEP = HEAD.astype(np.uint16) * 8
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def several(volume: NDArray[Any] = DEEP, syntax: str = dicom_files.EXPLICIT, **tags: Any) -> Dataset:
    built = dicom_files.dataset(volume[0], syntax, NumberOfFrames=len(volume), **tags)
    order: Literal["<", ">"] = ">" if syntax == dicom_files.BIG_ENDIAN else "<"
    built.PixelData = volume.astype(volume.dtype.newbyteorder(order)).tobytes()
    return built


def shown(data: bytes) -> NDArray[np.int16]:
    """Every slice of a study, one above the other."""
    assert holds_several(data)
    found = open_study(data).slices
    return np.stack([np.frombuffer(one.pixels, np.uint8).reshape(one.shape) for one in found]).astype(np.int16)


def reason(data: bytes) -> Reason:
    with pytest.raises(PictureError) as refused:
        open_study(data)
    return refused.value.reason


PLAIN = shown(dicom_files.save(several()))


@pytest.mark.parametrize("syntax", [dicom_files.IMPLICIT, dicom_files.BIG_ENDIAN, dicom_files.DEFLATED])
def test_frames_of_every_uncompressed_syntax_are_read(syntax: str) -> None:
    assert (shown(dicom_files.save(several(syntax=syntax))) == PLAIN).all()
    zipped = studies.pack({f"{n}": dicom_files.native(one, syntax, InstanceNumber=n) for n, one in enumerate(DEEP)})
    assert (shown(zipped) == PLAIN).all()


@pytest.mark.parametrize(
    "keyword",
    ["BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation"],
)
def test_frames_without_a_pixel_attribute_take_its_default(keyword: str) -> None:
    built = several()
    delattr(built, keyword)
    assert (shown(dicom_files.save(built)) == PLAIN).all()


@pytest.mark.parametrize("keyword", ["WindowCenter", "PixelSpacing", "ImagePositionPatient", "EchoTime", "FrameTime"])
@pytest.mark.parametrize("value", [b"abc ", b"1,5 ", b"\xff\xfe"])
def test_odd_attributes_of_frames_are_ignored(keyword: str, value: bytes) -> None:
    built = several()
    tag = Tag(keyword)
    built._dict[tag] = RawDataElement(tag, "DS", len(value), value, 0, is_implicit_VR=False, is_little_endian=True)
    assert (shown(dicom_files.save(built)) == PLAIN).all()


CODECS: dict[str, tuple[str, Callable[[NDArray[Any]], Any]]] = {
    "JPEG 2000": (JPEG_2000, lambda one: imagecodecs.jpeg2k_encode(one, level=0, codecformat="J2K", reversible=True)),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "lossless JPEG": ("1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode),
    "JPEG XL": ("1.2.840.10008.1.2.4.110", lambda one: imagecodecs.jpegxl_encode(one, lossless=True)),
}


def packed(name: str, volume: NDArray[Any] = DEEP, *, table: bool = True, left_out: int = 0) -> bytes:
    syntax, encode = CODECS[name]
    built = several(volume)
    known = syntax.replace(".110", ".100")  # as long, and known to pydicom
    built.file_meta.TransferSyntaxUID = known
    built.PixelData = encapsulate([bytes(encode(one)) for one in volume[left_out:]], has_bot=table)
    built["PixelData"].VR, built["PixelData"].is_undefined_length = "OB", True
    return dicom_files.save(built).replace(known.encode(), syntax.encode())


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("table", [True, False], ids=["with offsets", "without"])
def test_frames_of_every_codec_are_read(name: str, *, table: bool) -> None:
    assert np.abs(shown(packed(name, table=table)) - PLAIN).max() <= 2


def test_a_missing_or_cut_frame_is_told_as_that() -> None:
    whole = packed("JPEG 2000")
    for data in (packed("JPEG 2000", left_out=1), whole[: len(whole) * 3 // 4], dicom_files.save(several())[:-200]):
        assert reason(data) is Reason.FRAMES_MISSING


def test_frames_that_share_colours_in_pairs_are_read() -> None:
    rgb = np.stack([np.asarray(pictures.smear_image(100, 100, seed=seed)) for seed in (1, 2)])
    halved = []
    for one in rgb:
        full = np.asarray(Image.fromarray(one).convert("YCbCr"))
        halved.append(np.stack([full[:, 0::2, 0], full[:, 1::2, 0], full[:, 0::2, 1], full[:, 0::2, 2]], -1))
    built = several(rgb, PhotometricInterpretation="YBR_FULL_422")
    built.PixelData = np.stack(halved).tobytes()
    assert np.abs(shown(dicom_files.save(built)) - rgb).mean() < 4


def test_frames_of_floats_are_read() -> None:
    built = several()
    del built.PixelData
    built.FloatPixelData, built.BitsAllocated = (DEEP / np.float32(2000)).tobytes(), 32
    assert np.abs(shown(dicom_files.save(built)) - PLAIN).max() <= 1


def test_projections_alone_are_read_after_all() -> None:
    derived = studies.series_files(HEAD, ImageType=["DERIVED", "PRIMARY", "MIP"])
    assert len(open_study(studies.pack(derived)).slices) == 3
    with_originals = open_study(studies.pack(derived | {"A": studies.slice_dicom(HEAD[0], 0, SeriesInstanceUID="1.2")}))
    assert with_originals.set_aside == {SetAside.DERIVED: 3}


TINY = pictures.encode(Image.effect_noise((20, 20), 80), "PNG")
EMPTY_INSIDE = {
    "CT": (Reason.DICOM_CT, studies.pack(studies.series_files(HEAD, Modality="CT"))),
    "a mask of frames": (Reason.DICOM_OTHER_KIND, dicom_files.save(several(Modality="SEG"))),
    "small pictures": (Reason.TOO_SMALL, studies.pack({"a.png": TINY, "b.png": TINY})),
    "small pages": (Reason.TOO_SMALL, studies.pages(HEAD[:, ::4, ::4])),
    "a small volume": (Reason.TOO_SMALL, studies.nifti(HEAD[:, ::4, ::4])),
    "damaged pictures": (Reason.BROKEN, studies.pack({"a": pictures.brain()[:3000], "b": pictures.brain()[:3000]})),
    "a volume of air": (Reason.BLANK, studies.nifti(HEAD * 0)),
    "no picture": (Reason.ARCHIVE_EMPTY, studies.pack({"DICOMDIR": studies.directory(), "a.txt": b"hello"})),
}


@pytest.mark.parametrize("name", EMPTY_INSIDE)
def test_why_nothing_is_left_is_told_truly(name: str) -> None:
    expected, data = EMPTY_INSIDE[name]
    assert reason(data) is expected
