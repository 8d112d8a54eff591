"""What lies in a container, found out file by file from first bytes and tags; nothing is decoded yet."""

import hashlib
import io
import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from inference.analysis import PictureError, Reason
from inference.decode import dicom, dicom_signature
from inference.decode.limits import MOST_ELEMENTS, dicom_errors
from inference.decode.signatures import may_be_targa, recognise
from inference.study import archives, frames, pdf, tags, volumes
from inference.study.limits import MAX_DEPTH, MAX_UNPACKED, Budget
from inference.study.study import SetAside
from inference.study.volume_pairs import Pairs

HEAD: Final = 256 << 10
"""Bytes of a file that are read to find out what it is; the tags of nearly all DICOM files lie within them."""
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR."""
_MOST_FRAMES: Final = 2_000
Load = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """One DICOM picture or frame that waits to be decoded."""

    tags: tags.Tags
    load: Load


@dataclass(slots=True)
class Contents:
    """What was found while containers were walked through."""

    files: list[Found] = field(default_factory=list)
    volumes: list[Load] = field(default_factory=list)
    pictures: list[tuple[str, Load]] = field(default_factory=list)
    """(folder, what gives the file), in the order of their names."""
    documents: list[Load] = field(default_factory=list)
    """PDFs, whose pictures count where there is nothing else."""
    aside: Counter[SetAside] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)
    refused: Counter[Reason] = field(default_factory=Counter)
    """Why files that should have been pictures were not taken."""

    def refuse(self, reason: Reason) -> None:
        """Count a file that is not taken, and why."""
        self.refused[reason] += 1
        self.aside[_ASIDE.get(reason, SetAside.UNREADABLE)] += 1


_ASIDE: Final = {
    **dict.fromkeys(
        (
            Reason.EMPTY, Reason.UNKNOWN_FORMAT, Reason.TOO_SMALL, Reason.DICOM_WITHOUT_PICTURE,
            Reason.DICOM_DIRECTORY,
        ),
        SetAside.OTHER_FILE,
    ),
    Reason.BLANK: SetAside.NOT_TAKEN,
    **dict.fromkeys(
        (
            Reason.DICOM_CT, Reason.DICOM_XRAY, Reason.DICOM_ULTRASOUND, Reason.DICOM_NUCLEAR, Reason.DICOM_OTHER_KIND,
            Reason.DICOM_OTHER_PART,
        ),
        SetAside.OTHER_PART,
    ),
}  # fmt: skip


def walk(data: bytes, kind: str, contents: Contents, budget: Budget, depth: int) -> None:
    """Note what an archive holds. Raises PictureError when its limits, or those of all that it lies in, are reached."""
    if depth > MAX_DEPTH:
        raise PictureError(Reason.ARCHIVE_NESTED)
    if kind == "gzip":
        inner = archives.gunzip(data, MAX_UNPACKED + 1, budget)
        nested = archives.kind_of(inner)
        if nested:
            # A packed TAR is one archive, not two.
            walk(inner, nested, contents, budget, depth if nested == "tar" else depth + 1)
        else:
            add(archives.Member("", len(inner), lambda size: inner[:size]), contents, budget, depth)
        return
    found = sorted(archives.entries(data, kind, budget), key=lambda entry: natural_order(entry.path))
    pairs = Pairs({entry.path: entry for entry in found})
    for entry in found:
        add(entry, contents, budget, depth, pairs)


def add(entry: archives.Member, contents: Contents, budget: Budget, depth: int, pairs: Pairs | None = None) -> None:
    """Find out what a file of an archive is by its first bytes, never by its name; ``pairs`` knows those beside it."""
    if pairs is not None and pairs.is_taken(entry.path):
        return
    try:
        head = entry.read(HEAD)
        nested = archives.kind_of(head)
    except PictureError as error:
        contents.refuse(error.reason)
        return
    load = partial(entry.read, entry.size)
    if pairs is not None and (joined := pairs.join(entry, head, budget)) is not None:
        contents.volumes.append(joined)
        return
    if volumes.looks_like(head):
        contents.volumes.append(load)
    elif nested:
        try:
            walk(load(), nested, contents, budget, depth + 1)
        except PictureError as error:
            if error.reason is not Reason.ARCHIVE_BROKEN:
                raise
            contents.refuse(error.reason)
    elif dicom_signature.looks_like(head):
        add_dicom(head if len(head) < entry.size else load(), load, contents)
    else:
        _add_picture(entry, head, load, contents)


def _add_picture(entry: archives.Member, head: bytes, load: Load, contents: Contents) -> None:
    if pdf.looks_like(head):
        contents.documents.append(load)
        return
    try:
        kind = recognise(load() if len(head) < entry.size and may_be_targa(head) else head)
    except PictureError:
        contents.aside[SetAside.OTHER_FILE] += 1
        return
    pages = len(frames.tiff_pages(load())) if kind == "TIFF" else 0
    folder = entry.path.rpartition("/")[0]
    contents.pictures += [(folder, partial(_page, load, number)) for number in range(pages)] or [(folder, load)]


def _page(load: Load, number: int) -> bytes:
    return frames.tiff_pages(load())[number]()


def add_dicom(head: bytes, load: Load, contents: Contents, *, strict: bool = False) -> None:
    """Note a DICOM file, or each of its frames. With ``strict`` what is wrong with it is raised, not counted."""
    try:
        header = parse_dicom(head, whole=False)
        if "Rows" not in header and len(head) >= HEAD:
            header = parse_dicom(load(), whole=False)
        is_directory = str(header.file_meta.get("MediaStorageSOPClassUID")) == _DIRECTORY
        if is_directory or "Rows" not in header:
            contents.aside[SetAside.OTHER_FILE] += 1
            return
        if person := str(header.get("PatientID") or "").strip():
            contents.people.add(hashlib.sha256(person.encode("utf-8", "replace")).hexdigest())
        count = frames.frame_count(header)
        if count == 1:
            contents.files.append(Found(tags.read(header), load))
            return
        whole = parse_dicom(load(), whole=True)
        files = frames.FrameFiles(whole)
        contents.files += [Found(tags.read(whole, n), partial(files.one, n)) for n in range(min(count, _MOST_FRAMES))]
    except PictureError as error:
        if strict:
            raise
        contents.refuse(error.reason)
    except dicom_errors():
        if strict:
            raise PictureError(Reason.BROKEN, "DICOM header") from None
        contents.refuse(Reason.BROKEN)


def parse_dicom(data: bytes, *, whole: bool) -> Any:
    """Parse a DICOM file, up to its pixels or with them. Raises PictureError, also when it has too many elements."""
    import pydicom

    logging.getLogger("pydicom").disabled = True  # it quotes tags
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stop = dicom.Counted(MOST_ELEMENTS, at_pixels=not whole)
            return pydicom.filereader.read_partial(io.BytesIO(dicom.unpacked(data)), stop, force=True)
        except dicom_errors():
            raise PictureError(Reason.BROKEN, "DICOM header") from None


def natural_order(name: str) -> tuple[Any, ...]:
    """Sort "slice 9" before "slice 10"."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", name.casefold())
    )
