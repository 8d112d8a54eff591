"""What the tags of a DICOM file say about its place in a study: sequence, plane, position, and what to leave out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from inference.analysis import Reason
from inference.decode.dicom_subject import Subject, subject
from inference.decode.dicom_tags import integer
from inference.decode.limits import dicom_errors
from inference.study.study import SetAside

if TYPE_CHECKING:
    from pydicom import Dataset

_NO_PICTURES: Final = frozenset({
    "SR", "PR", "KO", "DOC", "REG", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "AU", "ECG", "PLAN",
})  # fmt: skip
_SCOUT: Final = re.compile(r"\b(?:localizer|localiser|scout|survey|loc|plan|planning|3[ -]?pl(?:ane)?)\b")
_DERIVED: Final = frozenset({
    "PROJECTION IMAGE", "MIP", "MINIP", "MNIP", "FA", "FA_COLOR", "TENSOR", "SCREENSHOT", "CSA REPORT", "CSAPARALLEL",
})  # fmt: skip
_CONTRAST: Final = re.compile(r"(?:\+c\b|\bc\+|\bce\b|t1c|gad|\bgd\b|post|contrast|\bkm\b|\bc\b)")
_WEIGHTINGS: Final = (
    ("FLAIR", re.compile(r"flair|dark.?fluid|tirm")),
    ("DWI", re.compile(r"dwi|diff|trace|b1000|\badc\b|\bdti\b")),
    ("SWI", re.compile(r"swi\b|suscept|swan|venobold")),
    ("T2*", re.compile(r"t2\s*\*|t2star|hemo|\bgre\b|ffe")),
    ("T1", re.compile(r"t1|mprage|spgr|bravo|tfl3d|\bmpr\b|vibe")),
    ("PD", re.compile(r"\bpd\b|proton")),
    ("T2", re.compile(r"t2|haste|ssfse|ciss|fiesta|trufi")),
)


@dataclass(frozen=True, slots=True)
class Tags:
    """What is needed of one picture's header; nothing that names a person."""

    group: tuple[Any, ...]
    """Pictures of one group are one series."""
    set_aside: SetAside | None
    refusal: Reason | None
    """What the file says that it is, where that is why it is set aside."""
    sequence: str | None
    plane: str | None
    position: float | None
    """Millimetres along the normal of the plane."""
    instance: int
    normal: tuple[float, ...] = ()
    edges: tuple[str, ...] = ()
    """Which side of the body lies at the left and the right edge of the picture, such as ("R", "L"); () untold."""

    @property
    def order(self) -> tuple[float, int]:
        """Slices by position where there is one, else by their number."""
        return (0.0 if self.position is None else self.position, self.instance)


