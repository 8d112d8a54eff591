"""How a DICOM file begins; without what decodes one, so that the bot's own process can ask, too."""

from typing import Final

PREAMBLE: Final = 128
"""Bytes before the signature "DICM" (PS3.10, 7.1)."""
_FIRST_GROUPS: Final = (b"\x02\x00", b"\x08\x00")
_FIRST_GROUP_BIG_ENDIAN: Final = b"\x00\x08\x00"
_FIRST_VRS: Final = (b"UL", b"UI", b"CS", b"OB", b"SH", b"DA", b"TM", b"LO")


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as DICOM does, with its preamble or (older archives) without."""
    if data[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return True
    if data.startswith(_FIRST_GROUP_BIG_ENDIAN) and data[4:6] in _FIRST_VRS:
        return True
    if data[:2] not in _FIRST_GROUPS or data[3:4] != b"\0":
        return False
    # Explicit: a value representation and a length; implicit: a length alone, short and even in these first groups.
    length = int.from_bytes(data[4:8], "little")
    return data[4:6] in _FIRST_VRS or (len(data) > 64 and length <= 64 and length % 2 == 0)
