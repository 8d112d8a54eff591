"""Files of several pictures, one made into a file of its own each: what reads a single one then reads them all.

Nothing of a DICOM frame or a TIFF page is interpreted here, so that windows, bits and colours are read in one place.
"""

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from inference.analysis import PictureError, Reason
from inference.decode.limits import DECODER_ERRORS, dicom_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_WIDTH, _HEIGHT = 256, 257
_MAX_TIFF_PAGES: Final = 2_000
_TAG_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 8: 2, 9: 4, 16: 8}


def tiff_pages(data: bytes) -> list[Callable[[], bytes]]:
    """Give what makes each page of a TIFF that is as large as the first a TIFF of its own; [] for fewer than two.

    Pages of another size are thumbnails, or the levels of a pyramid. A page is made the only one by pointing the header
    at it and ending the chain there.
    """
    try:
        pages = list(_directories(data))
    except DECODER_ERRORS:  # an offset of 2^63 is an OverflowError
        return []
    alike = [page for page in pages if page[2] == pages[0][2]] if pages else []
    return [partial(_page_alone, data, start, chain) for start, chain, _ in alike] if len(alike) > 1 else []


def _page_alone(data: bytes, start: int, chain: int) -> bytes:
    order, big = _tiff_form(data)
    word, header = ("Q", 8) if big else ("I", 4)
    page = bytearray(data)
    struct.pack_into(order + word, page, header, start)
    struct.pack_into(order + word, page, chain, 0)
    return bytes(page)


def _tiff_form(data: bytes) -> tuple[str, bool]:
    order = "<" if data[:2] == b"II" else ">"
    return order, struct.unpack_from(order + "H", data, 2)[0] == 43


def _directories(data: bytes) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """(where it starts, where its pointer to the next stands, (width, height)) of every page."""
    order, big = _tiff_form(data)
    word, count_form, entry, at = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    (start,) = struct.unpack_from(order + word, data, at)
    seen: set[int] = set()
    while start:
        if start in seen or len(seen) >= _MAX_TIFF_PAGES:
            raise ValueError("a chain of pages without an end")
        seen.add(start)
        (count,) = struct.unpack_from(order + count_form, data, start)
        first = start + struct.calcsize(count_form)
        size = {_WIDTH: 0, _HEIGHT: 0}
        for number in range(min(count, 4096)):
            tag, kind = struct.unpack_from(order + "HH", data, first + entry * number)
            if tag in size:
                form = {1: "B", 2: "H", 4: "I", 8: "Q"}[_TAG_SIZES.get(kind, 4)]
                at_value = first + entry * number + (12 if big else 8)
                (size[tag],) = struct.unpack_from(order + form, data, at_value)
        chain = first + entry * count
        yield start, chain, (size[_WIDTH], size[_HEIGHT])
        (start,) = struct.unpack_from(order + word, data, chain)


class FrameFiles:
    """The frames of a parsed multi-frame DICOM, each as a file of one frame.

    Raises PictureError (FRAMES_MISSING) when there are fewer than the file states.
    """

    def __init__(self, dataset: "Dataset") -> None:
        self._dataset = dataset
        self._frames = _frames(dataset)
        self._per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
        self._single = _without_pixels(dataset)
        if (shared := dataset.get("SharedFunctionalGroupsSequence")) is not None:
            self._single.SharedFunctionalGroupsSequence = shared

    def one(self, index: int) -> bytes:
        """Make the file of one frame, counted from 0."""
        if self._per_frame is not None and index < len(self._per_frame):
            self._single.PerFrameFunctionalGroupsSequence = [self._per_frame[index]]
        return _with_frame(self._single, self._dataset, self._frames(index))


def frame_count(dataset: "Dataset") -> int:
    """How many frames a DICOM states; 1 where it states none or nonsense."""
    try:
        return max(1, int(str(dataset.get("NumberOfFrames") or 1)))
    except (TypeError, ValueError):
        return 1


class _Native:
    """Frames that lie one after another."""

    def __init__(self, dataset: "Dataset") -> None:
        bits = int(dataset.BitsAllocated) * int(dataset.SamplesPerPixel) * int(dataset.Rows) * int(dataset.Columns)
        self._pixels: bytes = dataset.PixelData
        self._bits = bits
        if len(self._pixels) * 8 < bits * frame_count(dataset):
            raise PictureError(Reason.FRAMES_MISSING)
        if bits % 8:  # a mask of single bits whose frames don't end with a byte
            raise PictureError(Reason.DICOM_UNSUPPORTED, "bits")

    def __call__(self, index: int) -> bytes:
        size = self._bits // 8
        return self._pixels[index * size : (index + 1) * size]


class _Encapsulated:
    """Frames that are packed, each by itself."""

    def __init__(self, dataset: "Dataset") -> None:
        from pydicom.encaps import generate_frames

        count = frame_count(dataset)
        try:
            self._frames = list(generate_frames(dataset.PixelData, number_of_frames=count))
        except dicom_errors():
            raise PictureError(Reason.FRAMES_MISSING) from None
        if len(self._frames) < count:
            raise PictureError(Reason.FRAMES_MISSING)

    def __call__(self, index: int) -> bytes:
        return bytes(self._frames[index])


def _frames(dataset: "Dataset") -> "_Native | _Encapsulated":
    try:
        return _Encapsulated(dataset) if _is_packed(dataset) else _Native(dataset)
    except PictureError:
        raise
    except dicom_errors():
        raise PictureError(Reason.BROKEN, "DICOM frames") from None


def _is_packed(dataset: "Dataset") -> bool:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    return syntax is not None and bool(syntax.is_compressed) and not bool(syntax.is_deflated)


def _without_pixels(dataset: "Dataset") -> "Dataset":
    from pydicom import Dataset

    single = Dataset()
    for element in dataset:  # a copy of references: deep copies of a thousand per-frame items take seconds
        if element.tag.group < 0x5000 and element.keyword not in _LEFT_OUT:
            single.add(element)
    single.NumberOfFrames = 1
    single.file_meta = dataset.file_meta
    return single


_LEFT_OUT: Final = frozenset({
    "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "NumberOfFrames", "IconImageSequence",
    "ReferencedSeriesSequence", "ReferencedImageEvidenceSequence", "SourceImageEvidenceSequence",
    "DimensionIndexSequence",
})  # fmt: skip


def _with_frame(single: "Dataset", dataset: "Dataset", pixels: bytes) -> bytes:
    import pydicom
    from pydicom.encaps import encapsulate

    try:
        packed = _is_packed(dataset)
        single.PixelData = encapsulate([pixels]) if packed else pixels + b"\0" * (len(pixels) % 2)
        single["PixelData"].VR = "OB" if packed or int(dataset.BitsAllocated) <= 8 else "OW"
        single["PixelData"].is_undefined_length = packed
        buffer = io.BytesIO()
        implicit, little = dataset.original_encoding
        meta = dataset.file_meta.get("TransferSyntaxUID")
        if meta is None:
            pydicom.dcmwrite(buffer, single, implicit_vr=bool(implicit), little_endian=bool(little))
            return buffer.getvalue()
        pydicom.dcmwrite(buffer, single, enforce_file_format=False)
    except dicom_errors():
        raise PictureError(Reason.BROKEN, "DICOM frames") from None
    return buffer.getvalue()