def read(dataset: "Dataset", frame: int | None = None) -> Tags:
    """Read the tags of a file, or of one frame of it. Damaged ones count as missing."""
    groups = _functional_groups(dataset, frame)
    orientation = _numbers(_first(groups, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    place = _numbers(_first(groups, "PlanePositionSequence", "ImagePositionPatient"), 3)
    orientation = orientation or _numbers(_get(dataset, "ImageOrientationPatient"), 6)
    place = place or (_numbers(_get(dataset, "ImagePositionPatient"), 3) if frame is None else None)
    normal = _normal(orientation)
    position = float(np.dot(place, normal)) if place and normal else _location(dataset) if frame is None else None
    kinds = tuple(str(value).upper() for value in _several(_get(dataset, "ImageType")))
    sequence, said = _sequence(dataset), subject(dataset)
    echo = _number(_get(dataset, "EchoTime"))
    return Tags(
        group=(
            str(_get(dataset, "SeriesInstanceUID") or ""),
            tuple(round(v, 1) for v in normal),
            integer(dataset, "Rows"),
            integer(dataset, "Columns"),
            kinds[2:4],
            echo,
            _number(_get(dataset, "DiffusionBValue")),
            _number(_get(dataset, "TemporalPositionIdentifier")),
        ),
        set_aside=_aside(dataset, kinds, said),
        refusal=said if isinstance(said, Reason) else None,
        sequence=sequence,
        plane=_plane(normal),
        position=position,
        instance=frame if frame is not None else int(_number(_get(dataset, "InstanceNumber")) or 0),
        normal=normal,
        edges=edges(orientation),
    )


def _aside(dataset: "Dataset", kinds: Sequence[str], said: Subject | Reason) -> SetAside | None:
    modality = str(_get(dataset, "Modality") or "").strip().upper()
    if modality in _NO_PICTURES:
        return SetAside.OTHER_FILE
    if isinstance(said, Reason):
        return SetAside.OTHER_PART
    if "LOCALIZER" in kinds or _SCOUT.search(_description(dataset)):
        return SetAside.SCOUT
    return SetAside.DERIVED if _DERIVED & set(kinds) else None


def _description(dataset: "Dataset") -> str:
    said = " ".join(str(_get(dataset, name) or "") for name in ("SeriesDescription", "ProtocolName", "SequenceName"))
    return said.lower().replace("_", " ")[:400]


def _sequence(dataset: "Dataset") -> str | None:
    """Name the weighting by what the scanner calls it, else by its times (ms); "c" for a contrast agent."""
    said = _description(dataset)
    named = next((name for name, pattern in _WEIGHTINGS if pattern.search(said)), None)
    if named is None:
        named = _by_times(*(_number(_get(dataset, name)) for name in ("RepetitionTime", "EchoTime", "InversionTime")))
    agent = str(_get(dataset, "ContrastBolusAgent") or "").strip().upper() not in ("", "NONE", "NO")
    if named == "T1" and (agent or _CONTRAST.search(said.replace("t1", " "))):
        return "T1c"
    return named


def _by_times(repetition: float | None, echo: float | None, inversion: float | None) -> str | None:
    if echo is None or repetition is None:
        return None
    if inversion and inversion > 1500 and echo > 60:
        return "FLAIR"
    if echo < 35:
        return "T1" if repetition < 1200 or inversion else "PD"
    return "T2" if echo > 60 and repetition > 1500 else None


def _normal(orientation: Sequence[float] | None) -> tuple[float, ...]:
    if not orientation:
        return ()
    crossed = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(crossed))
    if not 0.5 < length < 1.5:
        return ()
    unit = crossed / length
    sign = 1.0 if unit[int(np.abs(unit).argmax())] > 0 else -1.0  # both ways round are the same stack
    return tuple(float(v) for v in unit * sign)


def edges(orientation: Sequence[float] | None) -> tuple[str, ...]:
    """Left and right edge of a picture by the direction of its rows (PS3.3, C.7.6.2.1.1): R L A P H F.

    () where nothing tells, and for rows that run between two axes of the body, where a letter would mislead.
    """
    if not orientation or not _normal(orientation):
        return ()
    row = np.asarray(orientation[:3])
    axis = int(np.abs(row).argmax())
    if abs(row[axis]) < _STRAIGHT * float(np.linalg.norm(row)):
        return ()
    low, high = _SIDES[axis]
    return (low, high) if row[axis] > 0 else (high, low)


_SIDES: Final = (("R", "L"), ("A", "P"), ("F", "H"))
"""Where each axis of the patient comes from, and where it goes."""
_STRAIGHT: Final = 0.8
"""Of a row's length along one axis: a head is tilted by up to 37 degrees without changing sides."""


def _plane(normal: Sequence[float]) -> str | None:
    return ("sagittal", "coronal", "axial")[int(np.abs(normal).argmax())] if normal else None


def _location(dataset: "Dataset") -> float | None:
    return _number(_get(dataset, "SliceLocation"))


def _functional_groups(dataset: "Dataset", frame: int | None) -> list["Dataset"]:
    """The groups that tell about a frame: its own first, then those that all share (PS3.3 C.7.6.16)."""
    found = []
    for name, index in (("PerFrameFunctionalGroupsSequence", frame or 0), ("SharedFunctionalGroupsSequence", 0)):
        items = _get(dataset, name)
        if items is not None and index < len(items):
            found.append(items[index])
    return found


def _first(groups: Sequence["Dataset"], sequence: str, keyword: str) -> Any:
    for group in groups:
        items = _get(group, sequence)
        if items and (value := _get(items[0], keyword)) is not None:
            return value
    return None


def _get(dataset: "Dataset", keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except dicom_errors():
        return None


def _several(value: Any) -> Sequence[Any]:
    return () if value is None else [value] if isinstance(value, str) else list(value)


def _number(value: Any) -> float | None:
    found = _numbers([value] if isinstance(value, (int, float, str)) else value, 1)
    return found[0] if found else None


def _numbers(value: Any, count: int) -> list[float] | None:
    if value is None or value == "":
        return None
    try:
        found = [float(v) for v in list(value)[:count]]
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and np.isfinite(found).all() else None
