"""TIFF beside what Pillow reads rightly: deep, signed, float, planar, BigTIFF, rare compressions; the largest page."""

import io
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode.bit_depth import by_bits_used, stretch
from inference.decode.isolation import run_isolated
from inference.decode.limits import DECODER_ERRORS, MAX_PIXELS, check_size

_MOST_PAGES: Final = 512
_MOST_VALUES: Final = 65536
_SIZES: Final = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_ORIENTATION, _PALETTE = 274, 320
_DEEP: Final = 256
_SAME_SHAPE: Final = 0.02
"""Share by which the sides of a pyramid's levels may differ in their ratio."""
_STRIPS, _STRIP_BYTES, _SAMPLES, _TILES, _TILE_BYTES, _FORMAT, _DNG = 273, 279, 277, 324, 325, 339, 50706
_RAW_COLOURS: Final = (32803, 34892)
_PLAIN_COMPRESSIONS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946)
_WHITE_IS_ZERO, _RGB, _PALETTE_COLOURS, _INKS = 0, 2, 3, 5


@dataclass(frozen=True, slots=True)
class Directory:
    """What a page's directory says."""

    index: int
    width: int
    height: int
    tags: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int = 0) -> int:
        """The first value of a tag."""
        return next(iter(self.tags.get(tag, ())), default)

    @property
    def orientation(self) -> int:
        """How it is to be turned, 1 to 8 as in EXIF."""
        return self.first(_ORIENTATION, 1)

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads it rightly: eight bits or fewer, unsigned, an old compression, a palette of sixteen."""
        shallow = max(self.tags.get(_BITS, (1,)), default=1) <= 8
        unsigned = all(form in (1, 4) for form in self.tags.get(_FORMAT, ()))
        deep_palette = max(self.tags.get(_PALETTE, (_DEEP,))) >= _DEEP  # old programs fill it with eight bits
        return shallow and unsigned and deep_palette and self.first(_COMPRESSION, 1) in _PLAIN_COMPRESSIONS

    @property
    def is_raw(self) -> bool:
        """Whether it holds what a camera's sensor saw, before any development."""
        return _DNG in self.tags or self.first(_PHOTOMETRIC) in _RAW_COLOURS

    @property
    def is_of_inks(self) -> bool:
        """Whether its colours are those of a print, which need more than a table to become light."""
        return self.first(_PHOTOMETRIC) == _INKS

    def is_level_of(self, whole: "Directory") -> bool:
        """Whether it is ``whole`` made smaller, as far as the ratio of its sides tells."""
        return abs(self.width * whole.height - self.height * whole.width) <= _SAME_SHAPE * self.width * whole.height

    def is_within(self, size: int) -> bool:
        """Whether all its strips or tiles lie within a file of ``size`` bytes."""
        starts = self.tags.get(_STRIPS) or self.tags.get(_TILES) or ()
        lengths = self.tags.get(_STRIP_BYTES) or self.tags.get(_TILE_BYTES) or ()
        return bool(starts) and all(start + length <= size for start, length in zip(starts, lengths, strict=False))


def largest_page(data: bytes) -> Directory:
    """The page with the most pixels: the first may be a thumbnail. Raises PictureError.

    Of a pyramid whose finest level has too many it is the finest that has not: what is shown is smaller still.
    """
    try:
        pages = _pages(data)
    except DECODER_ERRORS:
        raise PictureError(Reason.BROKEN, "TIFF") from None
    if not pages:
        raise PictureError(Reason.BROKEN, "TIFF")
    best = max(pages, key=lambda page: (page.width * page.height, -page.index))
    if any(page.is_raw for page in pages) or (best.index == 0 and best.first(_SUBFILE) & 1):
        raise PictureError(Reason.RAW_PHOTO, "TIFF")
    if best.width * best.height > MAX_PIXELS:
        levels = [page for page in pages if page.width * page.height <= MAX_PIXELS and page.is_level_of(best)]
        return max(levels, key=lambda page: page.width, default=best)
    return best


