"""Whose a DICOM file is: what passes on has the form that DICOM gives it, however odd the file is."""

import io
import zipfile

import numpy as np
import pytest

from inference.analysis import PictureError
from inference.study.identity import identity_in
from tests import dicom_files, pictures

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
TAGS = {
    "PatientName": "Zwrtlbrmft^Quixotria", "PatientID": "42", "PatientBirthDate": "19700102", "PatientSex": "F",
    "StudyInstanceUID": "1.2.840.99999.1", "StudyDate": "20260328", "StudyTime": "101112", "AccessionNumber": "A1",
}  # fmt: skip


def test_identifiers_are_read_from_file_and_archive() -> None:
    file = dicom_files.native(PIXELS, **TAGS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("DICOM/IM1", file)

    for data in (file, packed.getvalue()):
        assert TAGS.items() <= identity_in(data).items()


def test_what_is_of_another_form_is_left_out() -> None:
    odd = {"PatientBirthDate": "2.1.1970", "PatientSex": "female", "StudyInstanceUID": "1.2.x", "PatientID": "4\\2"}
    told = identity_in(dicom_files.native(PIXELS, **{**TAGS, **odd}))

    assert not {"PatientBirthDate", "PatientSex", "StudyInstanceUID"} & set(told)
    assert "\\" not in "".join(told.values())
    assert told["PatientName"] == TAGS["PatientName"]


@pytest.mark.parametrize("data", [b"", pictures.brain(), b"PK\3\4broken", b"\0" * 200])
def test_what_is_no_dicom_has_no_identity(data: bytes) -> None:
    with pytest.raises(PictureError):
        identity_in(data)
