"""The seal of a report: a code for its paper, and a MAC over every byte of its file, with the operator's key.

The code (``7K2M-...``) says on which day the scan was made and which one it is, and is authenticated by itself, so that
nothing needs to be looked up. The MAC (HMAC-SHA256, RFC 2104) stands in the second half of the trailer's /ID, as hex
digits of a fixed number; while it is computed zeros stand there. Everything else of the file is covered, so a changed,
missing or added byte is noticed, whoever made it.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

MARK = b"TumorScan-report"
"""In the second line and in the metadata of each report, followed by its code where it has one."""
_DIGITS = 64
EMPTY_SEAL = b"0" * _DIGITS
"""Where the MAC goes: an unsealed report has zeros there."""
_SEAL = re.compile(
    rb"\[<[0-9A-F]{32}><([0-9A-F]{64})>\]\n/Info [0-9]{1,9} 0 R\n/Root [0-9]{1,9} 0 R\n/Size [0-9]{1,9}\n>>\n"
    rb"startxref\n[0-9]{1,12}\n%%EOF\n"
)
_MOST_SEALS = 16
"""Looked at in one file, so that a file made of seals costs no more than that."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 after Crockford: what is read as I, L or O is meant as 1, 1 and 0."""
_LENGTH = 16
_FIRST_DAY = date(2020, 1, 1)
_CODE = rb"([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})"
EXAMPLE = "05MQ-7N2D-8KJC-4W0R"
"""What a code looks like; none of any report."""
_IN_FILE = re.compile(MARK + rb" " + _CODE)
_ID_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class State(StrEnum):
    """What a file is found to be."""

    UNALTERED = "unaltered"
    ADDED = "added"
    """A sealed report of ours that something was appended to."""
    CUT = "cut"
    """It does not end as a report does."""
    CHANGED = "changed"
    """Its code is one of ours, its bytes are not."""
    FOREIGN = "foreign"
    """Its code was not made with any of our keys."""
    UNSEALED = "unsealed"
    """It never had a seal."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found, and the day (UTC) of the scan where that is certain."""

    state: State
    day: date | None = None


def is_report(data: bytes) -> bool:
    """Whether a file says that it is a report of this program, of any bot and in whatever state."""
    return data.startswith(b"%PDF-") and MARK in data[:256]


class Sealer:
    """Seals with the first of its keys and knows what any of them has sealed; without keys it seals nothing."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def code(self, public_id: str, day: date) -> str | None:
        """The code of a scan's report, such as ``05MQ-7N2D-8KJC-4W0R``; None without a key."""
        if not self._keys:
            return None
        said = _packed(public_id, day)
        return _shown(said + _short(self._keys[0], said))

    def day_of(self, typed: str) -> date | None:
        """The day that a code tells, however it is typed; None for one that was made with none of the keys."""
        code = _read(typed)
        if code is None:
            return None
        said, mac = code[:6], code[6:]
        known = [hmac.compare_digest(_short(key, said), mac) for key in self._keys]
        return _FIRST_DAY + timedelta(days=int.from_bytes(said[:2])) if any(known) else None

    def seal(self, report: bytes) -> bytes:
        """The report with its MAC in place; the same one without a key. Raises ValueError for what is no report."""
        if not self._keys:
            return report
        places = list(_SEAL.finditer(report))
        if not places or places[-1].end() != len(report):
            raise ValueError("the trailer has no room for a seal")
        start, end = places[-1].span(1)
        return report[:start] + _mac(self._keys[0], report, start, end) + report[end:]

    def check(self, file: bytes) -> Check:
        """What a file that says it is a report is found to be."""
        told = _IN_FILE.search(file[:256])
        day = self.day_of(told[1].decode()) if told else None
        places = []
        for place in _SEAL.finditer(file):
            places.append(place)
            if len(places) == _MOST_SEALS:
                break
        for place in places:
            if self._is_sealed(file[: place.end()], *place.span(1)):
                whole = place.end() == len(file)
                return Check(State.UNALTERED if whole else State.ADDED, day)
        if told is None and MARK + b"\n" in file[:256]:
            return Check(State.UNSEALED)
        if day is None:
            return Check(State.FOREIGN)
        return Check(State.CHANGED if file.rstrip().endswith(b"%%EOF") else State.CUT)

    def _is_sealed(self, file: bytes, start: int, end: int) -> bool:
        found = file[start:end]
        return any(hmac.compare_digest(_mac(key, file, start, end), found) for key in self._keys)


def _mac(key: bytes, file: bytes, start: int, end: int) -> bytes:
    computed = hmac.new(key, b"TumorScan file\0", hashlib.sha256)
    for part in (memoryview(file)[:start], EMPTY_SEAL, memoryview(file)[end:]):
        computed.update(part)
    return computed.hexdigest().upper().encode()


def _short(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, b"TumorScan code\0" + said, "sha256")[:4]


def _packed(public_id: str, day: date) -> bytes:
    """Two bytes of day and four of the scan's id."""
    number = 0
    for sign in public_id.replace("-", ""):
        number = number * len(_ID_DIGITS) + _ID_DIGITS.index(sign)
    return min(max((day - _FIRST_DAY).days, 0), 0xFFFF).to_bytes(2) + number.to_bytes(4)


def _shown(data: bytes) -> str:
    number, signs = int.from_bytes(data), ""
    for _ in range(_LENGTH):
        number, sign = divmod(number, len(_ALPHABET))
        signs = _ALPHABET[sign] + signs
    return "-".join(signs[at : at + 4] for at in range(0, _LENGTH, 4))


def _read(typed: str) -> bytes | None:
    signs = re.sub(r"[\s_\-\u2010-\u2015]", "", typed[:64]).upper().translate(str.maketrans("ILO", "110"))
    if len(signs) != _LENGTH or any(sign not in _ALPHABET for sign in signs):
        return None
    number = 0
    for sign in signs:
        number = number * len(_ALPHABET) + _ALPHABET.index(sign)
    return number.to_bytes(_LENGTH * 5 // 8)
