"""Whose a DICOM file is, by its own tags: read only to be put into files for the same person and study."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from inference.analysis import PictureError, Reason
from inference.decode import dicom_signature
from inference.decode.limits import dicom_errors
from inference.study import archives
from inference.study.limits import Budget
from inference.study.listing import Contents, parse_dicom, walk

if TYPE_CHECKING:
    from pydicom import Dataset

TEXTS: Final[Mapping[str, int]] = {
    "PatientName": 324, "PatientID": 64, "StudyID": 16, "AccessionNumber": 16, "ReferringPhysicianName": 324,
    "StudyDescription": 64,
}  # fmt: skip
"""Keyword -> most characters that its representation takes (PS3.5, 6.2)."""
_FORMS: Final[Mapping[str, str]] = {
    "PatientBirthDate": r"[0-9]{8}", "PatientSex": r"[MFO]", "StudyDate": r"[0-9]{8}",
    "StudyTime": r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?",
    **dict.fromkeys(("StudyInstanceUID", "SOPClassUID", "SOPInstanceUID"), r"(?=.{1,64}$)[0-9]+(?:\.[0-9]+)+"),
}  # fmt: skip
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


def identity_in(data: bytes) -> Mapping[str, str]:
    """The identifiers of a DICOM file, or of the first one in an archive: DICOM keyword -> value.

    What is empty, too long or of another form than its representation is left out. Raises PictureError when there is
    no DICOM file.
    """
    if kind := archives.kind_of(data):
        contents = Contents()
        walk(data, kind, contents, Budget(), 1)
        if not contents.files or len(contents.people) > 1:
            raise PictureError(Reason.ARCHIVE_SEVERAL_PEOPLE if contents.files else Reason.ARCHIVE_EMPTY)
        data = contents.files[0].load()
    if not dicom_signature.looks_like(data):
        raise PictureError(Reason.UNKNOWN_FORMAT)
    header = parse_dicom(data, whole=False)
    told = {keyword: _value(header, keyword) for keyword in (*TEXTS, *_FORMS)}
    return {keyword: value for keyword, value in told.items() if value and _is_fit(keyword, value)}


def _value(header: "Dataset", keyword: str) -> str:
    try:
        value: Any = header.get(keyword)
        return "" if value is None else _UNSEEN.sub("", str(value)).strip()
    except dicom_errors():
        return ""


def _is_fit(keyword: str, value: str) -> bool:
    if keyword in _FORMS:
        return re.fullmatch(_FORMS[keyword], value) is not None
    return len(value) <= TEXTS[keyword]
