"""A report as DICOM files: of the same patient and study, valid, and always the same."""

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from reports import render
from reports.data import DicomData
from reports.dicom import as_dicom
from tests.unit.reports.examples import OVERLAY, a_report

IDENTITY = {
    "PatientName": "Zwrtlbrmft^Quixotria=Цвртл^Квик", "PatientID": "42 a", "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "StudyInstanceUID": "1.2.840.99999.1", "StudyDate": "20260328", "StudyTime": "101112.5", "StudyID": "S1",
    "AccessionNumber": "A1", "ReferringPhysicianName": "Who^Dr", "StudyDescription": "MRI head",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "SOPInstanceUID": "1.2.840.99999.1.2.3",
}  # fmt: skip
DATA = DicomData(
    IDENTITY, render(a_report()), OVERLAY, "TumorScan report A7K2-Q9", "TumorScan heat map A7K2-Q9",
    datetime(2026, 3, 29, 14, 7, 9, tzinfo=UTC), "brain_mri 1.0.0",
)  # fmt: skip
REPORT, PICTURE = (pydicom.dcmread(io.BytesIO(file)) for file in as_dicom(DATA))


def test_both_files_keep_the_sources_patient_and_study() -> None:
    for made in (REPORT, PICTURE):
        for keyword, value in IDENTITY.items():
            if not keyword.startswith("SOP"):
                assert str(made.get(keyword)) == value, keyword
    (of_report,), (of_picture,) = REPORT.SourceInstanceSequence, PICTURE.SourceImageSequence
    for source in (of_report, of_picture):
        assert source.ReferencedSOPClassUID == IDENTITY["SOPClassUID"]
        assert source.ReferencedSOPInstanceUID == IDENTITY["SOPInstanceUID"]


def test_each_file_has_its_own_instance_and_series() -> None:
    names = {made[tag].value for made in (REPORT, PICTURE) for tag in ("SOPInstanceUID", "SeriesInstanceUID")}
    assert len(names) == 4
    assert not names & set(IDENTITY.values())
    assert all(name.startswith("2.25.") and len(name) <= 64 for name in names)


def test_report_comes_out_of_its_file_byte_for_byte() -> None:
    assert REPORT.EncapsulatedDocument[: REPORT.EncapsulatedDocumentLength] == DATA.report
    assert REPORT.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    assert (REPORT.MIMETypeOfEncapsulatedDocument, REPORT.BurnedInAnnotation) == ("application/pdf", "YES")


def test_heat_map_comes_out_as_it_was() -> None:
    assert PICTURE.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert np.array_equal(PICTURE.pixel_array, np.asarray(Image.open(io.BytesIO(OVERLAY))))


def test_same_data_make_same_files_other_data_others() -> None:
    assert as_dicom(DATA) == as_dicom(DATA)
    other = pydicom.dcmread(io.BytesIO(as_dicom(replace(DATA, title="TumorScan report B7K2-Q9"))[0]))
    assert other.SOPInstanceUID != REPORT.SOPInstanceUID
    assert other.StudyInstanceUID == REPORT.StudyInstanceUID


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("identity", [IDENTITY, {}, {"PatientName": "X" * 64}], ids=["whole", "none", "name"])
def test_an_outside_validator_finds_no_error(identity: dict[str, str], tmp_path: Path) -> None:
    for number, file in enumerate(as_dicom(replace(DATA, identity=identity))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(file)
        said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in said.stdout + said.stderr
        assert ("EncapsulatedPDF", "SCImage")[number] in said.stdout + said.stderr