def read_odd(data: bytes, page: Directory) -> NDArray[np.uint8]:
    """Decode a page that Pillow can't to H x W or H x W x 3, not turned yet, in a process of its own.

    Raises PictureError.
    """
    check_size(page.width, page.height)
    if not page.is_within(len(data)):
        raise PictureError(Reason.BROKEN, "TIFF")
    try:
        values = run_isolated(lambda: _values(data, page.index))
        return _shown(values, page)
    except DECODER_ERRORS:
        raise PictureError(Reason.FORM_UNSUPPORTED, "TIFF") from None


def _values(data: bytes, index: int) -> NDArray[Any]:
    """H x W or H x W x samples."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[index]
        check_size(page.imagewidth, page.imagelength)
        values = page.asarray()
        axes = page.axes
        if "S" in axes:
            values = np.moveaxis(values, axes.index("S"), -1)
            axes = axes.replace("S", "") + "S"
        if page.photometric == _PALETTE_COLOURS and page.colormap is not None:
            return np.asarray(np.moveaxis(page.colormap, 0, -1)[values])
        while axes[0] not in "YX":
            values, axes = values[0], axes[1:]
        return np.asarray(values)


def _shown(values: NDArray[Any], page: Directory) -> NDArray[np.uint8]:
    colour = page.first(_PHOTOMETRIC)
    if values.ndim == 3 and (values.shape[2] < 3 or colour == _INKS):
        if colour == _INKS:
            raise PictureError(Reason.FORM_UNSUPPORTED, "TIFF")
        values = values[..., 0]
    if values.ndim == 2:
        if values.dtype == np.uint8:
            grey = np.asarray(values)
        elif values.dtype == np.bool_:
            grey = np.asarray(values * np.uint8(255))
        else:
            return stretch(values.astype(np.float32), inverted=colour == _WHITE_IS_ZERO)
        return 255 - grey if colour == _WHITE_IS_ZERO else grey
    return by_bits_used(values[..., :3])


def _pages(data: bytes) -> list[Directory]:
    """The directories in a file, in their order; a chain that runs in a circle ends."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    word, entry, count_code, count_size = ("Q", 20, "Q", 8) if big else ("I", 12, "H", 2)
    (at,) = struct.unpack_from(f"{order}{word}", data, 8 if big else 4)
    seen: set[int] = set()
    pages: list[Directory] = []
    while at and at not in seen and len(pages) < _MOST_PAGES:
        seen.add(at)
        if at + count_size > len(data):
            break
        (count,) = struct.unpack_from(f"{order}{count_code}", data, at)
        at += count_size
        if count > 4096 or at + count * entry > len(data):
            break
        tags = {}
        for i in range(count):
            tag, values = _entry(data, at + i * entry, order, big=big)
            if values:
                tags[tag] = values
        width, height = (next(iter(tags.get(tag, ())), 0) for tag in (_WIDTH, _HEIGHT))
        pages.append(Directory(len(pages), width, height, tags))
        end = at + count * entry
        at = struct.unpack_from(f"{order}{word}", data, end)[0] if end + struct.calcsize(word) <= len(data) else 0
    return pages


def _entry(data: bytes, at: int, order: str, *, big: bool) -> tuple[int, tuple[int, ...]]:
    """One tag and its whole numbers; none for other kinds of values."""
    tag, kind = struct.unpack_from(f"{order}HH", data, at)
    (count,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, at + 4)
    if kind not in _CODES or count > _MOST_VALUES:
        return tag, ()
    place, room = (at + 12, 8) if big else (at + 8, 4)
    if count * _SIZES[kind] > room:
        (place,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, place)
    if place + count * _SIZES[kind] > len(data):
        return tag, ()
    return tag, struct.unpack_from(f"{order}{count}{_CODES[kind]}", data, place)
