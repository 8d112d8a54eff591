"""Copies that ``Database.backup`` made, known by a mark in their header: old ones can be deleted, and nothing else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.errors import StorageError

APPLICATION_ID = 0x54534254
"""In SQLite's header: a copy made by this program. What the bot works with says 0."""
_MAGIC, _HEADER = b"SQLite format 3\0", 100
_USER_VERSION, _APPLICATION_ID = slice(60, 64), slice(68, 72)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(now: datetime) -> int:
    """The hour in which a copy is made, as its header tells it (``user_version``)."""
    return (now - _EPOCH) // timedelta(hours=1)


def made_at(file: Path) -> datetime | None:
    """When a copy was made, to the hour; None for a file that is no copy of ours. Raises OSError."""
    with file.open("rb") as opened:
        header = opened.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        return None
    if int.from_bytes(header[_APPLICATION_ID], "big") != APPLICATION_ID:
        return None
    return _EPOCH + timedelta(hours=int.from_bytes(header[_USER_VERSION], "big"))


def prune(folder: Path, made_before: datetime) -> tuple[Path, ...]:
    """Delete the copies in a folder that are older; returns which. A folder that is not there has none.

    Raises StorageError.
    """
    gone: list[Path] = []
    try:
        if not folder.exists():
            return ()
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.is_symlink():
                made = made_at(file)
                if made is not None and made < made_before:
                    file.unlink()
                    gone.append(file)
    except OSError as error:
        raise StorageError(f"{error.filename or folder} can't be looked at ({error.strerror}): check it") from error
    return tuple(gone)
