"""A database with today's tables: migrated once for all tests of a process, then copied."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import NullPool, create_engine

from storage.migrations import upgrade


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "migrated.db")
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        with engine.begin() as connection:
            upgrade(connection)
        return path.read_bytes()


def database_at(path: Path) -> str:
    """Where there is none, write one that is empty and opens without a migration; returns its ``DATABASE_URL``."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(_migrated())
    return f"sqlite+aiosqlite:///{path}"
