"""DICOM attributes read as display software reads them: what is empty, odd or malformed counts as missing."""

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from inference.decode.limits import dicom_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_PACKED: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_MOST_BYTES: Final = 4096
"""Of an attribute that holds a few numbers or words."""


def numbers(dataset: "Dataset", keyword: str) -> list[float | None]:
    """Every value of an attribute as a finite number, None where it is none; empty when the attribute is missing."""
    return [_as_number(value) for value in _values(dataset, keyword)]


def number(dataset: "Dataset", keyword: str) -> float | None:
    """The first value of an attribute as a number; None when it is missing, empty or none."""
    return next(iter(numbers(dataset, keyword)), None)


def integer(dataset: "Dataset", keyword: str) -> int | None:
    """The first value as a whole number, with the caution of ``number``."""
    value = number(dataset, keyword)
    return None if value is None or value != int(value) else int(value)


def text(dataset: "Dataset", keyword: str) -> str:
    """The first value in capitals without blanks around it; empty when it is missing or no text."""
    return next((str(value).strip(" \0").upper() for value in _values(dataset, keyword)), "")


def items(dataset: "Dataset", keyword: str) -> list["Dataset"]:
    """The items of a sequence; none when it is missing, empty or malformed."""
    try:
        found = dataset.get(keyword)
        return [item for item in found or () if hasattr(item, "get_item")]
    except dicom_errors():
        return []


def raw_bytes(dataset: "Dataset", keyword: str) -> tuple[bytes, bool]:
    """What an attribute's value holds, undecoded, and whether it is little endian; empty when it is missing."""
    from pydicom.dataelem import RawDataElement

    element = _element(dataset, keyword)
    if element is None:
        return b"", True
    value = element.value
    little = element.is_little_endian if isinstance(element, RawDataElement) else True
    if isinstance(value, bytes):
        return value, little
    if isinstance(value, int):
        value = [value]
    try:
        return struct.pack(f"<{len(value)}H", *(int(entry) & 0xFFFF for entry in value)), True
    except dicom_errors():
        return b"", True


def scopes(dataset: "Dataset", macro: str, frame: int = 0) -> Iterator["Dataset"]:
    """Where an attribute may stand, nearest first: the frame's functional group, the shared one, the file itself."""
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if frame < len(groups):
        yield from items(groups[frame], macro)[:1]
    for group in items(dataset, "SharedFunctionalGroupsSequence")[:1]:
        yield from items(group, macro)[:1]
    yield dataset


def _element(dataset: "Dataset", keyword: str) -> Any:
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    tag = tag_for_keyword(keyword)
    try:
        return dataset.get_item(Tag(tag)) if tag is not None and tag in dataset else None
    except dicom_errors():
        return None


def _values(dataset: "Dataset", keyword: str) -> list[Any]:
    """The values of an attribute; those that are still bytes are taken apart here, because pydicom refuses odd ones."""
    element = _element(dataset, keyword)
    if element is None or element.value is None:
        return []
    if not isinstance(element.value, bytes):
        several = isinstance(element.value, (list, tuple)) or hasattr(element.value, "append")
        return list(element.value) if several else [element.value]
    data = element.value[:_MOST_BYTES]
    kind = _vr(keyword, element)
    if kind not in _PACKED:
        return data.decode("latin-1").split("\\") if data else []
    size = struct.calcsize(f"<{_PACKED[kind]}")
    order = "<" if getattr(element, "is_little_endian", True) else ">"
    return list(struct.unpack(f"{order}{len(data) // size}{_PACKED[kind]}", data[: len(data) // size * size]))


def _vr(keyword: str, element: Any) -> str:
    from pydicom.datadict import dictionary_VR

    named = str(element.VR or "")
    return (named if named not in ("", "UN", "OB", "OW") else dictionary_VR(keyword)).split(" or ")[0]


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        value = value.strip(" \0").replace(",", ".")  # some writers use the comma of their country
    try:
        found = float(value)
    except dicom_errors():
        return None
    return found if math.isfinite(found) else None
