"""The size of a WebP picture by its header: Pillow gives memory to the whole canvas before it tells how large it is."""

_LEAST_BYTES = 30
_FOURTEEN_BITS = 0x3FFF


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels (RFC 9649, sections 2.5 to 2.7); None where the header is cut or of no known form."""
    if len(data) < _LEAST_BYTES:
        return None
    form = data[12:16]
    if form == b"VP8X":
        return 1 + _little(data[24:27]), 1 + _little(data[27:30])
    if form == b"VP8L":
        bits = _little(data[21:25])
        return 1 + (bits & _FOURTEEN_BITS), 1 + (bits >> 14 & _FOURTEEN_BITS)
    if form == b"VP8 ":
        return _little(data[26:28]) & _FOURTEEN_BITS, _little(data[28:30]) & _FOURTEEN_BITS
    return None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
