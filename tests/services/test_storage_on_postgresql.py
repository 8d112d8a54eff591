"""Every promise of the storage and the inbox that does not speak of a file, kept by PostgreSQL too."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from storage import Database
from storage.schema import METADATA
from tests.services.conftest import execute
from tests.unit.storage import (
    test_access,
    test_broadcasts,
    test_hiding,
    test_inbox,
    test_outcomes,
    test_people,
    test_scans,
    test_statistics,
    test_usage,
)

OF_A_FILE = {"raw", "file", "tmp_path"}
"""Fixtures of tests that look into a SQLite file."""
OF_SQLITE = {
    "test_only_the_receipt_waits_for_the_disk",
    "test_unwritable_disk_is_reported_and_nothing_is_kept",
}
"""Promises that are SQLite's own: its settings of durability, and a file of a bounded size."""


def promises(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The tests of a module that ask for nothing but a database."""
    return {
        name: test
        for name, test in vars(module).items()
        if name.startswith("test_")
        and name not in OF_SQLITE
        and not OF_A_FILE & set(inspect.signature(test).parameters)
    }


@pytest.fixture(scope="session")
def shared(server: str) -> str:
    """One database for all of them: a new one takes longer than most tests."""
    asyncio.run(execute(server, "CREATE DATABASE shared"))
    return f"{server}/shared"


@pytest.fixture
async def db(server: str, shared: str) -> AsyncIterator[Database]:
    """It, with nothing in it."""
    database = await Database.open(shared)
    names = ", ".join(table.name for table in METADATA.sorted_tables)
    await execute(server, f"TRUNCATE {names} RESTART IDENTITY CASCADE", "shared")
    yield database
    await database.close()


MODULES = (
    test_inbox,
    test_people,
    test_scans,
    test_access,
    test_broadcasts,
    test_outcomes,
    test_usage,
    test_hiding,
    test_statistics,
)
KEPT = [promises(module) for module in MODULES]
for _tests in KEPT:
    globals().update(_tests)


def test_each_part_brings_its_promises() -> None:
    assert all(
        len(tests) >= (2 if module is test_statistics else 5) for module, tests in zip(MODULES, KEPT, strict=True)
    )
    assert sum(map(len, KEPT)) == len({name for tests in KEPT for name in tests}), "two tests have one name"
