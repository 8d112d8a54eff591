"""Files of several pictures, one made into a file of its own each: what reads a single one then reads them all.

Nothing of a DICOM frame or a TIFF page is interpreted here, so that windows, bits and colours are read in one place.
"""

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from inference.analysis import PictureError, Reason
from inference.decode import tiff_channels
from inference.decode.dicom_stream import MAY_LACK
from inference.decode.dicom_tags import integer, raw_bytes, text
from inference.decode.limits import DECODER_ERRORS, dicom_errors

if TYPE_CHECKING:
    from pydicom import Dataset

PIXEL_KEYWORDS: Final = ("FloatPixelData", "DoubleFloatPixelData", "PixelData")
_ITEM: Final = b"\xfe\xff\x00\xe0"
_WIDTH, _HEIGHT = 256, 257
_MAX_TIFF_PAGES: Final = 2_000
_TAG_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 8: 2, 9: 4, 16: 8}


def tiff_pages(data: bytes) -> list[Callable[[], bytes]]:
    """Give what makes each page of a TIFF that is as large as the first a TIFF of its own; [] for fewer than two.

    Pages of another size are thumbnails, or the levels of a pyramid. A page is made the only one by pointing the header
    at it and ending the chain there. Three that are the colours of one picture count as one.
    """
    if coloured := tiff_channels.groups(data):
        return [partial(tiff_channels.picture, data, group) for group in coloured] if len(coloured) > 1 else []
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
    return max(1, integer(dataset, "NumberOfFrames") or 1)


class _Native:
    """Frames that lie one after another."""

    def __init__(self, dataset: "Dataset", keyword: str) -> None:
        count = frame_count(dataset)
        self._pixels, _ = raw_bytes(dataset, keyword)
        pixels = (integer(dataset, "Rows") or 0) * (integer(dataset, "Columns") or 0)
        bits = _bits(dataset, keyword) * (integer(dataset, "SamplesPerPixel") or 1) * pixels
        if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422" and 8 * len(self._pixels) < bits * count:
            bits = 16 * pixels  # two pixels share their colour
        missing = (bits * count + 7) // 8 - len(self._pixels)
        if missing > MAY_LACK:
            raise PictureError(Reason.FRAMES_MISSING)
        if not bits or bits % 8:  # a mask of single bits whose frames don't end with a byte
            raise PictureError(Reason.DICOM_UNSUPPORTED, "bits")
        self._size = bits // 8
        self._pixels += bytes(max(0, missing))

    def __call__(self, index: int) -> bytes:
        return self._pixels[index * self._size : (index + 1) * self._size]


def _bits(dataset: "Dataset", keyword: str) -> int:
    if keyword != PIXEL_KEYWORDS[-1]:
        return 32 if keyword == PIXEL_KEYWORDS[0] else 64
    return integer(dataset, "BitsAllocated") or (8 if 0 < (integer(dataset, "BitsStored") or 16) <= 8 else 16)


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
    keyword = _pixel_keyword(dataset)
    try:
        return _Encapsulated(dataset) if _is_packed(dataset) else _Native(dataset, keyword)
    except PictureError:
        raise
    except dicom_errors():
        raise PictureError(Reason.BROKEN, "DICOM frames") from None


def _pixel_keyword(dataset: "Dataset") -> str:
    found = next((keyword for keyword in PIXEL_KEYWORDS if keyword in dataset), None)
    if found is None:  # a file that ends within its frames
        raise PictureError(Reason.FRAMES_MISSING)
    return found


def _is_packed(dataset: "Dataset") -> bool:
    """Whether frames lie in fragments: seen, because transfer syntaxes are often wrong, or newer than the library."""
    return "PixelData" in dataset and raw_bytes(dataset, "PixelData")[0].startswith(_ITEM)


def _without_pixels(dataset: "Dataset") -> "Dataset":
    from pydicom.datadict import keyword_for_tag
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, JPEG2000Lossless

    single = Dataset()
    for tag in dataset.keys():  # noqa: SIM118 - going through the elements would decode each, and refuse odd ones
        # References: deep copies of a thousand per-frame items take seconds.
        if tag.group < _PIXELS_AND_OVERLAYS and keyword_for_tag(tag) not in _LEFT_OUT:
            single[tag] = dataset.get_item(tag)
    single.NumberOfFrames = 1
    meta = FileMetaDataset(dataset.file_meta)
    if _is_packed(dataset) and not UID(str(meta.get("TransferSyntaxUID") or "")).is_transfer_syntax:
        meta.TransferSyntaxUID = JPEG2000Lossless  # one that can be written; frames are known by their own first bytes
    single.file_meta = meta
    return single


_PIXELS_AND_OVERLAYS: Final = 0x5000
_LEFT_OUT: Final = frozenset({
    "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "NumberOfFrames", "IconImageSequence",
    "ReferencedSeriesSequence", "ReferencedImageEvidenceSequence", "SourceImageEvidenceSequence",
    "DimensionIndexSequence",
})  # fmt: skip


def _with_frame(single: "Dataset", dataset: "Dataset", pixels: bytes) -> bytes:
    import pydicom
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import DataElement
    from pydicom.encaps import encapsulate

    try:
        packed, keyword = _is_packed(dataset), _pixel_keyword(dataset)
        value = encapsulate([pixels]) if packed else pixels + b"\0" * (len(pixels) % 2)
        kind = "OB" if packed or _bits(dataset, keyword) <= 8 else "OW"
        kind = {"FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}.get(keyword, kind)
        single[keyword] = DataElement(tag_for_keyword(keyword) or 0, kind, value)
        single[keyword].is_undefined_length = packed
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
