"""PNG beside what Pillow reads: sound pixels among notes, profiles or frames of an animation that are not."""

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.decode.bit_depth import by_bits_used

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_NEEDED: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_CHUNKS: Final = 100_000


def is_deep_colour(data: bytes) -> bool:
    """Whether it holds 16 bits for each of several channels, of which Pillow keeps the upper eight."""
    return data[24:26] in (b"\x10\2", b"\x10\4", b"\x10\6")


def deep_colours(data: bytes) -> NDArray[np.uint8]:
    """Decode such a file to H x W x 2 (grey and alpha), 3 or 4, by the bits that its colours use.

    Raises what the decoder raises; how large the picture is must have been looked at before.
    """
    import imagecodecs

    values = np.asarray(imagecodecs.png_decode(data))
    if values.shape[2] == 3:
        return by_bits_used(values)
    return np.dstack([by_bits_used(values[..., :-1]), (values[..., -1] >> 8).astype(np.uint8)])


def pixels_alone(data: bytes) -> bytes | None:
    """The same picture without the chunks that pixels don't need; None when there is nothing to leave out.

    A damaged one among those that are needed ends it: what it holds can't be known.
    """
    kept = [SIGNATURE]
    at, was_left_out = len(SIGNATURE), False
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            break
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + length
        if name in _NEEDED:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                return None
            kept.append(data[at:end])
        else:
            was_left_out = True
        at = end
    return b"".join(kept) if was_left_out else None
