"""PBM, PGM, PPM and PAM (netpbm.sourceforge.net/doc), of one or two bytes a sample, in text or in binary.

Pillow reads no PAM, and goes through deep colours and text number by number in Python.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode.bit_depth import by_bits_used, stretch, to_levels
from inference.decode.limits import check_size

_MOST_HEADER: Final = 64 << 10
"""Bytes within which a header ends, with its comments."""
_BLANK: Final = rb"(?:[ \t\r\n\v\f]|#[^\r\n]*[\r\n])"
_START: Final = re.compile(rb"P(?:[1-6]" + _BLANK + rb"+[0-9]|7\r?\n)")
_NUMBER: Final = re.compile(_BLANK + rb"*([0-9]{1,10})")
_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_END: Final = re.compile(rb"(?m)^ENDHDR[ \t]*\r?\n")
_WHITE_SPACE: Final = b" \t\r\n\v\f"
_BITS_IN_TEXT, _BITS = 1, 4
_COLOURS: Final = (3, 6)
_LAST_IN_TEXT: Final = 3
_MOST_SAMPLES: Final = 4
_DEEPEST: Final = 65_535


@dataclass(frozen=True, slots=True)
class _Header:
    form: int
    """The number behind the P: 1 to 3 are text."""
    width: int
    height: int
    samples: int
    most: int
    """The value that is white."""
    end: int
    """Where the first sample lies."""


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as a header does; a text may begin with "P5", too."""
    return _START.match(data[:_MOST_HEADER]) is not None


def read(data: bytes) -> NDArray[np.uint8]:
    """Decode the first picture of a file to H x W, or H x W x 2 (grey, alpha), 3, or 4 (red, green, blue, alpha).

    Raises PictureError: BROKEN, TOO_SMALL, TOO_MANY_PIXELS, FORM_UNSUPPORTED for other numbers of samples.
    """
    try:
        header = _header_of_pam(data) if data[1:2] == b"7" else _header(data)
    except (ValueError, LookupError):
        raise PictureError(Reason.BROKEN, "netpbm header") from None
    check_size(header.width, header.height)
    if not 1 <= header.samples <= _MOST_SAMPLES:
        raise PictureError(Reason.FORM_UNSUPPORTED, "samples")
    if not 1 <= header.most <= _DEEPEST:
        raise PictureError(Reason.BROKEN, "netpbm header")
    if header.form in (_BITS_IN_TEXT, _BITS):
        return np.asarray((1 - _bits(data, header)) * np.uint8(255))  # a one is ink
    shape = (header.height, header.width, header.samples)[: 2 if header.samples == 1 else 3]
    count = header.width * header.height * header.samples
    values = _in_text(data, header, count) if header.form <= _LAST_IN_TEXT else _in_binary(data, header, count)
    return _levels(values.reshape(shape), header.most)


def _header(data: bytes) -> _Header:
    form, at = int(data[1:2]), 2
    numbers = []
    for _ in range(2 if form in (_BITS_IN_TEXT, _BITS) else 3):
        found = _NUMBER.match(data, at, at + _MOST_HEADER)
        if found is None:
            raise ValueError("a number")
        numbers.append(int(found[1]))
        at = found.end()
    width, height, most = (*numbers, 1)[:3]
    return _Header(form, width, height, 3 if form in _COLOURS else 1, most, at + 1)


def _header_of_pam(data: bytes) -> _Header:
    found = _END.search(data, 0, _MOST_HEADER)
    if found is None:
        raise ValueError("no end")
    lines = (line.split(None, 1) for line in data[: found.start()].splitlines()[1:] if not line.startswith(b"#"))
    said = {words[0]: words[1] for words in lines if len(words) == 2}
    width, height, depth, most = (int(said[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    return _Header(7, width, height, depth, most, found.end())


def _bits(data: bytes, header: _Header) -> NDArray[np.uint8]:
    if header.form == _BITS:
        row = (header.width + 7) // 8
        rows = _taken(data, header, row * header.height, np.dtype(np.uint8)).reshape(header.height, row)
        bits: NDArray[np.uint8] = np.unpackbits(rows, axis=1, count=header.width)
        return bits
    told = np.frombuffer(_COMMENT.sub(b"", data[header.end :]), np.uint8)
    bits = told[(told == ord("0")) | (told == ord("1"))][: header.width * header.height] - np.uint8(ord("0"))
    if bits.size < header.width * header.height:
        raise PictureError(Reason.BROKEN, "netpbm")
    return np.asarray(bits.reshape(header.height, header.width))


def _in_text(data: bytes, header: _Header, count: int) -> NDArray[np.uint16]:
    text = _COMMENT.sub(b"", data[header.end :])
    if 2 * count - 1 > len(text) or text.translate(None, b"0123456789" + _WHITE_SPACE):
        raise PictureError(Reason.BROKEN, "netpbm")
    values = np.fromstring(text.decode("ascii"), np.int64, sep=" ")[:count]  # where it is to count, it fills up itself
    if values.size < count or values.max() > header.most:
        raise PictureError(Reason.BROKEN, "netpbm")
    return values.astype(np.uint16)


def _in_binary(data: bytes, header: _Header, count: int) -> NDArray[Any]:
    return _taken(data, header, count, np.dtype(np.uint8 if header.most < 256 else ">u2"))


def _taken(data: bytes, header: _Header, count: int, kind: np.dtype[Any]) -> NDArray[Any]:
    if header.end + count * kind.itemsize > len(data):
        raise PictureError(Reason.BROKEN, "netpbm")
    return np.frombuffer(data, kind, count, header.end)


def _levels(values: NDArray[Any], most: int) -> NDArray[np.uint8]:
    """Samples of eight bits and fewer by what is said to be white; of more by what they use."""
    if most < 256:
        table = to_levels(np.arange(256) / most)
        return values if most == 255 and values.dtype == np.uint8 else table[values]
    if values.ndim == 2:
        return stretch(values.astype(np.float32))
    if values.shape[2] == 3:
        return by_bits_used(values)
    shown = values[..., :-1]
    return np.dstack([by_bits_used(shown), to_levels(values[..., -1] / most)])
