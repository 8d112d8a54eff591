"""Volumes in the rarer forms of their formats are read as they say, or named as a form that can't be."""

import gzip
import io
import struct
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
