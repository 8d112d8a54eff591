"""Volumes in two files of one archive, FreeSurfer's, and what an archive of other containers holds, are read."""

import bz2
import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.study.limits import MAX_SLICES, MOST_SLICES
from inference.study.opening import open_folder, open_study
from inference.study.study import SetAside, Study
from tests import pictures, studies

HEAD = studies.head(4, 64)
PLAIN = studies.nifti(HEAD, packed=False)
NRRD_HEADER = studies.nrrd(HEAD, "raw").partition(b"\n\n")[0]
META_HEADER = studies.mha(HEAD).partition(b"LOCAL")[0]


def pixels(study: Study) -> np.ndarray:
    return np.stack([np.frombuffer(one.pixels, np.uint8).reshape(one.shape) for one in study.slices])


def shown(data: bytes) -> np.ndarray:
    return pixels(open_study(data))


def reason(data: bytes) -> Reason:
    with pytest.raises(PictureError) as refused:
        open_study(data)
    return refused.value.reason


def header(*, analyze: bool = False, offset: int = 0, order: str = "<") -> bytes:
    """The header of a pair, of NIfTI-1 or of Analyze, from which that comes."""
    made = bytearray(studies.nifti(HEAD, packed=False, order=order)[:348])  # type: ignore[arg-type]
    struct.pack_into(order + "f", made, 108, offset)
    made[344:348] = b"ni1\0"
    if analyze:
        made[38:39], made[252:348] = b"r", b"\2" * 92 + bytes(4)
    return bytes(made)


VOXELS = PLAIN[352:]


@pytest.mark.parametrize(
    "files",
    [
        {"a.hdr": header(), "a.img": VOXELS},
        {"x/Scan.HDR": header(order=">"), "x/SCAN.IMG": VOXELS},
        {"a.hdr": header(offset=16), "a.img": bytes(16) + VOXELS, "b.img": bytes(900)},
        {"a.hdr.gz": gzip.compress(header()), "a.img.gz": gzip.compress(VOXELS)},
        {"a.hdr": header(), "a.img.gz": gzip.compress(VOXELS)},
        {"w.hdr": header(analyze=True), "w.img": VOXELS},
    ],
    ids=["NIfTI", "big endian, capitals", "offset", "gzip", "voxels in gzip", "Analyze"],
)
def test_header_and_voxels_side_by_side_are_one_volume(files: dict[str, bytes]) -> None:
    study = open_study(studies.pack(files))
    assert (pixels(study) == shown(PLAIN)).all()
    assert sum(study.set_aside.values()) == len(files) - 2


@pytest.mark.parametrize(
    "files",
    [
        {"a.nhdr": NRRD_HEADER + b"\ndata file: a.raw\n", "a.raw": HEAD.tobytes()},
        {"a.nhdr": NRRD_HEADER + b"\ndatafile: ./a.raw\r\n\r\n", "a.raw": HEAD.tobytes()},
        {
            "a.nhdr": NRRD_HEADER.replace(b"encoding: raw", b"encoding: gzip") + b"\ndata file: a.raw.gz\n",
            "a.raw.gz": gzip.compress(HEAD.tobytes()),
        },
        {"a.nhdr": NRRD_HEADER + b"\ndata file: a.raw\n", "a.raw.gz": gzip.compress(HEAD.tobytes())},
        {
            "a.nhdr": NRRD_HEADER.replace(b"encoding: raw", b"encoding: bzip2") + b"\ndata file: a.bz2\n",
            "a.bz2": bz2.compress(HEAD.tobytes()),
        },
        {"s/a.mhd": META_HEADER + b"a.raw\n", "s/a.raw": HEAD.tobytes()},
        {
            "a.mhd": META_HEADER.replace(b"CompressedData = False", b"CompressedData = True") + b"A.ZRAW",
            "a.zraw": zlib.compress(HEAD.tobytes()),
        },
    ],
    ids=["NRRD", "NRRD, a path", "NRRD in gzip", "packed NRRD", "NRRD in bzip2", "MetaImage", "packed MetaImage"],
)
def test_a_header_names_the_file_of_its_voxels(files: dict[str, bytes]) -> None:
    assert (shown(studies.pack(files)) == shown(studies.nrrd(HEAD, "raw"))).all()


def test_a_folder_on_disk_joins_them_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_bytes(header())
    (tmp_path / "a.img").write_bytes(VOXELS)
    study = open_folder([(name, tmp_path / name) for name in ("a.hdr", "a.img")])
    assert (pixels(study) == shown(PLAIN)).all()


def test_half_a_pair_is_refused_as_a_volume() -> None:
    assert reason(studies.pack({"a.hdr": header()})) is Reason.VOLUME_UNSUPPORTED
    assert reason(studies.pack({"a.mhd": META_HEADER + b"b.raw\n"})) is Reason.VOLUME_UNSUPPORTED
    assert reason(studies.pack({"a.hdr": header(), "a.img": VOXELS[:900]})) is Reason.VOLUME_BROKEN
    bomb = {"a.hdr": header(), "a.img.gz": gzip.compress(bytes(64 << 20))}
    assert reason(studies.pack(bomb)) is Reason.ARCHIVE_TOO_LARGE


