"""Containers become studies: slices in order, series told apart, the rest set aside and counted; bombs refused."""

import gzip
import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from inference.analysis import PictureError, Reason
from inference.decode.imaging import decode
from inference.study import limits
from inference.study.opening import holds_several, open_album, open_study
from inference.study.study import Kind, SetAside, Slice
from tests import dicom_files, pictures, studies, study_bombs

HEAD = studies.head(8)
KEEP_UP = 0.1
"""Seconds of processor time within which what is a bomb must be refused."""


def reason(data: bytes) -> Reason:
    with pytest.raises(PictureError) as refused:
        open_study(data)
    assert not refused.value.detail.startswith("4711")
    return refused.value.reason


def pixels(one: Slice) -> np.ndarray:
    return np.frombuffer(one.pixels, np.uint8).reshape(one.shape)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


CONTAINERS: dict[str, tuple[Kind, Callable[[], bytes]]] = {
    "zip": (Kind.ZIP, lambda: studies.pack(studies.series_files(HEAD))),
    "zip in a zip": (Kind.ZIP, lambda: studies.pack({"all.zip": studies.pack(studies.series_files(HEAD))})),
    "zip of a tar": (Kind.ZIP, lambda: studies.pack({"a.tgz": studies.pack_tar(studies.series_files(HEAD))})),
    "tar": (Kind.TAR, lambda: studies.pack_tar(studies.series_files(HEAD), "w")),
    "tar.gz": (Kind.TAR, lambda: studies.pack_tar(studies.series_files(HEAD))),
    "zip of pictures": (
        Kind.ZIP,
        lambda: studies.pack({f"IM{n}.png": pictures.encode(Image.fromarray(s), "PNG") for n, s in enumerate(HEAD)}),
    ),
    "multi-frame": (Kind.DICOM, lambda: studies.multiframe(HEAD[::-1])),
    "TIFF": (Kind.TIFF, lambda: studies.pages(HEAD)),
    "PDF": (Kind.PDF, lambda: studies.pages(HEAD, "PDF")),
    "NIfTI": (Kind.VOLUME, lambda: studies.nifti(HEAD, packed=False)),
    "NIfTI, packed": (Kind.VOLUME, lambda: studies.nifti(HEAD)),
    "NIfTI, big-endian": (Kind.VOLUME, lambda: studies.nifti(HEAD.astype(np.float32), order=">")),
    "NRRD": (Kind.VOLUME, lambda: studies.nrrd(HEAD)),
    "NRRD, raw": (Kind.VOLUME, lambda: studies.nrrd(HEAD, "raw")),
    "MetaImage": (Kind.VOLUME, lambda: studies.mha(HEAD)),
    "zip of a NIfTI": (Kind.ZIP, lambda: studies.pack({"sub/anat/t1.nii.gz": studies.nifti(HEAD), "x.json": b"{}"})),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_slices_in_order(name: str) -> None:
    kind, make = CONTAINERS[name]
    data = make()
    assert holds_several(data)
    study = open_study(data)
    assert study.kind is kind
    (series,) = study.series
    assert len(series.slices) == len(HEAD)
    for one, drawn in zip(series.slices, HEAD, strict=True):
        assert one.shape == drawn.shape
        assert alike(pixels(one), drawn) > 0.98


def test_a_picture_is_no_container() -> None:
    for data in (pictures.brain(), pictures.brain(kind="PNG"), pictures.brain(kind="TIFF"), b"", b"hello",
                 dicom_files.native(HEAD[0])):  # fmt: skip
        assert not holds_several(data)


def test_a_pyramid_or_a_thumbnail_makes_no_study() -> None:
    whole, small = Image.fromarray(HEAD[0]), Image.fromarray(HEAD[0]).resize((64, 64))
    assert not holds_several(pictures.encode(whole, "TIFF", save_all=True, append_images=[small]))


def test_a_hospital_cd_is_sorted_out_and_counted() -> None:
    study = open_study(studies.pack(studies.hospital_cd(HEAD)))
    (series,) = study.series
    assert (len(series.slices), series.sequence, series.plane, series.spacing) == (8, "T1", "axial", studies.SPACING)
    assert study.set_aside == {
        SetAside.OTHER_FILE: 5, SetAside.SCOUT: 1, SetAside.OTHER_PART: 1, SetAside.UNREADABLE: 1,
    }  # fmt: skip


def test_series_are_told_apart_by_their_tags() -> None:
    other = {"SeriesInstanceUID": generate_uid(prefix=None), "SeriesDescription": "FLAIR cor"}
    coronal = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    files = studies.series_files(HEAD)
    for n, one in enumerate(HEAD[:5]):
        files[f"COR/{n}"] = studies.slice_dicom(one, n, **other, **coronal, ImagePositionPatient=[0, 4.0 * n, 0])
    study = open_study(studies.pack(files))
    assert [(s.sequence, s.plane, len(s.slices), s.spacing) for s in study.series] == [
        ("T1", "axial", 8, studies.SPACING), ("FLAIR", "coronal", 5, 4.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SeriesDescription": "t1_mprage_sag_GD"}, "T1c"),
        ({"SeriesDescription": "T1 SE", "ContrastBolusAgent": "Gadovist"}, "T1c"),
        ({"SeriesDescription": "tirm_tra_dark-fluid"}, "FLAIR"),
        ({"SeriesDescription": "x", "RepetitionTime": 4000, "EchoTime": 95}, "T2"),
        ({"SeriesDescription": "x", "RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}, "FLAIR"),
        ({"SeriesDescription": "x"}, None),
    ],
)
def test_the_sequence_comes_from_names_or_times(tags: dict[str, object], expected: str | None) -> None:
    study = open_study(studies.pack(studies.series_files(HEAD[:2], **tags)))
    assert study.series[0].sequence == expected


def test_scouts_alone_are_read_after_all() -> None:
    scouts = studies.series_files(HEAD[:3], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert len(open_study(studies.pack(scouts)).slices) == 3


def test_two_people_are_never_one_case() -> None:
    other = studies.slice_dicom(HEAD[3], 3, PatientID="4712")
    assert reason(studies.pack(studies.series_files(HEAD[:2]) | {"b": other})) is Reason.ARCHIVE_SEVERAL_PEOPLE


def test_other_body_part_is_refused_by_its_tags() -> None:
    knee = studies.series_files(HEAD[:3], BodyPartExamined="KNEE")
    assert reason(studies.pack(knee)) is Reason.DICOM_OTHER_PART


def test_slices_beyond_the_limit_are_left_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.study.opening.MAX_SLICES", 4)
    study = open_study(studies.pack(studies.series_files(HEAD)))
    assert len(study.slices) == 4
    assert study.set_aside == {SetAside.THINNED: 4}
    assert study.series[0].spacing == 2 * studies.SPACING


def test_an_oblique_and_turned_volume_is_shown_upright() -> None:
    turned = studies.nifti(np.ascontiguousarray(HEAD[:, :, ::-1]), affine=(-1, 0.1, 0, 0, 0.1, 1, 0, 0, 0, 0, 6, 0))
    for one, drawn in zip(open_study(turned).slices, HEAD, strict=True):
        assert alike(pixels(one), drawn) > 0.98


def test_a_volume_of_thin_voxels_is_cut_axially() -> None:
    cube = np.repeat(HEAD[:, ::4, ::4], 8, axis=0)
    study = open_study(studies.nifti(cube, affine=(4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 4, 0)))
    assert (study.series[0].plane, len(study.slices)) == ("axial", 64)


def test_one_slice_of_a_volume_has_square_pixels() -> None:
    flat = HEAD[:, ::2, :]
    study = open_study(studies.nifti(flat, affine=(1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 6, 0)))
    assert study.slices[0].shape == (256, 256)


def test_an_album_of_one_series_is_a_study() -> None:
    files = list(studies.series_files(HEAD).values())
    study = open_album(files)
    assert study is not None
    assert [alike(pixels(one), drawn) > 0.98 for one, drawn in zip(study.slices, HEAD, strict=True)] == [True] * 8
    assert open_album([*files[:2], pictures.brain()]) is None
    assert open_album([files[0], studies.slice_dicom(HEAD[1], 1, SeriesInstanceUID=generate_uid(prefix=None))]) is None


def many(count: int, *, stated: int | None = None) -> bytes:
    """A ZIP of empty files, written here because the library takes seconds; its end may lie about their number."""
    local, listed = bytearray(), bytearray()
    for n in range(count):
        name = b"%06d" % n
        listed += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, *[0] * 7, 6, *[0] * 5, len(local)) + name
        local += struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 6, 0) + name
    told = min(count if stated is None else stated, 0xFFFF)
    return bytes(local + listed + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, told, told, len(listed), len(local), 0))


def many_in_long_form(count: int) -> bytes:
    """The same with the record of a large ZIP, while the last record states a single file."""
    plain = many(count)
    end = plain.rindex(b"PK\5\6")
    length, start = struct.unpack_from("<2I", plain, end + 12)
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 52, start, 0)
    return plain[:end] + record + locator + last


