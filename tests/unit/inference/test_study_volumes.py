"""Volumes in the rarer forms of their formats are read as they say, or named as a form that can't be."""

import gzip
import io
import struct
import time
import zipfile

import numpy as np
import pytest

from inference.analysis import PictureError, Reason
from inference.study.opening import open_study
from tests import dicom_files, studies

HEAD = studies.head(4, 64)
PLAIN = studies.nifti(HEAD, packed=False)


def shown(data: bytes) -> np.ndarray:
    return np.stack([np.frombuffer(one.pixels, np.uint8).reshape(one.shape) for one in open_study(data).slices])


def reason(data: bytes) -> Reason:
    with pytest.raises(PictureError) as refused:
        open_study(data)
    return refused.value.reason


def test_a_falling_scale_turns_dark_and_light() -> None:
    fallen = bytearray(studies.nifti(255 - HEAD, packed=False))
    struct.pack_into("<2f", fallen, 112, -1.0, 255.0)
    assert np.abs(shown(bytes(fallen)).astype(int) - shown(PLAIN)).max() <= 2
    risen = bytearray(PLAIN)
    struct.pack_into("<2f", risen, 112, 2.0, -7.0)
    assert (shown(bytes(risen)) == shown(PLAIN)).all()


@pytest.mark.parametrize(
    ("field", "before"),
    [(b"byte skip: 13", bytes(13)), (b"line skip: 2", b"one\ntwo\n"), (b"byte skip: -1", b"whatever stands here")],
)
def test_bytes_that_a_header_skips_are_no_voxels(field: bytes, before: bytes) -> None:
    header, _, voxels = studies.nrrd(HEAD, "raw").partition(b"\n\n")
    assert (shown(header + b"\n" + field + b"\n\n" + before + voxels) == shown(studies.nrrd(HEAD, "raw"))).all()


def test_skipped_bytes_are_counted_after_unpacking() -> None:
    header, _, voxels = studies.nrrd(HEAD, "raw").replace(b"encoding: raw", b"encoding: gzip").partition(b"\n\n")
    data = header + b"\nbyte skip: 9\n\n" + gzip.compress(bytes(9) + voxels)
    assert (shown(data) == shown(studies.nrrd(HEAD, "raw"))).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"BinaryData = True", b"BinaryData = False"),
        (b"NDims = 3", b"NDims = 3\nElementNumberOfChannels = 3"),
        (b"NDims = 3", b"NDims = 3\nHeaderSize = 100"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = head.raw"),
        (b"MET_UCHAR", b"MET_STRING"),
    ],
)
def test_other_forms_of_metaimage_are_named(old: bytes, new: bytes) -> None:
    assert reason(studies.mha(HEAD).replace(old, new)) is Reason.VOLUME_UNSUPPORTED


def test_rarely_packed_entry_is_told_to_be_unpacked() -> None:
    data = bytearray(studies.pack({"a.dcm": dicom_files.native(HEAD[0]), "b.dcm": dicom_files.native(HEAD[1])}))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        places = [entry.header_offset for entry in archive.infolist()]
    at = data.index(b"PK\1\2")
    while at >= 0:
        struct.pack_into("<H", data, at + 10, 9)  # Deflate64
        at = data.find(b"PK\1\2", at + 4)
    for place in places:
        struct.pack_into("<H", data, place + 8, 9)
    assert reason(bytes(data)) is Reason.ARCHIVE_FILE


def placed(*steps: float) -> bytes:
    """A NIfTI-2 volume with these twelve numbers for its geometry."""
    head = bytearray(544)
    struct.pack_into("<i8s2h8q", head, 0, 540, b"n+2\0\r\n\x1a\n", 2, 8, 3, 64, 64, 4, 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, *[1.0] * 8)
    struct.pack_into("<q", head, 168, 544)
    struct.pack_into("<2i", head, 344, 0, 1)
    struct.pack_into("<12d", head, 400, *steps)
    return bytes(head) + HEAD.tobytes()


def spaced(line: str) -> bytes:
    """An NRRD volume with this line for its geometry."""
    lines = (line for line in studies.nrrd(HEAD, "raw").partition(b"\n\n")[0].split(b"\n") if b"space" not in line)
    return b"\n".join([*lines, line.encode()]) + b"\n\n" + HEAD.tobytes()


GEOMETRIES = {
    "one step of three": lambda: spaced("spacings: 1"),
    "four steps": lambda: spaced("spacings: 1 1 1 1"),
    "steps beyond all measure": lambda: spaced("spacings: 1e300 1e300 1e300"),
    "a step beyond all measure": lambda: spaced("spacings: 1e300 1 1"),
    "directions beyond all measure": lambda: spaced("space directions: (1e200,0,0) (0,1e200,0) (0,0,1)"),
    "no step at all": lambda: spaced("spacings: 1e-320 1 1"),
    "no numbers": lambda: spaced("spacings: nan inf 1"),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_absurd_geometry_is_a_broken_volume(name: str) -> None:
    assert reason(GEOMETRIES[name]()) is Reason.VOLUME_BROKEN


@pytest.mark.parametrize("step", [1e160, 1e300, float("inf"), float("nan")])
def test_absurd_affine_of_nifti_gives_way_to_voxel_sizes(step: float) -> None:
    assert (shown(placed(step, 0, 0, 0, 0, 1, 0, 0, 0, 0, step, 0)) == shown(placed(*[0] * 12))).all()


def test_many_skipped_lines_are_no_delay() -> None:
    header, _, _ = studies.nrrd(HEAD, "raw").partition(b"\n\n")
    data = header + b"\nline skip: 4000\n\n" + b"\n" * 4000 + bytes(18 << 20)
    began = time.process_time()
    assert reason(data) is Reason.BLANK
    assert time.process_time() - began < 0.5


def test_ordinary_geometry_in_the_same_forms_is_read() -> None:
    assert shown(placed(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0)).shape == (4, 64, 64)
    assert shown(spaced("spacings: 1 1 5")).shape == (4, 64, 64)
