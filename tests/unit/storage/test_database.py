"""Opening, migrating and caring for the database file; what is wrong with it is said in one line."""

import asyncio
import errno
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from bot.cli.main import main
from storage import Database, StorageError
from storage.errors import StorageBusyError
from storage.schema import REVISION
from tests.conftest import PROJECT
from tests.unit.storage.conftest import a_scan, add


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def fill(file: Path, scans: int = 3) -> None:
    database = await Database.open(url(file))
    person = await database.people.register(1, "Anna", "en")
    for n in range(scans):
        await add(database, person.id, a_scan(f"{n}", os.urandom(50_000)))
    await database.close()


async def refusal(address: str) -> str:
    with pytest.raises(StorageError) as caught:
        await Database.open(address)
    text = str(caught.value)
    assert "\n" not in text
    assert "DATABASE_URL" in text
    return text


# Opening


async def test_first_start_makes_private_folder_and_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "t.db"
    await fill(file)

    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


async def test_second_start_finds_everything_without_loading_alembic(tmp_path: Path) -> None:
    await fill(tmp_path / "t.db")
    program = (
        "import asyncio, sys; from storage import Database\n"
        "async def main():\n"
        "    db = await Database.open(sys.argv[1]); person = await db.people.get(1)\n"
        "    print((await db.scans.page(person.id, 1, 5)).total, 'alembic' in sys.modules); await db.close()\n"
        "asyncio.run(main())"
    )
    assert await _said_by(program, url(tmp_path / "t.db")) == ["3", "False"]


async def test_first_start_loads_neither_alembic_nor_the_orm(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from storage import Database\n"
        "async def main():\n"
        "    db = await Database.open(sys.argv[1]); print(*await db.check()); await db.close()\n"
        "asyncio.run(main()); print({'alembic', 'sqlalchemy.orm'} & set(sys.modules))"
    )
    assert await _said_by(program, url(tmp_path / "t.db")) == ["set()"]


async def _said_by(program: str, argument: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, argument, cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return said.decode().split()


async def test_several_starts_at_once_migrate_once(tmp_path: Path) -> None:
    databases = await asyncio.gather(*(Database.open(url(tmp_path / "t.db")) for _ in range(4)))

    for database in databases:
        assert await database.check() == ()
        await database.close()


async def test_start_waits_for_another_writer_of_new_file(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        opening = asyncio.create_task(Database.open(url(tmp_path / "t.db")))
        await asyncio.wait({opening}, timeout=0.3)
        assert not opening.done(), opening.exception()
        other.execute("ROLLBACK")
        database = await opening
    assert await database.check() == ()
    await database.close()


async def test_the_settings_that_keep_data_whole_are_on(tmp_path: Path) -> None:
    database = await Database.open(url(tmp_path / "t.db"))
    sessions = database._sessions

    def settings(at: Connection) -> dict[str, object]:
        names = ("journal_mode", "foreign_keys", "busy_timeout", "secure_delete", "query_only")
        return {name: at.scalar(text(f"PRAGMA {name}")) for name in names}

    found = {"writer": await sessions.write(settings), "reader": await sessions.read(settings)}
    await database.close()

    for name in ("writer", "reader"):
        assert found[name]["journal_mode"] == "wal"
        assert found[name]["foreign_keys"] == 1
        assert found[name]["busy_timeout"] == 30_000
        assert found[name]["secure_delete"] == 1
    assert (found["writer"]["query_only"], found["reader"]["query_only"]) == (0, 1)


# Migrations


# Mistakes of the operator


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "is not a database address"),
        ("data/tumorscan.db", "is not a database address"),
        ("postgresql//bot:secret@db/x", "is not a database address"),
        ("postgresql://bot:secret@db:port/x", "is not a database address"),
        ("postgresql://bot:half@secret@db/x", "write an @ in a name or password as %40"),
        ("mysql://user:secret@host/x", "'mysql' is not supported"),
        ("sqlite+pysqlite:///x.db", "'sqlite+pysqlite' is not supported"),
        ("sqlite+aiosqlite://", "memory forgets"),
        ("sqlite+aiosqlite:///:memory:", "memory forgets"),
        ("sqlite+aiosqlite:///file::memory:?cache=shared&uri=true", "memory forgets"),
    ],
)
async def test_unusable_address_is_named_without_its_password(address: str, says: str) -> None:
    text = await refusal(address)

    assert says in text
    assert "sqlite+aiosqlite:///data/tumorscan.db" in text
    assert "secret" not in text


async def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    assert "is a folder: name a file in it" in await refusal(url(tmp_path))


async def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert "cannot be written" in await refusal(url(tmp_path / "data" / "t.db"))


async def test_non_database_file_is_reported_and_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    file.write_bytes(b"Dear diary, " * 1000)

    assert "is not a SQLite database" in await refusal(url(file))
    assert file.read_bytes() == b"Dear diary, " * 1000


async def test_the_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (id INTEGER)")

    assert "tables of another program" in await refusal(url(tmp_path / "t.db"))