def mgh(volume: NDArray[np.uint8] = HEAD, *, kind: int = 0, frames: int = 1, has_axes: int = 1) -> bytes:
    """Write FreeSurfer's form; its axes run to the left, to the back, to the head, as those of ``HEAD`` do."""
    sizes = volume.shape[::-1]
    head = struct.pack(">7ih", 1, *sizes, frames, kind, 0, has_axes)
    head += struct.pack(">15f", 1, 1, studies.SPACING, -1, 0, 0, 0, -1, 0, 0, 0, 1, 0, 0, 0)
    dtype = {0: ">u1", 3: ">f4", 4: ">i2"}[kind]
    return head.ljust(284, b"\0") + volume.astype(dtype).tobytes() * frames


@pytest.mark.parametrize("kind", [0, 3, 4])
def test_a_volume_of_freesurfer_is_read(kind: int) -> None:
    right = shown(studies.nrrd(HEAD, "raw"))
    assert np.abs(shown(mgh(kind=kind)).astype(int) - right).max() <= 1
    assert np.abs(shown(gzip.compress(mgh(kind=kind, frames=2))).astype(int) - right).max() <= 1
    assert reason(mgh()[:-100]) is Reason.VOLUME_BROKEN


def test_a_freesurfer_volume_without_axes_takes_the_standards() -> None:
    coronal = np.stack([np.full((40, 40), 40, np.uint8)] * 40)  # along: the front, the feet, the left
    coronal[:20, :, :10] = 200
    study = open_study(mgh(coronal, has_axes=0))
    assert study.series[0].plane == "axial"
    (lower,) = {one.tobytes() for one in pixels(study)}
    assert np.frombuffer(lower, np.uint8).reshape(40, 40)[30, 4] > 150  # what is behind is below, the right on the left


def test_an_nrrd_packed_by_bzip2_is_read() -> None:
    packed = NRRD_HEADER.replace(b"encoding: raw", b"encoding: bzip2") + b"\n\n"
    assert (shown(packed + bz2.compress(HEAD.tobytes())) == shown(studies.nrrd(HEAD, "raw"))).all()
    assert reason(packed + bz2.compress(HEAD.tobytes())[:-20]) is Reason.VOLUME_BROKEN


def test_pages_of_a_tiff_in_an_archive_are_slices() -> None:
    assert (shown(studies.pack({"a.tif": studies.pages(HEAD)})) == HEAD).all()


def test_a_pdf_in_an_archive_counts_where_nothing_else_does() -> None:
    report = studies.pages(HEAD, "PDF")
    assert len(open_study(studies.pack({"a.pdf": report})).slices) == 4
    assert len(open_study(studies.pack({"a.pdf": report, "b.pdf": b"%PDF-1.7 damaged"})).slices) == 4
    beside = open_study(studies.pack({"a.pdf": report, "b.png": pictures.encode(Image.fromarray(HEAD[2]), "PNG")}))
    assert len(beside.slices) == 1
    assert sum(beside.set_aside.values()) == 1
    assert reason(studies.pack({"a.pdf": b"%PDF-1.7 damaged"})) is Reason.PDF_FILE


def test_a_file_without_a_name_is_a_file() -> None:
    archive = bytearray(studies.pack({"a": pictures.encode(Image.fromarray(HEAD[2]), "PNG")}))
    for at in (archive.index(b"PK\3\4") + 26, archive.index(b"PK\1\2") + 28):
        struct.pack_into("<2H", archive, at, 0, 1)  # its name becomes a note on it
    assert len(open_study(bytes(archive)).slices) == 1


def test_huge_picture_of_a_pdf_is_left_out() -> None:
    whole = studies.pages(HEAD, "PDF")
    at = whole.index(b"\xff\xc0") + 5
    assert len(open_study(whole[:at] + b"\xff\xdc" * 2 + whole[at + 4 :]).slices) == 3


def test_rows_that_are_many_numbers_are_no_fault_of_ours() -> None:
    def changed(data: bytes) -> bytes:
        at = data.index(b"\x28\0\x10\0US\2\0") + 6
        return data[:at] + b"\4\0" + data[at + 2 : at + 4] * 2 + data[at + 4 :]

    files = {name: changed(data) for name, data in studies.series_files(HEAD).items()}
    assert len(open_study(studies.pack(files)).slices) == 4


SMALL = studies.head(1, 40)
PICTURE = pictures.encode(Image.fromarray(SMALL[0]), "PNG")


@pytest.mark.parametrize(
    "made",
    [
        lambda n: (f"{n:04}.nrrd", studies.nrrd(SMALL, "raw")),
        lambda n: (f"{n:04}/a.png", PICTURE),
        lambda n: (f"{n:04}.dcm", studies.slice_dicom(SMALL[0], 1, SeriesInstanceUID=f"1.2.{n + 1}")),
    ],
    ids=["volumes", "folders", "series"],
)
def test_series_beyond_the_room_are_set_aside(made: Callable[[int], tuple[str, bytes]]) -> None:
    study = open_study(studies.pack(made(number) for number in range(MOST_SLICES + 50)))
    assert MAX_SLICES < len(study.slices) <= MOST_SLICES
    assert study.set_aside[SetAside.THINNED] == MOST_SLICES + 50 - len(study.slices)
