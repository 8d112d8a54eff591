"""BMP files whose colours lie in bit fields of any width, which Pillow reads in a few widths alone."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode.limits import check_size

_BIT_FIELDS: Final = (3, 6)
_HEADER: Final = 14
_FIRST_LONG: Final = 16
"""Bytes of the first information header whose sides are of 32 bits."""


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the header says; None where it is cut. A negative height turns the rows, a width can't be."""
    if len(data) < _HEADER + 12:
        return None
    if int.from_bytes(data[_HEADER : _HEADER + 4], "little") < _FIRST_LONG:
        return struct.unpack_from("<HH", data, _HEADER + 4)
    width, height = struct.unpack_from("<ii", data, _HEADER + 4)
    return width, abs(height)


def read_bit_fields(data: bytes) -> NDArray[np.uint8]:
    """Decode to H x W x 3. Raises PictureError: FORM_UNSUPPORTED for other forms, BROKEN when pixels are missing."""
    if len(data) < _HEADER + 40:
        raise PictureError(Reason.BROKEN, "BMP")
    (start,) = struct.unpack_from("<I", data, 10)
    size, width, height, _, bits, form = struct.unpack_from("<IiiHHI", data, _HEADER)
    flipped, height = height < 0, abs(height)
    check_size(width, height)
    row = (width * bits + 31) // 32 * 4
    if form in (0, *_BIT_FIELDS) and start + row * height > len(data):
        raise PictureError(Reason.BROKEN, "BMP")
    if size < 40 or form not in _BIT_FIELDS or bits not in (16, 32) or len(data) < _HEADER + 52:
        raise PictureError(Reason.FORM_UNSUPPORTED, "BMP")
    rows = np.frombuffer(data, np.uint8, row * height, start).reshape(height, row)
    values = np.ascontiguousarray(rows[:, : width * bits // 8]).view(f"<u{bits // 8}")
    masks = struct.unpack_from("<3I", data, _HEADER + 40)
    rgb = np.stack([_channel(values, mask) for mask in masks], -1)
    return rgb if flipped else rgb[::-1]


def _channel(values: NDArray[Any], mask: int) -> NDArray[np.uint8]:
    if not mask:
        return np.zeros(values.shape, np.uint8)
    low = (mask & -mask).bit_length() - 1
    most = mask >> low
    return np.asarray(((values.astype(np.uint64) & mask) >> low) * 255 // most, np.uint8)
