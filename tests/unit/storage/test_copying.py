"""A database copied into another: whole, repeatable, and never over somebody's data."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.cli.main import main
from storage import Database, ReceivedUpdate, StorageError, copying
from storage.copying import COPIED, copy_database, digest
from storage.schema import METADATA
from storage.sessions import opening_engine
from storage.url import parse
from tests.unit.storage.conftest import a_scan, add


def nobody(_table: str, _done: int, _total: int) -> None:
    """Nobody looks at the progress."""


async def fill(url: str, people: int = 3, scans: int = 5) -> None:
    """People with scans, pictures and updates in every state."""
    database = await Database.open(url)
    for number in range(people):
        person = await database.people.register(100 + number, "Иван 🧠", "ru")
        for scan in range(scans):
            await add(database, person.id, a_scan(f"{scan}", os.urandom(5_000)))
    await database.inbox.put(*(ReceivedUpdate(number, 100, f"text {number} 🧠") for number in range(8)))
    await database.inbox.done(1, 2)
    await database.inbox.await_consent(3)
    await database.inbox.dead_letter(4, "broken")
    await database.close()


async def whole(url: str) -> dict[str, bytes]:
    """A digest of each table, with all its values."""
    engine = opening_engine(parse(url))
    async with engine.connect() as connection:
        digests = {}
        for table in METADATA.sorted_tables:
            rows = await connection.execute(table.select().order_by(*table.primary_key.columns))
            digests[table.name] = digest(rows.all())
    await engine.dispose()
    return digests


@pytest.fixture
async def source(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'source.db'}"
    await fill(url)
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'new folder' / 'target.db'}"


async def test_copy_holds_same_and_can_be_worked_with(source: str, target: str) -> None:
    seen: list[tuple[str, int, int]] = []
    copied = await copy_database(source, target, lambda *told: seen.append(told))
    assert await whole(target) == await whole(source)
    assert (copied["scans"].rows, copied["scans"].written) == (15, 15)
    assert ("pictures", 15, 15) in seen
    database = await Database.open(target)
    assert await database.check() == ()
    assert len(await database.inbox.recover()) == 4
    await database.close()


async def test_broken_off_copy_is_refused_until_it_is_whole(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PIECE_WITH_PICTURES", 4)

    def cut(table: str, done: int, _total: int) -> None:
        if table == "pictures" and done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy_database(source, target, cut)
    with pytest.raises(StorageError, match="is not whole: run 'tumorscan db copy' once more"):
        await Database.open(target)
    copied = await copy_database(source, target, nobody)
    assert (copied["pictures"].rows, copied["pictures"].written) == (15, 7)
    assert copied["people"].written == 0
    assert await whole(target) == await whole(source)


async def test_what_changed_in_between_is_copied_anew(source: str, target: str) -> None:
    def cut(table: str, _done: int, _total: int) -> None:
        if table == "pictures":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy_database(source, target, cut)
    database = await Database.open(source)
    await database.people.delete(101)
    await database.people.set_language(102, "de")
    await database.close()
    await copy_database(source, target, nobody)
    assert await whole(target) == await whole(source)


async def test_a_second_copy_writes_nothing(source: str, target: str) -> None:
    await copy_database(source, target, nobody)
    copied = await copy_database(source, target, nobody)
    assert {table.written for table in copied.values()} == {0}


async def test_data_of_others_is_never_overwritten(source: str, target: str) -> None:
    await fill(target, people=1, scans=1)
    before = await whole(target)
    with pytest.raises(StorageError, match="TO holds other data"):
        await copy_database(source, target, nobody)
    assert await whole(target) == before


async def test_ids_of_the_deleted_are_not_given_again(source: str, target: str) -> None:
    database = await Database.open(source)
    last = await database.people.register(77, "", "en")
    await database.people.delete(77)
    await database.close()
    await copy_database(source, target, nobody)
    copy = await Database.open(target)
    assert (await copy.people.register(78, "", "en")).id == last.id + 1
    await copy.close()


async def test_nobody_writes_to_the_source_meanwhile(source: str, target: str) -> None:
    blocked: list[str] = []

    def write(table: str, _done: int, _total: int) -> None:
        path = parse(source).path
        assert path is not None
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            try:
                connection.execute("UPDATE people SET language = 'xx'")
            except sqlite3.OperationalError:
                blocked.append(table)

    await copy_database(source, target, write)
    assert set(blocked) == {table.name for table in COPIED}


async def test_a_database_is_not_copied_into_itself(source: str) -> None:
    with pytest.raises(StorageError, match="are the same database"):
        await copy_database(source, source.replace("sqlite:", "sqlite+aiosqlite:"), nobody)


def test_the_command_tells_what_it_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import asyncio

    source, target = (f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db"))
    assert main(["db", "copy", source, target]) == 2
    assert "FROM or TO" in capsys.readouterr().err
    asyncio.run(fill(source))
    assert main(["db", "copy", source, target]) == 0
    said = capsys.readouterr().out
    assert "scans: 15 rows, 15 written now, sha256 " in said
    assert said.endswith("The copy is whole: counts and hashes of both are the same.\n")
