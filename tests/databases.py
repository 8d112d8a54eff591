"""A database with today's tables: made once for all tests of a process, then copied."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import NullPool, create_engine

from storage.schema import create_newest


@cache
def _made() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        with engine.begin() as connection:
            create_newest(connection)
        return path.read_bytes()


def database_at(path: Path) -> str:
    """Where there is none, write one that is empty and opens without a migration; returns its ``DATABASE_URL``."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(_made())
    return f"sqlite+aiosqlite:///{path}"
