"""DATABASE_URL, read and checked before anything is opened."""

import errno
import logging
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import INSTALL_EXTRAS, StorageBusyError, StorageError

EXAMPLE = "sqlite+aiosqlite:///data/tumorscan.db"
_log = logging.getLogger(__name__)
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is. ``path`` is its file on SQLite, None elsewhere."""

    url: URL
    path: Path | None

    @property
    def where(self) -> str:
        """What may be shown in a message: never the password."""
        if self.path:
            return str(self.path)
        port = f":{self.url.port}" if self.url.port else ""
        return f"{self.url.host or 'localhost'}{port}/{self.url.database or ''}"


def parse(text: str) -> Address:
    """Read a DATABASE_URL; StorageError says what to write instead."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter: a port that is no number
        # The text is not repeated: it may hold a password.
        raise StorageError(f"DATABASE_URL is not a database address: write it like {EXAMPLE}") from None
    if "@" in (url.host or ""):  # the password's rest, which would be shown as the host
        raise StorageError(
            f"DATABASE_URL: write an @ in a name or password as %40: {EXAMPLE} or postgresql+asyncpg://USER@HOST/NAME"
        )
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise StorageError(
            f"DATABASE_URL: '{url.drivername}' is not supported: use {EXAMPLE} or postgresql+asyncpg://USER@HOST/NAME"
        )
    url = url.set(drivername=driver)
    if driver.startswith("postgresql"):
        if find_spec("asyncpg") is None:
            raise StorageError(f"DATABASE_URL: PostgreSQL needs one more package: {INSTALL_EXTRAS}")
        return Address(url, None)
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StorageError(f"DATABASE_URL: a file is needed, since memory forgets: write it like {EXAMPLE}")
    return Address(url, Path(url.database))


def prepare_file(path: Path, *, create: bool) -> None:
    """Make sure that there is a file to open, private to this user; StorageError otherwise."""
    try:
        if path.is_dir():
            raise StorageError(f"DATABASE_URL: {path} is a folder: name a file in it, such as {path / 'tumorscan.db'}")
        if not create and not path.exists():
            raise StorageError(f"DATABASE_URL: {path} does not exist: check the path, or run 'tumorscan db upgrade'")
        # Scans are nobody else's business: neither the folder nor the file is readable for other users.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if create and path.exists() and path.stat().st_size == 0:
            _log.warning("DATABASE_URL: %s is empty: a new database is made in it; if there was one, put it back", path)
        if create:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageBusyError(f"DATABASE_URL: {path} cannot grow: the disk is full, make room") from None
        raise StorageError(
            f"DATABASE_URL: {path} cannot be written ({error.strerror}): "
            "make its folder writable for this user, or choose another one"
        ) from None
