"""Bytes to a study: what a container holds is listed, put in order, and only then decoded. Runs in a limited worker."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode import budget, dicom, dicom_signature
from inference.decode.dicom_subject import subject
from inference.decode.film_sheet import find_regions
from inference.decode.imaging import decode, decode_film_sheet
from inference.decode.limits import MAX_FILE_BYTES, SHEET_SIDE, SHOWN_SIDE
from inference.gate import part_finder
from inference.gate.photo_repair import repaired
from inference.study import archives, frames, pdf, volumes
from inference.study.limits import MAX_ENTRIES, MAX_PIXEL_BYTES, MAX_SLICES, MAX_UNPACKED, MOST_SLICES, Budget
from inference.study.listing import HEAD, Contents, Found, Load, add, add_dicom, natural_order, parse_dicom, walk
from inference.study.study import Kind, Series, SetAside, Slice, Study
from inference.study.volume_pairs import Pairs

_SMALL_SIDE: Final = 320
"""Long side below which slices are not made smaller, however many there are: what models read is smaller."""
_SAME_PLACE: Final = 0.05
"""Millimetres; two slices of a series that lie closer show the same place twice."""

T = TypeVar("T")


def holds_several(data: bytes) -> bool:
    """Whether these bytes are a container that ``open_study`` opens, rather than one picture."""
    if len(data) > MAX_FILE_BYTES:
        return False
    with budget.spending():
        return _holds_several(data)


def _holds_several(data: bytes) -> bool:
    if archives.kind_of(data) or volumes.looks_like(data) or pdf.looks_like(data):
        return True
    if dicom_signature.looks_like(data):
        return _may_have_frames(data) and frames.frame_count(parse_dicom(data, whole=False)) > 1
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and bool(frames.tiff_pages(data))


def _may_have_frames(data: bytes) -> bool:
    """Whether the tag that counts frames may stand in a DICOM file: parsing each only to see that would double it."""
    return dicom.is_deflated(data) or any(tag in data[:HEAD] for tag in (b"\x28\0\x08\0", b"\0\x28\0\x08"))


def open_study(data: bytes) -> Study:
    """Open a ZIP, TAR, volume, PDF, multi-frame DICOM or TIFF of several pages; decode its slices in their order.

    Raises PictureError with the reason when the container as a whole can't be used, or holds no slice; single files of
    it that can't be used are counted in ``set_aside``. No text of it holds a name or a tag. In a worker it also raises
    TooCostlyError; see ``decode.budget``.
    """
    return _within_budget(partial(_open_study, data))


def _within_budget(opened: Callable[[], T]) -> T:
    """Open with one budget for all that lies in a container, however many parts it has. Raises PictureError."""
    try:
        with budget.spending(budget.STUDY_SECONDS):
            return opened()
    except MemoryError:
        raise PictureError(Reason.ARCHIVE_TOO_LARGE, "more than the memory of a worker holds") from None


def _open_study(data: bytes) -> Study:
    contents, kind = Contents(), Kind.ZIP
    archive = archives.kind_of(data)
    if volumes.looks_like(data):
        kind = Kind.VOLUME
        contents.volumes.append(lambda: data)
    elif archive:
        kind = Kind.TAR if archive in ("tar", "gzip") else Kind.ZIP
        walk(data, archive, contents, Budget(), 1)
    elif pdf.looks_like(data):
        kind = Kind.PDF
        return _finished(kind, [_pdf_series(lambda: data, contents)], contents, data)
    elif dicom_signature.looks_like(data):
        kind = Kind.DICOM
        if isinstance(said := subject(parse_dicom(data, whole=False)), Reason):
            raise PictureError(said)
        add_dicom(data, lambda: data, contents, strict=True)
    else:
        kind = Kind.TIFF
        contents.pictures += [("", load) for load in frames.tiff_pages(data)]
    try:
        return _finished(kind, _decoded(contents), contents, data)
    except PictureError as error:
        if error.reason is Reason.ARCHIVE_EMPTY and archive in _NO_ARCHIVES:
            raise PictureError(_NO_ARCHIVES[archive]) from None
        raise


def open_folder(files: Sequence[tuple[str, Path]]) -> Study:
    """Put files on disk together as a study: (name within their folder, path) each. Raises PictureError, OSError.

    They are read one after the other, so only their number is bounded; archives among them are as everywhere.
    """
    contents = Contents()
    if len(files) > MAX_ENTRIES:
        raise PictureError(Reason.ARCHIVE_TOO_MANY)
    found = sorted(files, key=lambda file: natural_order(file[0]))
    members = {name: archives.Member(name, path.stat().st_size, partial(_from_disk, path)) for name, path in found}
    pairs = Pairs(members)
    for name, path in found:
        size = path.stat().st_size
        if size > MAX_UNPACKED:
            contents.refuse(Reason.ARCHIVE_TOO_LARGE)
            continue
        add(members[name], contents, Budget(), 1, pairs)
    digest = hashlib.sha256()
    for name, path in files:
        with path.open("rb") as file:
            digest.update(name.encode("utf-8", "surrogateescape") + hashlib.file_digest(file, "sha256").digest())
    return _finished(Kind.FOLDER, _decoded(contents), contents, digest.digest())


def _from_disk(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def open_film_sheet(data: bytes, quarters: int = 0) -> Study | None:
    """Cut a picture of many slices into these, in reading order; None when it is one picture.

    The picture is first turned left by so many ``quarters``. Raises PictureError.
    """
    tiles = [(one.picture.rgb, one.picture.width, one.picture.height) for one in decode_film_sheet(data, quarters)]
    if len(tiles) < 2:
        tiles = [(rgb, rgb.shape[1], rgb.shape[0]) for rgb in _photographed_film(data, quarters)]
    if len(tiles) < 2:
        return None
    study = _finished(Kind.SHEET, [Series(tuple(_slice(*tile) for tile in tiles))], Contents(), data)
    return replace(study, turned=quarters > 0)


def _photographed_film(data: bytes, quarters: int) -> list[Any]:
    """The slices (H x W x 3) of a film that a photo shows, in reading order."""
    rgb = np.ascontiguousarray(np.rot90(decode(data, SHEET_SIDE).rgb, quarters))
    for flat in part_finder.screens(part_finder.reduced(rgb), lambda: rgb):
        mended = repaired(part_finder.reduced(flat))
        for unevenness in part_finder.UNEVENNESS:
            panels = find_regions(mended, unevenness).panels
            if len(panels) > 1:
                return part_finder.cut_tiles(flat, mended, panels)
    return []


def open_album(files: Sequence[bytes]) -> Study | None:
    """Put the files of one album together as a study; None unless all are DICOM files of one series."""
    return _within_budget(partial(_open_album, files))


def _open_album(files: Sequence[bytes]) -> Study | None:
    contents = Contents()
    for file in files:
        if not dicom_signature.looks_like(file):
            return None
        add_dicom(file, partial(bytes, file), contents)
    keys = {found.tags.group for found in contents.files}
    if len(keys) != 1 or not next(iter(keys))[0] or len(contents.people) > 1 or len(contents.files) < len(files):
        return None
    return _finished(Kind.ALBUM, _decoded(contents), contents, b"".join(files))


def _decoded(contents: Contents) -> list[Series]:
    """Choose what is looked at and decode it: DICOM before volumes before pictures, which are then copies of them."""
    if len(contents.people) > 1:
        raise PictureError(Reason.ARCHIVE_SEVERAL_PEOPLE)
    if contents.files:
        others = len(contents.volumes) + len(contents.pictures) + len(contents.documents)
        contents.aside[SetAside.OTHER_FILE] += others
        return _dicom_series(contents)
    if contents.volumes:
        contents.aside[SetAside.OTHER_FILE] += len(contents.pictures) + len(contents.documents)
        return _volume_series(contents)
    contents.aside[SetAside.OTHER_FILE] += len(contents.documents) if contents.pictures else 0
    if contents.documents and not contents.pictures:
        return _document_series(contents)
    folders: dict[str, list[Load]] = defaultdict(list)
    for folder, load in contents.pictures:
        folders[folder].append(load)
    stride = _stride(len(contents.pictures))
    series: list[Series] = []
    for loads in folders.values():
        slices = _decode_all(_thinned(loads, stride, series, contents.aside), contents)
        series += [Series(tuple(alike)) for alike in _by_size(slices)]
    return series


def _by_size(slices: Iterable[Slice]) -> list[list[Slice]]:
    sizes: dict[tuple[int, ...], list[Slice]] = defaultdict(list)
    for one in slices:
        sizes[one.shape[:2]].append(one)
    return list(sizes.values())


def _dicom_series(contents: Contents) -> list[Series]:
    aside = contents.aside
    groups: dict[tuple[Any, ...], list[Found]] = defaultdict(list)
    spare: list[Found] = []
    for found in contents.files:
        if found.tags.set_aside is None:
            groups[found.tags.group].append(found)
        elif found.tags.set_aside in (SetAside.SCOUT, SetAside.DERIVED):
            spare.append(found)
        elif found.tags.refusal is not None:
            contents.refuse(found.tags.refusal)
        else:
            aside[found.tags.set_aside] += 1
    if groups:
        aside.update(found.tags.set_aside for found in spare if found.tags.set_aside)
    else:  # somebody who sends scouts or projections alone wants these to be read
        for found in spare:
            groups[found.tags.group].append(found)
    ordered = [_in_order(group, aside) for group in groups.values()]
    stride = _stride(sum(map(len, ordered)))
    series: list[Series] = []
    for group in sorted(ordered, key=lambda group: -len(group)):
        chosen = _thinned(group, stride, series, aside)
        slices = _decode_all([found.load for found in chosen], contents)
        positions = [found.tags.position for found in chosen if found.tags.position is not None]
        first = group[0].tags
        edges = first.edges if len({found.tags.edges for found in group}) == 1 else ()
        series.append(Series(tuple(slices), first.sequence, first.plane, _spacing(positions), edges))
    return series


def _in_order(group: Sequence[Found], aside: Counter[SetAside]) -> list[Found]:
    """Order a series by position where all slices have one, else by number; of two at one place keep the first."""
    placed = all(found.tags.position is not None for found in group)
    ordered = sorted(group, key=lambda found: found.tags.order if placed else (0.0, found.tags.instance))
    kept: list[Found] = []
    for found in ordered:
        if placed and kept and abs((found.tags.position or 0.0) - (kept[-1].tags.position or 0.0)) < _SAME_PLACE:
            aside[SetAside.THINNED] += 1
        else:
            kept.append(found)
    return kept


def _spacing(positions: Sequence[float]) -> float | None:
    gaps = np.diff(np.asarray(positions, np.float64))
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if gaps.size else None


def _volume_series(contents: Contents) -> list[Series]:
    loads, aside = contents.volumes, contents.aside
    series: list[Series] = []
    for number, load in enumerate(loads):
        if not _room(series):
            aside[SetAside.THINNED] += len(loads) - number
            break
        try:
            found = list(volumes.slices(volumes.read(load())))
        except PictureError as error:
            if len(loads) == 1:
                raise
            contents.refuse(error.reason)
            continue
        stride = _stride(len(found) * (len(loads) - number))
        chosen = _thinned(found, stride, series, aside)
        if chosen:
            slices = tuple(_slice(one.pixels, *one.pixels.shape[1::-1], tells_directions=True) for one in chosen)
            series.append(Series(slices, None, chosen[0].plane, _spacing([one.position for one in chosen])))
    return series


def _pdf_series(load: Load, contents: Contents) -> Series:
    return Series(tuple(_decode_all([partial(bytes, file) for _, file in pdf.pictures(load())], contents)))


def _document_series(contents: Contents) -> list[Series]:
    """The pictures of the PDFs of an archive that holds nothing else. Raises PictureError when it is the only one."""
    series: list[Series] = []
    for load in contents.documents:
        if sum(len(one.slices) for one in series) >= MAX_SLICES:
            contents.aside[SetAside.THINNED] += 1
            continue
        try:
            series.append(_pdf_series(load, contents))
        except PictureError as error:
            if len(contents.documents) == 1:
                raise
            contents.refuse(error.reason)
    return series


def _stride(count: int) -> int:
    return max(1, -(-count // MAX_SLICES))


def _room(series: Sequence[Series]) -> int:
    """How many slices may come to those of these series: of thousands of series one slice each is too much."""
    return MOST_SLICES - sum(len(one.slices) for one in series)


def _thinned(found: Sequence[T], stride: int, series: Sequence[Series], aside: Counter[SetAside]) -> list[T]:
    """Every ``stride``-th, as far as there is room beside ``series``."""
    chosen = list(found[::stride])[: _room(series)]
    aside[SetAside.THINNED] += len(found) - len(chosen)
    return chosen


def _decode_all(loads: Sequence[Load], contents: Contents) -> list[Slice]:
    slices = []
    for load in loads:
        try:
            picture = decode(load())
        except PictureError as error:
            contents.refuse(error.reason)
            continue
        slices.append(_slice(picture.rgb, picture.width, picture.height, tells_directions=picture.tells_directions))
    return slices


def _slice(pixels: Any, width: int, height: int, *, tells_directions: bool = False) -> Slice:
    if pixels.ndim == 3 and (pixels[..., :1] == pixels).all():
        pixels = pixels[..., 0]
    return Slice(pixels.tobytes(), pixels.shape, width, height, tells_directions)


def _finished(kind: Kind, series: Sequence[Series], contents: Contents, data: bytes) -> Study:
    """Make the slices small enough to travel. Raises PictureError when there are none."""
    kept = [one for one in series if one.slices]
    if not kept:
        raise PictureError(_why_empty(kind, contents))
    side = SHOWN_SIDE
    while side > _SMALL_SIDE and sum(_bytes_at(one, side) for each in kept for one in each.slices) > MAX_PIXEL_BYTES:
        side -= 64
    fitted = [
        Series(tuple(_fitted(one, side) for one in each.slices), each.sequence, each.plane, each.spacing, each.edges)
        for each in kept
    ]
    counted = {reason: count for reason, count in contents.aside.items() if count}
    return Study(kind, tuple(fitted), counted, hashlib.sha256(data).hexdigest())


def _why_empty(kind: Kind, contents: Contents) -> Reason:
    """Why nothing of a container is left: what is wrong with most of what should have been pictures."""
    told = Counter({reason: count for reason, count in contents.refused.items() if reason not in _NO_PICTURE})
    if told:
        return told.most_common(1)[0][0]
    if contents.refused[Reason.TOO_SMALL] and kind is not Kind.PDF:  # a PDF has lines and logos
        return Reason.TOO_SMALL
    return _EMPTY.get(kind, Reason.ARCHIVE_EMPTY)


_NO_ARCHIVES: Final = {"office": Reason.OFFICE_FILE, "mail": Reason.MAIL_FILE}
"""What is told of files that nobody calls an archive, when no picture in them can be opened."""
_NO_PICTURE: Final = (
    *(Reason.EMPTY, Reason.UNKNOWN_FORMAT, Reason.TOO_SMALL, Reason.DICOM_WITHOUT_PICTURE),
    Reason.DICOM_DIRECTORY,
)
_EMPTY: Final = {
    Kind.PDF: Reason.PDF_EMPTY, Kind.DICOM: Reason.DICOM_WITHOUT_PICTURE, Kind.ALBUM: Reason.DICOM_WITHOUT_PICTURE,
    Kind.VOLUME: Reason.BLANK, Kind.TIFF: Reason.BROKEN,
}  # fmt: skip


def _bytes_at(one: Slice, side: int) -> float:
    return float(len(one.pixels) * min(1.0, side / max(one.shape[:2])) ** 2)


def _fitted(one: Slice, side: int) -> Slice:
    height, width = one.shape[:2]
    if max(height, width) <= side:
        return one
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(np.frombuffer(one.pixels, np.uint8).reshape(one.shape))
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
    return replace(one, pixels=pixels.tobytes(), shape=pixels.shape)