def damaged_lzma() -> bytes:
    """A ZIP packed by LZMA, of which a part of the stream was written over."""
    data = bytearray(study_bombs.zipped({"a.png": pictures.brain(64, kind="PNG")}, zipfile.ZIP_LZMA))
    data[80:400] = bytes(320)
    return bytes(data)


def tar_of(count: int) -> bytes:
    header = tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT)
    return gzip.compress(header * count, 1)


def huge_zip_entry() -> bytes:
    data = bytearray(studies.pack({"a.dcm": b"x"}))
    at = data.index(b"PK\1\2")
    struct.pack_into("<I", data, at + 24, 0xFFFFFFF0)
    return bytes(data)


def zip64_entry(size: int) -> bytes:
    """A ZIP whose only entry is of so many bytes, as the long form of its directory says."""
    whole = studies.pack({"a.dcm": b"x"})
    at, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    extra = struct.pack("<HHQ", 1, 8, size)
    listed = bytearray(whole[at:end])
    struct.pack_into("<I", listed, 24, 0xFFFFFFFF)
    struct.pack_into("<H", listed, 30, len(extra))
    last = bytearray(whole[end:])
    struct.pack_into("<I", last, 12, len(listed) + len(extra))
    return whole[:at] + bytes(listed) + extra + bytes(last)


