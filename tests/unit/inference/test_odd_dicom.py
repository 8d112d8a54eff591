"""A sound DICOM with odd tags is shown as other viewers show it, and one that says what it is is believed."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from inference.analysis import Reason
from inference.decode.dicom_subject import Subject
from inference.decode.imaging import decode
from tests import dicom_files, pictures
from tests.decoding import grey_of, reason_of

GREY = (pictures.brain_array(96) * 255).astype(np.uint8)
DEEP = (200 + pictures.brain_array(96) * 1500).astype(np.uint16)
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def raw(built: Dataset, keyword: str, value: bytes, vr: str = "DS") -> None:
    """Put bytes into a dataset as a file would bring them, unchecked."""
    tag = Tag(keyword)
    built._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True)


PLAIN = grey_of(dicom_files.native(DEEP))


@pytest.mark.parametrize(
    "keyword",
    [
        *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "PixelSpacing", "PixelAspectRatio"),
        *("ImagerPixelSpacing", "NumberOfFrames"),
    ],
)
@pytest.mark.parametrize("value", [b"", b"abc ", b"NaN ", b"\\\\", b"9,9,9 "])
def test_a_display_attribute_that_is_no_number_is_ignored(keyword: str, value: bytes) -> None:
    built = dicom_files.dataset(DEEP)
    raw(built, keyword, value, "IS" if keyword == "NumberOfFrames" else "DS")
    assert (grey_of(dicom_files.save(built)) == PLAIN).all()


@pytest.mark.parametrize(
    "keyword",
    [
        *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
        "PixelRepresentation",
    ],
)
def test_a_missing_pixel_attribute_takes_its_default(keyword: str) -> None:
    built = dicom_files.dataset(DEEP)
    delattr(built, keyword)
    assert (grey_of(dicom_files.save(built)) == PLAIN).all()


@pytest.mark.parametrize(
    "tags",
    [
        *({"PhotometricInterpretation": "GREY"}, {"SamplesPerPixel": 0}, {"BitsStored": 0}, {"BitsStored": 40}),
        *({"HighBit": 200}, {"PixelRepresentation": 7}, {"PlanarConfiguration": 9}, {"RescaleSlope": "0"}),
        *({"WindowCenter": "5", "WindowWidth": "0"}, {"WindowCenter": "5"}, {"PixelAspectRatio": ["1"]}),
        {"ModalityLUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": Sequence([Dataset()])},
        {"VOILUTSequence": Sequence([])},
        {"VOILUTFunction": "SOMETHING"},
    ],
)
def test_a_senseless_attribute_is_ignored(tags: dict[str, Any]) -> None:
    assert np.abs(grey_of(dicom_files.native(DEEP, **tags)) - PLAIN).max() <= 1


def test_a_decimal_comma_is_a_point() -> None:
    built = dicom_files.dataset(DEEP)
    raw(built, "PixelSpacing", b"0,9\\0,45")
    raw(built, "WindowCenter", b"900,5 ")
    raw(built, "WindowWidth", b"400,0 ")
    same = dicom_files.native(DEEP, PixelSpacing=["0.9", "0.45"], WindowCenter="900.5", WindowWidth="400")
    assert (grey_of(dicom_files.save(built)) == grey_of(same)).all()


def test_a_slope_alone_and_an_intercept_alone_are_used() -> None:
    window = {"WindowCenter": "1000", "WindowWidth": "800"}
    moved = dicom_files.native(DEEP, RescaleIntercept="0", RescaleSlope="1", **window)
    for tags, centre in (({"RescaleSlope": "2"}, "2000"), ({"RescaleIntercept": "500"}, "1500")):
        width = "1600" if "RescaleSlope" in tags else "800"
        other = dicom_files.native(DEEP, **tags, WindowCenter=centre, WindowWidth=width)
        assert np.abs(grey_of(other) - grey_of(moved)).max() <= 1


@pytest.mark.parametrize("where", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_functional_groups_give_window_rescale_and_spacing(where: str) -> None:
    group, voi, values, measures = Dataset(), Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth = "2100", "600"
    values.RescaleSlope, values.RescaleIntercept = "2", "100"
    measures.PixelSpacing = ["1", "0.5"]
    group.FrameVOILUTSequence = Sequence([voi])
    group.PixelValueTransformationSequence = Sequence([values])
    group.PixelMeasuresSequence = Sequence([measures])
    enhanced = dicom_files.native(DEEP, NumberOfFrames=1, **{where: Sequence([group])})
    classic = dicom_files.native(
        DEEP,
        WindowCenter="2100",
        WindowWidth="600",
        RescaleSlope="2",
        RescaleIntercept="100",
        PixelSpacing=["1", "0.5"],
    )
    assert (grey_of(enhanced) == grey_of(classic)).all()


# --- bits that don't count ---


def overlaid(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    junk = np.zeros_like(pixels)
    junk[10:60:3, 20:70] = 0xF000
    return pixels | junk


def by_jpeg_2000(pixels: NDArray[np.uint16], **tags: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    return dicom_files.encapsulated(pixels, buffer.getvalue(), JPEG_2000, **tags)


@pytest.mark.parametrize(
    "write",
    [
        *(dicom_files.native, dicom_files.rle, by_jpeg_2000),
        lambda pixels, **tags: dicom_files.by_gdcm("jpeg_ls", pixels, **tags),
    ],
    ids=["native", "RLE", "JPEG 2000", "JPEG-LS"],
)
def test_bits_above_those_stored_are_cut_after_every_decoder(write: Callable[..., bytes]) -> None:
    odd = write(overlaid(DEEP))
    # Said afterwards, so that no encoder tidies them up.
    for name, value in (("BitsStored", 12), ("HighBit", 11)):
        tag = Tag(name)
        at = odd.index(bytes([tag.group & 255, tag.group >> 8, tag.elem & 255, tag.elem >> 8]) + b"US\x02\0") + 8
        odd = odd[:at] + bytes([value, 0]) + odd[at + 2 :]
    assert (grey_of(odd) == PLAIN).all()


def test_a_high_bit_further_up_is_shifted_down() -> None:
    window = {"WindowCenter": "900", "WindowWidth": "1200"}
    plain = dicom_files.native(DEEP, BitsStored=12, HighBit=11, **window)
    assert (grey_of(dicom_files.native(DEEP << 4, BitsStored=12, HighBit=15, **window)) == grey_of(plain)).all()


def test_a_sign_in_twelve_bits_is_carried_on() -> None:
    signed = DEEP.astype(np.int16) - 900
    narrow = (signed & 0x0FFF).astype(np.uint16)
    odd = dicom_files.native(narrow, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert (grey_of(odd) == grey_of(dicom_files.native(signed))).all()


# --- tables ---


def with_table(entries: bytes, descriptor: list[int], vr: str = "OW") -> bytes:
    table = Dataset()
    table.LUTDescriptor = descriptor
    table.LUTData = entries
    table["LUTData"].VR = vr
    return dicom_files.native(GREY, VOILUTSequence=Sequence([table]))


CURVE = (255 * (np.arange(256) / 255) ** 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("entries", "descriptor"),
    [
        (CURVE.astype("<u2").tobytes(), [256, 0, 8]),
        (CURVE.tobytes(), [256, 0, 8]),
        ((CURVE.astype("<u2") << 4).tobytes(), [256, 0, 12]),
        ((CURVE.astype("<u2") << 4).tobytes(), [256, 0, 16]),
        ((CURVE.astype("<u2") << 8).tobytes(), [256, 0, 8]),
        (CURVE.astype("<u2").tobytes(), [255, 0, 8]),
        (CURVE.astype("<u2").tobytes(), [0, 0, 8]),
    ],
    ids=["words", "packed", "12 bits", "narrower than said", "wider than said", "one short", "said 65536"],
)
def test_a_table_is_read_however_its_entries_lie(entries: bytes, descriptor: list[int]) -> None:
    assert np.abs(grey_of(with_table(entries, descriptor)) - CURVE[GREY]).max() <= 2


# --- shape of a pixel ---


@pytest.mark.parametrize(
    "tags",
    [
        {"PixelSpacing": ["0", "0"], "PixelAspectRatio": ["2", "1"]},
        {"ImagerPixelSpacing": ["1.0", "0.5"]},
        {"PixelSpacing": ["1"], "NominalScannedPixelSpacing": ["0.2", "0.1"]},
        {"PixelSpacing": ["-1", "1"], "ImagerPixelSpacing": ["0", "0"], "PixelAspectRatio": ["4", "2"]},
    ],
)
def test_the_first_usable_shape_of_a_pixel_counts(tags: dict[str, Any]) -> None:
    picture = decode(dicom_files.native(GREY, **tags))
    assert (picture.width, picture.height) == (96, 192)


# --- what the file says that it is ---


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        *(({"Modality": word}, Reason.DICOM_XRAY) for word in ("CR", "DX", "MG", "XA")),
        *(({"Modality": word}, Reason.DICOM_NUCLEAR) for word in ("PT", "NM")),
        ({"Modality": "CT"}, Reason.DICOM_CT),
        ({"Modality": "US"}, Reason.DICOM_ULTRASOUND),
        ({"Modality": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"}, Reason.DICOM_CT),
        *(({"BodyPartExamined": part}, Reason.DICOM_OTHER_PART) for part in ("KNEE", "LSPINE", "c spine", "CARDIAC")),
    ],
)
def test_what_says_that_it_is_something_else_is_refused(tags: dict[str, str], reason: Reason) -> None:
    data = dicom_files.native(GREY, **tags)
    assert reason_of(data) is reason
    assert decode(data, believe_tags=False).rgb.shape == (96, 96, 3)


@pytest.mark.parametrize("modality", ["SC", "OT", "", "XC", "MR"])
@pytest.mark.parametrize("part", ["", "HEAD", "BRAIN", "HEADNECK", "SKULL", "SOMETHING"])
def test_what_says_nothing_else_is_read(modality: str, part: str) -> None:
    picture = decode(dicom_files.native(GREY, Modality=modality, BodyPartExamined=part))
    assert picture.subject is (Subject.MR if modality == "MR" else Subject.UNKNOWN)


def test_the_list_of_a_disc_says_what_it_is() -> None:
    built = dicom_files.dataset(GREY)
    del built.PixelData
    built.SOPClassUID = built.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    assert reason_of(dicom_files.save(built)) is Reason.DICOM_DIRECTORY


# --- missing pixels, and more than pixels ---


def test_embedded_jpeg_without_last_bytes_is_read() -> None:
    whole = dicom_files.jpeg(GREY)
    at = whole.rindex(b"\xff\xd9")
    assert np.abs(grey_of(whole[:at]) - grey_of(whole)).mean() < 1
    assert reason_of(whole[: at // 2 + 1500]) is Reason.BROKEN


def test_what_stands_behind_the_pixels_is_not_read() -> None:
    assert (grey_of(dicom_files.native(DEEP) + bytes(1_000_000)) == PLAIN).all()
    assert (grey_of(dicom_files.native(DEEP) + b"\xff" * 1000) == PLAIN).all()


def test_a_wrong_transfer_syntax_does_not_hide_a_jpeg() -> None:
    data = dicom_files.jpeg(GREY)
    named = b"1.2.840.10008.1.2.4.50"
    assert (grey_of(data.replace(named, b"1.2.840.10008.1.2.4.90")) == grey_of(data)).all()


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_lie_by_pixel_or_by_plane(planar: int) -> None:
    rgb = np.asarray(pictures.smear_image(160, 120))
    built = dicom_files.dataset(rgb, PlanarConfiguration=planar)
    if planar:
        built.PixelData = np.moveaxis(rgb, -1, 0).tobytes()
    assert (decode(dicom_files.save(built)).rgb == rgb).all()


def test_twelve_packed_bits_are_unpacked() -> None:
    bits = ((DEEP[..., None] >> np.arange(12)) & 1).astype(np.uint8)
    built = dicom_files.dataset(DEEP, BitsStored=12, HighBit=11)
    built.BitsAllocated = 12
    built.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    built["PixelData"].VR = "OW"
    assert (grey_of(dicom_files.save(built)) == PLAIN).all()


def by_jpeg_xl(pixels: NDArray[Any], stream: bytes) -> bytes:
    """Written under a name as long that pydicom knows, since it does not know this one yet."""
    known, jpeg_xl = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.110"
    return dicom_files.encapsulated(pixels, stream, known).replace(known.encode(), jpeg_xl.encode())


@pytest.mark.parametrize("pixels", [GREY, DEEP, np.stack([GREY, GREY // 2, 255 - GREY], -1)])
def test_jpeg_xl_in_a_dicom_is_read(pixels: NDArray[Any]) -> None:
    stream = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    packed = by_jpeg_xl(pixels, stream)
    shown, expected = decode(packed).rgb.astype(np.int16), decode(dicom_files.native(pixels)).rgb
    assert np.abs(shown - expected).max() <= 2
    assert reason_of(by_jpeg_xl(pixels, stream[: len(stream) // 2])) is Reason.BROKEN


def test_a_jpeg_xl_canvas_in_a_dicom_is_bounded() -> None:
    header = b"\xff\x0a" + (3 << 1 | (30_000 - 1) << 3 | 1 << 33).to_bytes(5, "little") + bytes(20)
    assert reason_of(by_jpeg_xl(GREY, header)) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("built_of", [DEEP, GREY, np.stack([GREY] * 3, -1)], ids=["16 bits", "8 bits", "RGB"])
def test_uncompressed_and_deflated_frames_in_fragments_are_read(built_of: NDArray[Any]) -> None:
    plain, known = decode(dicom_files.native(built_of)).rgb, "1.2.840.10008.1.2.4.80"
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = packer.compress(built_of.tobytes()) + packer.flush()
    for stream, syntax in ((built_of.tobytes(), "1.2.840.10008.1.2.1.98"), (deflated, "1.2.840.10008.1.2.8.1\0")):
        # pydicom does not know both, and writes one whose name is as long.
        data = dicom_files.encapsulated(built_of, stream, known).replace(known.encode(), syntax.encode())
        assert (decode(data).rgb == plain).all()
        cut = dicom_files.encapsulated(built_of, stream[:-400], known).replace(known.encode(), syntax.encode())
        assert reason_of(cut) is Reason.BROKEN
