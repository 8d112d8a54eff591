"""ZIP, TAR, gzip, office files, mails: what is in them, bounded before it is unpacked. Nothing touches a disk."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

try:
    from lzma import LZMAError
except ImportError:  # a Python built without it, whose library then knows no such ZIP

    class LZMAError(Exception):  # type: ignore[no-redef]
        """Never raised."""


from inference.analysis import PictureError, Reason
from inference.decode.signatures import way_out
from inference.study import mail
from inference.study.limits import MAX_ENTRIES, MAX_UNPACKED, Budget, is_bomb

_END_OF_DIRECTORY: Final = b"PK\5\6"
_END_SIZE: Final = 22
_LONG_LOCATOR, _LONG_END = b"PK\6\7", b"PK\6\6"
_LONG_SIZE: Final = 20 + 56
"""Bytes of the record of a large ZIP's directory, and of what tells where that is: the library looks right before the
end for both, and believes them rather than what the end states."""
_MAX_COMMENT: Final = 0xFFFF
_MAX_DIRECTORY: Final = 400 * MAX_ENTRIES
"""Bytes of a ZIP's directory: the library reads all of it, whatever number of entries the file states."""
_OFFICE_PICTURES: Final = (b"word/media/", b"ppt/media/", b"xl/media/", b"Pictures/")
_LINK, _KIND = 0o120000, 0o170000
_LOCKED: Final = 1
_STEP: Final = 1 << 20
_ZIP_FAULTS: Final = (
    zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError, ValueError, LookupError,
    struct.error, zlib.error, LZMAError,
)  # fmt: skip
_PIECE: Final = 16 << 10
"""Bytes that are unpacked in one go: what follows a stream is copied at its end, and there may be many streams."""
_MOST_HEADER: Final = 64 << 10
"""Bytes of what stands before an entry of a TAR: a long name, or attributes. Programs write some hundreds."""
_BEFORE_AN_ENTRY: Final = b"xgLKX"
_TAR_FAULTS: Final = (tarfile.TarError, OSError, EOFError, ValueError, LookupError, OverflowError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    path: str
    """As the archive names it, with forward slashes; personal, so never shown and never logged."""
    size: int
    """Bytes, at most."""
    read: Callable[[int], bytes]
    """The first so many bytes of it. Raises PictureError: ARCHIVE_BROKEN, or ARCHIVE_FILE (a rare packing)."""


def kind_of(data: bytes) -> str | None:
    """Name the archive that these bytes begin as: "zip", "office", "tar", "gzip" or "mail"; None for anything else.

    An office file is a ZIP too: one of pictures only where these lie in the folder that it has for them.
    """
    if data.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\10")):
        if way_out(data) is not Reason.OFFICE_FILE:
            return "zip"
        return "office" if any(folder in data for folder in _OFFICE_PICTURES) else None
    if data.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if data[257:262] == b"ustar":
        return "tar"
    return "mail" if mail.looks_like(data) else None


def entries(data: bytes, kind: str, budget: Budget) -> Iterator[Member]:
    """Give the files of a ZIP or TAR, folders left out, the pictures of an office file, or what lies in a mail.

    Raises PictureError before anything is unpacked: too many files, too many bytes, a suspicious ratio, a password,
    names that lead out of the archive, links, or the same name twice.
    """
    if kind == "mail":
        yield from _mail(data, budget)
    elif kind == "tar":
        yield from _tar(data, budget)
    else:
        yield from (entry for entry in _zip(data, budget) if kind == "zip" or _is_office_picture(entry.path))


def _is_office_picture(path: str) -> bool:
    return path.encode("utf-8", "replace").startswith(_OFFICE_PICTURES)


def _mail(data: bytes, budget: Budget) -> list[Member]:
    listed = []
    for number, (name, file) in enumerate(mail.parts(data)):
        budget.take(len(file))
        # One folder for all, and the order in which they lie there: names may be missing, or the same twice.
        listed.append(Member(f"{number:04} {name}", len(file), partial(_from_tar, file, 0, len(file))))
    if not listed:
        raise PictureError(Reason.MAIL_FILE, "a mail without files")
    return listed


def _zip(data: bytes, budget: Budget) -> list[Member]:
    _check_directory(data)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        found = archive.infolist()
    except _ZIP_FAULTS:
        raise PictureError(Reason.ARCHIVE_BROKEN) from None
    names = _Names()
    listed = []
    for info in found:
        if info.filename.endswith("/"):  # as is_dir() says, which fails on a name without a letter
            budget.take(0)
            continue
        if info.flag_bits & _LOCKED:
            raise PictureError(Reason.ARCHIVE_LOCKED)
        if info.external_attr >> 16 & _KIND == _LINK:
            raise PictureError(Reason.ARCHIVE_UNSAFE, "link")
        budget.take(info.file_size, info.compress_size)
        listed.append(Member(names.add(info.filename), info.file_size, partial(_from_zip, archive, info)))
    return listed


def _check_directory(data: bytes) -> None:
    """Look at the last records alone: how many entries they state, and how long their directory is."""
    at = data.rfind(_END_OF_DIRECTORY, max(0, len(data) - _END_SIZE - _MAX_COMMENT))
    if at < 0 or at + _END_SIZE > len(data):
        raise PictureError(Reason.ARCHIVE_BROKEN, "no directory")
    entries_stated, length = struct.unpack_from("<HI", data, at + 10)
    long = data[at - _LONG_SIZE : at] if at >= _LONG_SIZE else b""
    if long.startswith(_LONG_END) and long[56:].startswith(_LONG_LOCATOR):
        entries_stated, length = struct.unpack_from("<2Q", long, 32)
    if entries_stated > MAX_ENTRIES or length > _MAX_DIRECTORY:  # 0xFFFF stands for more than fit in there
        raise PictureError(Reason.ARCHIVE_TOO_MANY)


def _from_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    try:
        with archive.open(info) as file:  # gives no more bytes than the directory states, whatever the stream holds
            return file.read(size)
    except NotImplementedError:  # packed in a way of its own, as Windows does with large files
        raise PictureError(Reason.ARCHIVE_FILE, "compression") from None
    except _ZIP_FAULTS:
        raise PictureError(Reason.ARCHIVE_BROKEN, "a file in it") from None


def _tar(data: bytes, budget: Budget) -> Iterator[Member]:
    names = _Names()
    _TarWatch().inspect(memoryview(data))
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", ignore_zeros=False) as archive:
            # One after the other: who lists a hundred thousand is stopped at the limit, not after reading them all.
            while (info := archive.next()) is not None:
                if info.issym() or info.islnk():
                    raise PictureError(Reason.ARCHIVE_UNSAFE, "link")
                if not info.isreg():
                    budget.take(0)
                    continue
                budget.take(info.size)
                if info.offset_data + info.size > len(data) or info.issparse():
                    raise PictureError(Reason.ARCHIVE_BROKEN, "shorter than it states")
                yield Member(names.add(info.name), info.size, partial(_from_tar, data, info.offset_data, info.size))
    except _TAR_FAULTS:
        raise PictureError(Reason.ARCHIVE_BROKEN) from None


def _from_tar(data: bytes, start: int, whole: int, size: int) -> bytes:
    return data[start : start + min(whole, size)]


class _Names:
    """The names of an archive, checked as one would before writing them to a disk, which nobody does here."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, name: str) -> str:
        """Give the name with forward slashes. Raises PictureError (ARCHIVE_UNSAFE)."""
        path = name.replace("\\", "/")
        if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or ".." in path.split("/"):
            raise PictureError(Reason.ARCHIVE_UNSAFE, "a name that leads out of it")
        if path in self._taken:
            raise PictureError(Reason.ARCHIVE_UNSAFE, "the same name twice")
        self._taken.add(path)
        return path


class _TarWatch:
    """Looks at the entries of a TAR before the library does, and while it is being unpacked.

    A hundred thousand are not unpacked first, and of attributes by the million no table is made.
    """

    def __init__(self) -> None:
        self._next = 0
        self._seen = 0

    def inspect(self, unpacked: memoryview) -> None:
        """Go from header to header as far as there are bytes. Raises PictureError (ARCHIVE_...)."""
        while self._next + 512 <= len(unpacked) and bytes(unpacked[self._next + 257 : self._next + 262]) == b"ustar":
            self._seen += 1
            if self._seen > 2 * MAX_ENTRIES:  # long names take a header of their own
                raise PictureError(Reason.ARCHIVE_TOO_MANY)
            try:
                size = tarfile.nti(bytes(unpacked[self._next + 124 : self._next + 136]))  # type: ignore[attr-defined]
            except tarfile.HeaderError:
                return
            if unpacked[self._next + 156] in _BEFORE_AN_ENTRY and size > _MOST_HEADER:
                raise PictureError(Reason.ARCHIVE_BROKEN, "attributes")
            self._next += 512 + -(-size // 512) * 512


def gunzip(data: bytes, most: int, budget: Budget | None = None) -> bytes:
    """Unpack a gzip stream, stopping at ``most`` bytes. With a budget what comes out is counted, and bounded by it.

    Raises PictureError (ARCHIVE_BROKEN, or ARCHIVE_TOO_LARGE as soon as the ratio is suspicious).
    """
    unpacker, streams = zlib.decompressobj(wbits=31), 1
    out = io.BytesIO()  # hands over what it holds without a copy
    rest, at = b"", 0
    watch = _TarWatch()
    limit = min(most, budget.unpacked + 1 if budget else MAX_UNPACKED + 1)
    try:
        while out.tell() < limit:
            if unpacker.eof:
                rest = unpacker.unused_data
                following = (rest + data[at : at + 2])[:2]
                if following != b"\x1f\x8b":
                    break
                unpacker, streams = zlib.decompressobj(wbits=31), streams + 1  # as tools write that pack in parallel
                if streams > MAX_ENTRIES:
                    raise PictureError(Reason.ARCHIVE_TOO_MANY)
            if not rest:
                rest, at = data[at : at + _PIECE], at + _PIECE
                if not rest:
                    raise PictureError(Reason.ARCHIVE_BROKEN, "cut off")
            out.write(unpacker.decompress(rest, min(_STEP, limit - out.tell())))
            rest = unpacker.unconsumed_tail
            with out.getbuffer() as unpacked:
                watch.inspect(unpacked)
            if budget and is_bomb(out.tell(), min(at, len(data)) - len(rest)):
                raise PictureError(Reason.ARCHIVE_TOO_LARGE)
    except zlib.error:
        raise PictureError(Reason.ARCHIVE_BROKEN) from None
    if budget:
        budget.take(out.tell())
    return out.getvalue()
