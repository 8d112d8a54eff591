"""Volumes whose header and voxels lie in two files of one archive, made into the one file that ``volumes`` reads."""

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Final

from inference.analysis import PictureError, Reason
from inference.study.archives import Member, gunzip
from inference.study.limits import MAX_UNPACKED, Budget

_HEADER: Final = 348
"""Bytes of a header of NIfTI-1 and of Analyze 7.5, from which it comes."""
_OFFSET, _REGULAR, _HISTORY, _MAGIC = 108, 38, 252, 344
"""Where the first voxel is said to lie, what Analyze is known by, what NIfTI has put to another use, its name."""
_ALONE, _PAIR = b"n+1\0", b"ni1\0"
_GZIP: Final = b"\x1f\x8b\x08"
_META_FILE: Final = re.compile(rb"(?im)^[ \t]*ElementDataFile[ \t]*=([^\r\n]*)")
_NRRD_GZIP: Final = re.compile(rb"(?im)^encoding:[ \t]*(gzip|gz)[ \t\r]*$")
_NRRD_FILE: Final = re.compile(rb"(?im)^data ?file:([^\r\n]*)[\r\n]*")
# Each takes a line once: white space that may end in two places is gone through again for each of its bytes.


class Pairs:
    """The files of one archive or folder by their names, and which of them hold another one's voxels."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = {path.casefold(): member for path, member in members.items()}
        self._taken: set[str] = set()

    def is_taken(self, path: str) -> bool:
        """Whether the file was joined to its header already."""
        return path.casefold() in self._taken

    def join(self, header: Member, head: bytes, budget: Budget) -> Callable[[], bytes] | None:
        """What makes one file of a header, which begins with ``head``, and its voxels; None where it has none here.

        What is packed counts in ``budget`` when it is called. It then raises PictureError.
        """
        wanted = _name_of_voxels(header.path, head)
        if wanted is None:
            return None
        for name in (wanted.casefold(), f"{wanted}.gz".casefold()):
            if (voxels := self._members.get(name)) is not None and voxels is not header:
                self._taken.add(name)
                return lambda: _read_and_joined(header, voxels, budget)
        return None


def _name_of_voxels(path: str, head: bytes) -> str | None:
    """The path of the file that holds the voxels for a header; None for all else."""
    folder, _, name = path.rpartition("/")
    folder = f"{folder}/" if folder else ""
    if head.startswith(_GZIP):
        if not re.search(r"(?i)\.hdr\.gz$", name):  # else all that is packed would be looked into twice
            return None
        try:
            head = gunzip(head, _HEADER)
        except PictureError:
            return None
    if _order_of_analyze(head) is not None:
        return f"{folder}{re.sub(r'(?i)[.]hdr([.]gz)?$', '', name)}.img"
    found = _NRRD_FILE.search(head) if head.startswith(b"NRRD000") else None
    if found is None and b"ObjectType" in head[:256]:
        found = _META_FILE.search(head)
    said = found[1].decode("latin-1").strip().replace("\\", "/").rpartition("/")[2] if found else ""
    return None if said.upper() in ("", "LOCAL", "LIST") else folder + said


def _read_and_joined(header: Member, voxels: Member, budget: Budget) -> bytes:
    head, body = header.read(header.size), voxels.read(voxels.size)
    return _joined(_plain(head, budget), _plain(body, budget), is_unpacked=body.startswith(_GZIP))


def _plain(data: bytes, budget: Budget) -> bytes:
    return gunzip(data, MAX_UNPACKED, budget) if data.startswith(_GZIP) else data


def _joined(head: bytes, body: bytes, *, is_unpacked: bool) -> bytes:
    if (order := _order_of_analyze(head)) is not None:
        return _as_nifti(head, body, order)
    if head.startswith(b"NRRD000"):
        alone = _NRRD_FILE.sub(b"", head.replace(b"\r\n", b"\n"), count=1)
        if is_unpacked:  # here already, which the header can't know
            alone = _NRRD_GZIP.sub(b"encoding: raw", alone, count=1)
        return alone.strip() + b"\n\n" + body
    if (found := _META_FILE.search(head)) is not None:
        return head[: found.start(1)] + b" LOCAL\n" + body
    raise PictureError(Reason.VOLUME_UNSUPPORTED, "two files")


def _order_of_analyze(head: bytes) -> str | None:
    """The byte order of a header of NIfTI-1 or Analyze that has its voxels elsewhere; None when it is none."""
    if len(head) < _HEADER:
        return None
    order = next((order for order in "<>" if struct.unpack_from(order + "i", head)[0] == _HEADER), None)
    is_analyze = not head[_MAGIC:].startswith((b"n+", b"ni")) and head[_REGULAR : _REGULAR + 1] == b"r"
    return order if head[_MAGIC:_HEADER] == _PAIR or is_analyze else None


def _as_nifti(head: bytes, body: bytes, order: str) -> bytes:
    """One file of NIfTI-1. Analyze knows no directions; which side is which it has never told for sure."""
    made = bytearray(head[:_HEADER])
    (start,) = struct.unpack_from(order + "f", head, _OFFSET)
    skipped = int(start) if math.isfinite(start) and 0 < start < len(body) else 0
    if head[_MAGIC:_HEADER] != _PAIR:
        made[_HISTORY:] = bytes(_HEADER - _HISTORY)
    made[_MAGIC:] = _ALONE
    struct.pack_into(order + "f", made, _OFFSET, _HEADER + 4)
    return bytes(made) + bytes(4) + body[skipped:]
