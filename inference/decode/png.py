"""PNG beside what Pillow reads: sound pixels among notes, profiles or frames of an animation that are not."""

import struct
import zlib
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_NEEDED: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_CHUNKS: Final = 100_000


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
