"""A report and its heat map as DICOM files of the study that was read: Encapsulated PDF and Secondary Capture (PS3.3).

The same data give the same bytes, and the same UIDs: sent to an archive twice, they are there once.
"""

import io
import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Final

from PIL import Image

from reports.data import DicomData

if TYPE_CHECKING:
    from pydicom import Dataset

_ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_OURS: Final = uuid.UUID("6f0c5b0e-52a7-5d3c-9c68-0d3f2f5b7a11")
"""Names our UIDs; drawn once."""
_TYPE_2: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber",
)  # fmt: skip
"""Stand in every file, empty where nothing is known."""
_DOCUMENT_SERIES, _PICTURE_SERIES = 9901, 9902


def as_dicom(data: DicomData) -> tuple[bytes, bytes]:
    """The report as Encapsulated PDF and the heat map as Secondary Capture, both Explicit VR Little Endian."""
    return _encapsulated(data), _captured(data)


def _encapsulated(data: DicomData) -> bytes:
    dataset = _common(data, _ENCAPSULATED_PDF, "DOC", _DOCUMENT_SERIES, data.title)
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"  # the label that a person typed stands in it
    dataset.DocumentTitle = data.title[:1024]
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(data.report)
    dataset.EncapsulatedDocument = data.report + b"\0" * (len(data.report) % 2)
    if source := _source(data.identity):
        dataset.SourceInstanceSequence = source
    return _written(dataset)


def _captured(data: DicomData) -> bytes:
    image = Image.open(io.BytesIO(data.overlay)).convert("RGB")
    pixels = image.tobytes()
    dataset = _common(data, _SECONDARY_CAPTURE, "OT", _PICTURE_SERIES, data.picture_title)
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = dataset.Laterality = ""
    dataset.BurnedInAnnotation = "NO"
    dataset.DerivationDescription = f"Grad-CAM heat map, {data.model}"[:1024]
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = dataset.ContentDate, dataset.ContentTime
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{max(len(pixels) / len(data.overlay), 1):.2f}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.Rows, dataset.Columns = image.height, image.width
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"
    if source := _source(data.identity):
        dataset.SourceImageSequence = source
    return _written(dataset)


def _common(data: DicomData, sop_class: str, modality: str, series: int, description: str) -> "Dataset":
    """Patient, study, series, equipment and SOP common: what both files have."""
    from pydicom import Dataset

    made, identity = data.made.astimezone(UTC), data.identity
    study = identity.get("StudyInstanceUID") or _uid(data, "study")
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _TYPE_2:
        setattr(dataset, keyword, identity.get(keyword, ""))
    if "StudyDescription" in identity:
        dataset.StudyDescription = identity["StudyDescription"]
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = _uid(data, f"series {series}")
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, _uid(data, f"instance {series}")
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, series, 1
    dataset.SeriesDescription = description[:64]
    dataset.ContentDate, dataset.ContentTime = made.strftime("%Y%m%d"), made.strftime("%H%M%S")
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.Manufacturer = "TumorScan"
    dataset.ManufacturerModelName = data.model[:64]
    dataset.ConversionType = "WSD"
    return dataset


def _source(identity: Mapping[str, str]) -> "list[Dataset]":
    """A reference to the file that was read; none where its name is not known."""
    from pydicom import Dataset

    if not {"SOPClassUID", "SOPInstanceUID"} <= set(identity):
        return []
    item = Dataset()
    item.ReferencedSOPClassUID = identity["SOPClassUID"]
    item.ReferencedSOPInstanceUID = identity["SOPInstanceUID"]
    return [item]


def _uid(data: DicomData, of_what: str) -> str:
    """A UID out of a UUID (PS3.5, B.2) that names this report, or this part of it, always alike."""
    known = (data.identity.get("StudyInstanceUID", ""), data.identity.get("SOPInstanceUID", ""), data.made.isoformat())
    return f"2.25.{uuid.uuid5(_OURS, chr(0).join((*known, data.title, of_what))).int}"


def _written(dataset: "Dataset") -> bytes:
    import pydicom
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    meta.ImplementationClassUID, meta.ImplementationVersionName = f"2.25.{_OURS.int}", "TUMORSCAN"
    dataset.file_meta = meta
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