def tar_stating(size: int, kind: bytes = tarfile.REGTYPE, name: str = "a.dcm", target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)


def nested_tar(depth: int, mode: str) -> bytes:
    data = studies.pack_tar({"a.png": pictures.brain(64, kind="PNG")}, mode)
    for n in range(depth):
        data = studies.pack_tar({f"{n}.tar": data}, mode)
    return data


def nested_gzip(depth: int) -> bytes:
    data = pictures.brain(64, kind="PNG")
    for _ in range(depth):
        data = gzip.compress(data, 1)
    return data


def nested(depth: int) -> bytes:
    data = studies.pack({"a.png": pictures.brain(64, kind="PNG")})
    for n in range(depth):
        data = studies.pack({f"{n}.zip": data})
    return data


def zip_link() -> bytes:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def locked() -> bytes:
    data = bytearray(studies.pack({"a.dcm": b"secret"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return studies.pack([("a", b"1"), ("a", b"2")])


def promising_nifti() -> bytes:
    data = bytearray(studies.nifti(HEAD, packed=False))
    struct.pack_into("<h", data, 46, 40)
    return bytes(data)


def without_last_frame() -> bytes:
    whole = studies.multiframe(HEAD)
    built = dicom_files.dataset(HEAD[0].astype(np.uint16), NumberOfFrames=8)
    built.PixelData = HEAD[:7].astype("<u2").tobytes()
    assert len(whole) > len(dicom_files.save(built))
    return dicom_files.save(built)


def pdf_of(pages: int) -> bytes:
    from pypdf import PdfWriter

    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


HOSTILE: dict[str, tuple[Reason, Callable[[], bytes]]] = {
    "100,000 files": (Reason.ARCHIVE_TOO_MANY, lambda: many(100_000)),
    "a directory that lies": (Reason.ARCHIVE_TOO_MANY, lambda: many(60_000, stated=1)),
    "a long directory behind a short one": (Reason.ARCHIVE_TOO_MANY, lambda: many_in_long_form(60_000)),
    "a tar of 100,000": (Reason.ARCHIVE_TOO_MANY, lambda: tar_of(100_000)),
    "an entry of 10 GB": (Reason.ARCHIVE_TOO_LARGE, lambda: zip64_entry(10 << 30)),
    "an entry of 4 GB": (Reason.ARCHIVE_TOO_LARGE, huge_zip_entry),
    "a tar entry of 10 GB": (Reason.ARCHIVE_TOO_LARGE, lambda: tar_stating(10 << 30)),
    "a bomb of zeros": (Reason.ARCHIVE_TOO_LARGE, lambda: studies.pack({"a": bytes(60 << 20)})),
    "a gzip bomb": (Reason.ARCHIVE_TOO_LARGE, lambda: studies.pack_tar({"a": bytes(60 << 20)})),
    "nested 50 deep": (Reason.ARCHIVE_NESTED, lambda: nested(50)),
    "tars nested 50 deep": (Reason.ARCHIVE_NESTED, lambda: nested_tar(50, "w")),
    "packed tars nested 50 deep": (Reason.ARCHIVE_NESTED, lambda: nested_tar(50, "w:gz")),
    "gzip nested 50 deep": (Reason.ARCHIVE_NESTED, lambda: nested_gzip(50)),
    "a name with .. in a tar": (Reason.ARCHIVE_UNSAFE, lambda: tar_stating(0, name="a/../../b")),
    "a name twice in a tar": (Reason.ARCHIVE_UNSAFE, lambda: tar_stating(0)[:512] + tar_stating(0)),
    "a name with ..": (Reason.ARCHIVE_UNSAFE, lambda: studies.pack({"a/../../b": b""})),
    "a name with .. of Windows": (Reason.ARCHIVE_UNSAFE, lambda: studies.pack({"a\\..\\..\\b": b""})),
    "an absolute name": (Reason.ARCHIVE_UNSAFE, lambda: tar_stating(0, name="/etc/passwd")),
    "a drive": (Reason.ARCHIVE_UNSAFE, lambda: studies.pack({"C:\\a": b""})),
    "a link": (Reason.ARCHIVE_UNSAFE, zip_link),
    "a link in a tar": (Reason.ARCHIVE_UNSAFE, lambda: tar_stating(0, tarfile.SYMTYPE, target="/etc/passwd")),
    "a hard link": (Reason.ARCHIVE_UNSAFE, lambda: tar_stating(0, tarfile.LNKTYPE, target="/etc/passwd")),
    "a name twice": (Reason.ARCHIVE_UNSAFE, twice),
    "a password": (Reason.ARCHIVE_LOCKED, locked),
    "a directory cut off": (Reason.ARCHIVE_BROKEN, lambda: studies.pack(studies.series_files(HEAD[:2]))[:-80]),
    "a tar cut off": (Reason.ARCHIVE_BROKEN, lambda: studies.pack_tar({"a": bytes(9000)}, "w")[:4000]),
    "a tar.gz cut off": (Reason.ARCHIVE_BROKEN, lambda: studies.pack_tar(studies.series_files(HEAD[:2]))[:-5000]),
    "LZMA that is damaged": (Reason.ARCHIVE_BROKEN, damaged_lzma),
    "no picture": (Reason.ARCHIVE_EMPTY, lambda: studies.pack({"a.txt": b"hello"})),
    "a NIfTI that promises more": (Reason.VOLUME_BROKEN, promising_nifti),
    "a packed NIfTI that promises more": (
        Reason.VOLUME_BROKEN, lambda: studies.nifti(HEAD)[: len(studies.nifti(HEAD)) // 2],
    ),
    "a frame missing": (Reason.FRAMES_MISSING, without_last_frame),
    "a PDF of 2,000 pages": (Reason.PDF_TOO_LONG, lambda: pdf_of(2_000)),
    "a PDF without pictures": (Reason.PDF_EMPTY, lambda: pdf_of(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_container_has_one_reason_and_no_delay(name: str) -> None:
    expected, make = HOSTILE[name]
    data = make()
    assert reason(data) is expected  # the first time loads modules
    if expected not in (Reason.PDF_TOO_LONG, Reason.PDF_EMPTY):  # these are no bombs, and read page by page
        began = time.process_time()
        reason(data)
        assert time.process_time() - began < KEEP_UP


def test_a_volume_that_promises_ten_gigabytes_is_not_unpacked() -> None:
    data = bytearray(studies.nifti(HEAD, packed=False))
    struct.pack_into("<3h", data, 42, 2000, 2000, 2000)
    assert reason(bytes(data)) is Reason.TOO_MANY_PIXELS


def test_a_zip_in_its_long_form_is_read() -> None:
    names = many_in_long_form(20)
    assert reason(names) is Reason.ARCHIVE_EMPTY


def test_limits_hold_across_archives_in_one_another() -> None:
    inner = many(limits.MAX_ENTRIES // 2 + 1)
    assert reason(studies.pack({"a.zip": inner, "b.zip": inner})) is Reason.ARCHIVE_TOO_MANY


@pytest.mark.parametrize("start", [2**62, 2**63, 2**64 - 1])
def test_tiff_with_missing_pages_is_broken(start: int) -> None:
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, start) + bytes(400)
    assert not holds_several(data)
    with pytest.raises(PictureError) as refused:
        decode(data)
    assert refused.value.reason is Reason.BROKEN


@pytest.mark.parametrize("kind", [1, 2, 5, 12, 99])
def test_tiff_with_size_in_an_odd_form_is_opened(kind: int) -> None:
    data = bytearray(studies.pages(studies.head(2, 48)))
    at = struct.unpack_from("<I", data, 4)[0] + 2
    while struct.unpack_from("<H", data, at)[0] != 256:  # ImageWidth
        at += 12
    struct.pack_into("<H", data, at + 2, kind)
    holds_several(bytes(data))  # whatever it says, it raises nothing
