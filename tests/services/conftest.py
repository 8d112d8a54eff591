"""The fixtures of the storage tests, on PostgreSQL."""

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from storage import Database, Person
from tests.services import postgresql
from tests.unit.storage.conftest import ANNA, BORIS

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A server, or one line that says that there is none."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip(postgresql.MISSING)
    with postgresql.server(programs) as address:
        yield address


@pytest.fixture
async def url(server: str) -> AsyncIterator[str]:
    """A new, empty database on it; gone afterwards."""
    name = f"test_{next(_numbers)}"
    await execute(server, f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(server: str, statement: str, database: str = "postgres") -> None:
    """Run what takes no transaction."""
    engine = create_async_engine(f"{server}/{database}", isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """The storage on it."""
    database = await Database.open(url)
    yield database
    await database.close()


@pytest.fixture
async def anna(db: Database) -> Person:
    """Somebody."""
    return await db.people.register(ANNA, "Anna", "en")


@pytest.fixture
async def boris(db: Database) -> Person:
    """Somebody else."""
    return await db.people.register(BORIS, "Борис", "ru")
