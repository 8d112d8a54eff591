"""TIFF files that keep the three colours of a picture as pages of their own, as ImageJ and OME do.

Fiji and Bio-Formats write one page for each channel, depth and time, and say in words on the first page how these
follow one another. A page that points at the strips of all three is what TIFF itself calls planar colours.
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Final, TypeAlias

from inference.analysis import PictureError, Reason
from inference.decode.limits import DECODER_ERRORS

_MOST_PAGES: Final = 2_000
_MOST_TAGS: Final = 4_096
_MOST_VALUES: Final = 65_536
_MOST_WORDS: Final = 1 << 20
"""Bytes of a description that are read."""
_BITS, _PHOTOMETRIC, _DESCRIPTION, _SAMPLES, _PLANAR, _FORMAT = 258, 262, 270, 277, 284, 339
_ALIKE: Final = (256, 257, _BITS, 259, _SAMPLES, 278, 317, 322, 323, _FORMAT)
"""What planes of one picture share: also sides, compression, rows of a strip, predictor, sides of a tile."""
_PLACES: Final = (273, 279, 324, 325)
"""Where strips and tiles begin, and how long they are."""
_CODES: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_SHORT, _LONG, _LONGER = 3, 4, 16
_RGB, _PLANE_BY_PLANE, _COLOURS = 2, 2, 3

Group: TypeAlias = tuple[int, int, int]
"""The pages, counted from 0, that are a picture's red, green and blue."""
_Page: TypeAlias = Mapping[int, tuple[int, int, int]]
"""Kind, count and place of each tag's values."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a file's numbers lie: byte order, and the struct codes and sizes of TIFF or BigTIFF."""

    order: str
    word: str
    count: str
    entry: int
    header: int

    @property
    def room(self) -> int:
        """Bytes of values that stand in their entry."""
        return struct.calcsize(self.word)


def groups(data: bytes) -> list[Group]:
    """The pictures whose colours are pages of their own, in the order of depth and then time.

    Empty where the file does not say so, or where what it says does not fit its pages.
    """
    try:
        form = _form_of(data)
        first = next(islice(_pages(data, form), 1), None)
        if first is None or not (layout := _layout(_words(data, first))):
            return []
        pages = list(_pages(data, form))
        if prod(size for _, size in layout) != len(pages) or not _are_alike(data, form, pages):
            return []
        return _grouped(layout)
    except DECODER_ERRORS:  # what can't be followed is read as if it said nothing
        return []


def picture(data: bytes, group: Group) -> bytes:
    """The same file with one page alone, behind all else, that holds the colours of ``group`` as planes.

    Raises PictureError (BROKEN).
    """
    try:
        return _joined(data, group)
    except DECODER_ERRORS:
        raise PictureError(Reason.BROKEN, "TIFF") from None


def _joined(data: bytes, group: Group) -> bytes:
    form = _form_of(data)
    pages = list(islice(_pages(data, form), max(group) + 1))
    planes = [pages[number] for number in group]
    page = {tag: values for tag in _ALIKE if (values := _values(data, form, planes[0], tag))}
    page |= {tag: page[tag] * _COLOURS for tag in (_BITS, _FORMAT) if tag in page}
    page |= {_PHOTOMETRIC: (_RGB,), _SAMPLES: (_COLOURS,), _PLANAR: (_PLANE_BY_PLANE,)}
    for tag in _PLACES:
        if tag in planes[0]:
            page[tag] = tuple(value for plane in planes for value in _values(data, form, plane, tag))
    return _with_page(data, form, page)


def _with_page(data: bytes, form: _Form, page: Mapping[int, tuple[int, ...]]) -> bytes:
    whole, entries = bytearray(data + bytes(len(data) % 2)), bytearray()
    for tag, values in sorted(page.items()):
        kind = _SHORT if max(values) <= 0xFFFF else _LONG if form.word == "I" else _LONGER
        value = struct.pack(f"{form.order}{len(values)}{_CODES[kind]}", *values)
        if len(value) > form.room:
            at = len(whole)
            whole += value + bytes(len(value) % 2)
            value = struct.pack(form.order + form.word, at)
        entries += struct.pack(f"{form.order}HH{form.word}", tag, kind, len(values)) + value.ljust(form.room, b"\0")
    struct.pack_into(form.order + form.word, whole, form.header, len(whole))
    return bytes(whole + struct.pack(form.order + form.count, len(page)) + entries + bytes(form.room))


