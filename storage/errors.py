"""What storage raises, and how a driver's error becomes one line that names the setting and the fix."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, ProgrammingError

INSTALL_EXTRAS: Final = (
    "pip install --require-hashes -r requirements-extras.lock, in the project's folder "
    "(an image: docker build --build-arg LOCK=requirements-extras.lock .)"
)
"""How the packages of all extras get there."""


class StorageError(Exception):
    """The database cannot be used; the text is one line for the operator, with the fix."""


class StorageDownError(StorageError):
    """The database itself fails, whatever is asked of it: full, read-only, damaged, locked or away."""


class StorageBusyError(StorageDownError):
    """It fails in a way that may pass by itself or with some room on the disk: worth waiting for, also at a start."""


class DataKeyError(StorageError):
    """Something is encrypted with a key that is not given, or was changed."""


class UnknownPersonError(StorageError):
    """Nobody is registered under this id (any more)."""


class UnknownScanError(StorageError):
    """No scan has this id (any more)."""


_FIXES = {
    "SQLITE_CANTOPEN": "cannot be opened: make its folder writable for this user, or choose another one",
    "SQLITE_READONLY": "is read-only: make the file and its folder writable for this user, or choose another file",
    "SQLITE_PERM": "is read-only: make the file and its folder writable for this user, or choose another file",
    "SQLITE_NOTADB": "is not a SQLite database: choose another file, or move this one away",
    "SQLITE_CORRUPT": "is damaged: put back a copy made by 'tumorscan db backup', or move the file away",
    "SQLITE_FULL": "cannot grow: the disk is full, make room",
    "SQLITE_IOERR": "cannot be read or written: check the disk, its free space, and that it may be written",
    "SQLITE_BUSY": "is kept locked by another program: stop that program",
    "SQLITE_LOCKED": "is kept locked by another program: stop that program",
}
_MAY_PASS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED")
_SQLSTATES = {
    "28P01": "check user and password",
    "28000": "check user and password",
    "3D000": "create that database first",
    "42501": "let this user create tables there",
}


def explain(error: Exception, where: str) -> StorageError:
    """Say in one line what is wrong with the database at ``where`` (a path or host, never a password)."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", None) or "unknown error"
        # Extended names such as SQLITE_READONLY_DIRECTORY share the fix of their kind.
        fix = next((text for kind, text in _FIXES.items() if name.startswith(kind)), None)
        if fix is None and str(cause).startswith("no such table"):
            fix = "has lost its tables: put back a copy made by 'tumorscan db backup'"
        if fix is None:  # the statement is wrong, not the database
            return StorageError(f"DATABASE_URL: {where} failed ({name})")
        down = StorageBusyError if name.startswith(_MAY_PASS) else StorageDownError
        return down(f"DATABASE_URL: {where} {fix}")
    fix = _SQLSTATES.get(getattr(cause, "sqlstate", ""), "check the address, and that the server is up")
    kind = StorageError if isinstance(error, DataError | ProgrammingError) else StorageDownError
    return kind(f"DATABASE_URL: {where} does not answer as expected ({type(cause).__name__}): {fix}")
