"""The migrations lead to the schema that the program knows, and lose nothing on the way."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage import Database, StorageError
from storage.migrations import config, upgrade
from storage.schema import METADATA, REVISION, create_newest
from storage.sessions import opening_engine
from storage.url import parse
from tests.databases import database_at
from tests.unit.storage.test_database import url


async def test_models_and_migrations_describe_the_same_schema(tmp_path: Path) -> None:
    def difference(connection: Connection) -> list[object]:
        upgrade(connection)
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA))

    engine = opening_engine(parse(url(tmp_path / "t.db")))
    async with engine.begin() as connection:
        assert await connection.run_sync(difference) == []
    await engine.dispose()


async def test_models_and_migrations_have_same_checks_and_uniques(tmp_path: Path) -> None:
    # Alembic compares tables, columns and indexes, but neither CHECKs nor AUTOINCREMENT.
    def tables(file: Path) -> dict[str, list[str]]:
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT IN ('alembic_version')"
            ).fetchall()
        # A column that was added later stands on the line of the one before it.
        bodies = {name: sql[sql.index("(") + 1 : sql.rindex(")")].replace('"', "") for name, sql in rows}
        return {
            name: sorted(part.strip() for part in re.split(r",\s*(?![^(]*\))", body)) for name, body in bodies.items()
        }

    migrated, modelled = tmp_path / "migrated.db", tmp_path / "modelled.db"
    for file, make in ((migrated, upgrade), (modelled, METADATA.create_all)):
        engine = opening_engine(parse(url(file)))
        async with engine.begin() as connection:
            await connection.run_sync(make)
        await engine.dispose()

    written, meant = tables(migrated), tables(modelled)
    assert written.keys() == meant.keys()
    lines = {name: set(written[name]) ^ set(meant[name]) for name in meant}
    assert {name: differing for name, differing in lines.items() if differing} == {}
    assert written == meant
    assert any("AUTOINCREMENT" in line for line in written["scans"])


def test_the_schema_knows_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(config()).get_current_head() == REVISION


async def test_failed_migration_leaves_the_file_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(connection: Connection) -> None:
        upgrade(connection)
        connection.exec_driver_sql("CREATE TABLE people (id INTEGER)")

    await _at_revision(tmp_path / "t.db", "0002")
    before = _tables(tmp_path / "t.db")
    monkeypatch.setattr("storage.migrations.upgrade", half_way)
    with pytest.raises(StorageError):
        await Database.open(url(tmp_path / "t.db"))

    assert _tables(tmp_path / "t.db") == before


async def test_failed_making_of_tables_leaves_the_file_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(connection: Connection) -> None:
        create_newest(connection)
        connection.exec_driver_sql("CREATE TABLE people (id INTEGER)")

    monkeypatch.setattr("storage.database.create_newest", half_way)
    with pytest.raises(StorageError):
        await Database.open(url(tmp_path / "t.db"))

    assert _tables(tmp_path / "t.db") == []


async def test_inbox_of_an_older_version_survives_migration(tmp_path: Path) -> None:
    await _at_revision(tmp_path / "t.db", "0002")
    with closing(sqlite3.connect(tmp_path / "t.db")) as old:
        old.executemany(
            "INSERT INTO inbox VALUES (?, ?, 7, 'x', ?, 0, 0, '{}', 'error', '2026-01-01', ?)",
            [(1, 1, "held", None), (2, 2, "set_aside", "2026-01-02"), (3, 3, "waiting", None)],
        )
        old.commit()
    database = await Database.open(url(tmp_path / "t.db"))
    assert await database.inbox.awaiting_consent(7) == 1
    assert [letter.update_id for letter in await database.inbox.dead_letters()] == [2]
    assert [pending.update_id for pending in await database.inbox.recover()] == [3]
    await database.close()


async def test_test_database_equals_what_a_start_makes(tmp_path: Path) -> None:
    def schema(file: Path) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(file)) as connection:
            return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()

    await (await Database.open(url(tmp_path / "made.db"))).close()
    await (await Database.open(database_at(tmp_path / "copied.db"))).close()
    assert schema(tmp_path / "copied.db") == schema(tmp_path / "made.db")


async def _at_revision(file: Path, revision: str) -> None:
    """Make a database as it was then."""
    engine = opening_engine(parse(url(file)))
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, revision)
    await engine.dispose()


def _tables(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
