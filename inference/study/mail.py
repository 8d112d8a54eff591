"""Mails and pages that a browser saved in one file: what lies in them beside their text. Nothing is fetched."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message
from typing import Final

from inference.analysis import PictureError, Reason

_MOST_HEADER: Final = 64 << 10
"""Bytes within which the header of a mail ends: the stations of its way and their signatures take some ten thousand."""
_FIELD: Final = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,40}:")
_SEVERAL: Final = re.compile(rb"(?i)\ncontent-type:[ \t\r\n]{0,80}multipart/")
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_MULTIPART: Final = re.compile(rb"(?i)multipart/")
_MOST_MULTIPARTS: Final = 50
"""Parts that hold parts: each line is held against the borders of all that it lies in. A mail has three or four."""
_MOST_LINES: Final = 600_000
"""Twice as many as a file of the largest size has in Base64."""
_MOST_PARAMETERS: Final = 2_000
"""Characters of a field that may hold a name: the library goes through the rest of it for each of its parameters."""
_FAULTS: Final = (ValueError, LookupError, RuntimeError, TypeError, AttributeError)
"""What the library raises over headers that are none; RuntimeError where parts lie in one another without end."""


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as a mail of several parts (RFC 5322, 2045), or as a page saved with its pictures."""
    if not _FIELD.match(data):
        return False
    header = _BLANK_LINE.split(data[:_MOST_HEADER], maxsplit=1)[0]
    return b"\0" not in header and _SEVERAL.search(b"\n" + header) is not None


def parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give (name or "", file) of each part that is no text. Raises PictureError (ARCHIVE_BROKEN, ARCHIVE_TOO_MANY)."""
    if data.count(b"\n") > _MOST_LINES or len(_MULTIPART.findall(data)) > _MOST_MULTIPARTS:
        raise PictureError(Reason.ARCHIVE_TOO_MANY, "a mail")
    try:
        for part in message_from_bytes(data, policy=policy.compat32).walk():
            if not part.is_multipart() and part.get_content_maintype() != "text":
                yield _name(part), bytes(part.get_payload(decode=True) or b"")
    except _FAULTS:
        raise PictureError(Reason.ARCHIVE_BROKEN, "a mail") from None


def _name(part: Message) -> str:
    if any(len(str(part.get(field, ""))) > _MOST_PARAMETERS for field in ("Content-Type", "Content-Disposition")):
        return ""
    return (part.get_filename() or "").replace("\\", "/").rpartition("/")[2]