def _layout(words: str) -> list[tuple[str, int]]:
    """The axes channel, depth and time, the fastest first, with their sizes; empty unless it tells of three colours."""
    if words.startswith("ImageJ="):
        said = {name: value.strip() for name, _, value in (line.partition("=") for line in words.splitlines())}
        sizes = {
            axis: int(said.get(name, "1")) for axis, name in zip("CZT", ("channels", "slices", "frames"), strict=True)
        }
        order = "CZT" if said.get("mode") in ("composite", "color") else ""
    elif (found := re.search(r"<Pixels\b[^>]*>", words)) is not None:
        sizes = {axis: int(size) for axis, size in re.findall(r'\bSize([CZT])="(\d{1,6})"', found[0])}
        stored = re.search(r'\bDimensionOrder="XY([CZT]{3})"', found[0])
        order = stored[1] if stored else ""
    else:
        return []
    return [(axis, sizes.get(axis, 1)) for axis in order] if sizes.get("C") == _COLOURS else []


def _grouped(layout: Sequence[tuple[str, int]]) -> list[Group]:
    sizes = dict(layout)
    step = {axis: prod(size for _, size in layout[:place]) for place, (axis, _) in enumerate(layout)}
    firsts = [t * step["T"] + z * step["Z"] for t, z in product(range(sizes["T"]), range(sizes["Z"]))]
    return [(first, first + step["C"], first + 2 * step["C"]) for first in firsts]


def _are_alike(data: bytes, form: _Form, pages: Sequence[_Page]) -> bool:
    """Whether all pages are of one form, which is a plane of grey."""
    forms = {tuple(_values(data, form, page, tag) for tag in _ALIKE) for page in pages}
    return len(forms) == 1 and _values(data, form, pages[0], _SAMPLES) in ((), (1,))


def _form_of(data: bytes) -> _Form:
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    return _Form(order, "Q", "Q", 20, 8) if is_big else _Form(order, "I", "H", 12, 4)


def _pages(data: bytes, form: _Form) -> Iterator[_Page]:
    (at,) = struct.unpack_from(form.order + form.word, data, form.header)
    seen: set[int] = set()
    while at:
        (count,) = struct.unpack_from(form.order + form.count, data, at)
        if at in seen or len(seen) >= _MOST_PAGES or count > _MOST_TAGS:
            raise ValueError("a chain of pages without an end")
        seen.add(at)
        at += struct.calcsize(form.count)
        yield dict(_tag(data, form, at + number * form.entry) for number in range(count))
        (at,) = struct.unpack_from(form.order + form.word, data, at + count * form.entry)


def _tag(data: bytes, form: _Form, at: int) -> tuple[int, tuple[int, int, int]]:
    tag, kind, count = struct.unpack_from(f"{form.order}HH{form.word}", data, at)
    place = at + form.entry - form.room
    if count * struct.calcsize(_CODES.get(kind, "B")) > form.room:
        (place,) = struct.unpack_from(form.order + form.word, data, place)
    return tag, (kind, count, place)


def _values(data: bytes, form: _Form, page: _Page, tag: int) -> tuple[int, ...]:
    kind, count, place = page.get(tag, (_SHORT, 0, 0))
    if count > _MOST_VALUES:
        raise ValueError("values")
    return struct.unpack_from(f"{form.order}{count}{_CODES[kind]}", data, place)


def _words(data: bytes, page: _Page) -> str:
    _, count, place = page.get(_DESCRIPTION, (0, 0, 0))
    return data[place : place + min(count, _MOST_WORDS)].decode("latin-1")