async def test_a_database_from_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    await fill(tmp_path / "t.db")
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    assert "newer version of this program (schema 9999" in await refusal(url(tmp_path / "t.db"))


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    open_folder.chmod(0o555)
    return open_folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach: pytest's own is for this user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def refusal_as_plain_user(file: Path) -> str:
    """What an unprivileged user is told: root may write everywhere, so it would see no mistake."""
    program = (
        "import asyncio, os, sys\n"
        "from storage import Database, StorageError\n"
        "import aiosqlite, sqlalchemy.dialects.sqlite.aiosqlite\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try:\n    asyncio.run(Database.open(sys.argv[1]))\n"
        "except StorageError as error: print(error)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, url(file), cwd=PROJECT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert said.count(b"\n") == 1
    return said.decode()


async def test_a_folder_that_is_not_writable_is_said(closed_folder: Path) -> None:
    said = await refusal_as_plain_user(closed_folder / "t.db")
    assert "cannot be written (Permission denied): make its folder writable" in said
    assert "DATABASE_URL" in said


async def test_a_file_that_is_read_only_is_said(open_folder: Path) -> None:
    await fill(open_folder / "t.db")
    (open_folder / "t.db").chmod(0o444)

    said = await refusal_as_plain_user(open_folder / "t.db")
    assert "writable for this user" in said
    assert "DATABASE_URL" in said


# Guarantee


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    start = len(content) // 2
    content[start : start + 20_000] = b"\xa5" * 20_000
    file.write_bytes(content)


async def test_check_finds_damage_in_the_middle_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    await fill(file, scans=1)
    with closing(sqlite3.connect(file)) as connection:
        for n in range(3000):
            connection.execute(
                "INSERT INTO inbox VALUES (?, ?, 1, 'x', 'waiting', 1, 0, '{}', NULL, '2026-01-01', NULL, NULL, 0)",
                (n, n),
            )
        connection.commit()
    damage(file)

    database = await Database.open(url(file), migrate=False)
    try:
        problems = await database.check()
    finally:
        await database.close()
    assert any("damage" in problem for problem in problems)


async def test_check_changes_nothing_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        await Database.open(url(tmp_path / "none" / "t.db"), migrate=False)
    assert not (tmp_path / "none").exists()

    (tmp_path / "empty.db").write_bytes(b"")
    database = await Database.open(url(tmp_path / "empty.db"), migrate=False)
    assert await database.check() == (
        f"the schema is at nothing, this program needs {REVISION}: run 'tumorscan db upgrade'",
    )
    await database.close()


async def test_a_backup_made_while_scans_come_in_is_whole(tmp_path: Path) -> None:
    database = await Database.open(url(tmp_path / "t.db"))
    person = await database.people.register(1, "Anna", "en")
    adding = [add(database, person.id, a_scan(f"{n}", os.urandom(100_000))) for n in range(20)]
    await asyncio.gather(*adding[:5])
    await asyncio.gather(database.backup(tmp_path / "safe" / "copy.db"), *adding[5:])
    await database.close()

    assert [path.name for path in (tmp_path / "safe").iterdir()] == ["copy.db"]
    assert (tmp_path / "safe" / "copy.db").stat().st_mode & 0o077 == 0
    copy = await Database.open(url(tmp_path / "safe" / "copy.db"))
    assert await copy.check() == ()
    page = await copy.scans.page(person.id, 1, 20)
    assert 5 <= page.total <= 20
    assert [scan.number for scan in page.scans] == list(range(page.total, 0, -1))
    for scan in page.scans:
        assert len((await copy.scans.pictures(scan.id)).original) == 100_000
    await copy.close()


async def test_a_backup_never_overwrites_a_file(tmp_path: Path) -> None:
    database = await Database.open(url(tmp_path / "t.db"))
    with pytest.raises(StorageError, match="exists already"):
        await database.backup(tmp_path / "t.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        await database.backup(tmp_path / "file" / "copy.db")
    assert await database.check() == ()
    await database.close()


# The command line


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url(tmp_path / "data" / "t.db"))
    return tmp_path / "data" / "t.db"


def test_the_command_line_upgrades_checks_and_copies(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = file.with_name("copy.db")

    assert [main(["db", "upgrade"]), main(["db", "check"]), main(["db", "backup", str(copy)])] == [0, 0, 0]

    assert capsys.readouterr().out.splitlines() == [
        "The database is up to date.",
        "The database is sound.",
        f"The copy is in {copy}.",
    ]
    assert copy.exists()


def test_command_line_reports_a_problem_in_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    file.parent.mkdir()
    file.write_bytes(b"")
    assert main(["db", "check"]) == 1
    assert "run 'tumorscan db upgrade'" in capsys.readouterr().out


async def test_an_empty_file_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.db").touch()
    await (await Database.open(url(tmp_path / "t.db"))).close()
    assert "t.db is empty: a new database is made in it" in caplog.text


async def test_full_disk_at_start_is_worth_waiting_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("storage.url.os.open", no_room)
    with pytest.raises(StorageBusyError, match="the disk is full, make room"):
        await Database.open(url(tmp_path / "t.db"))
