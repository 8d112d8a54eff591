"""What is PostgreSQL's own: migrations at once, a server that only reads or is away, copies to and from a file."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from bot.app import running
from bot.sandbox import Person as Somebody
from bot.sandbox import Sandbox
from inference.workers.local import LocalExecutor
from storage import Database, Person, ReceivedUpdate, StorageError
from storage.copying import copy_database
from storage.errors import StorageDownError
from storage.schema import METADATA
from storage.sessions import opening_engine
from storage.url import parse
from tests.content import services_of
from tests.integration.chatting import one_scan
from tests.integration.conftest import RunningBot, sandbox, settings_for, workers
from tests.unit.storage.conftest import a_scan, add
from tests.unit.storage.test_copying import fill, nobody, whole

__all__ = ["sandbox", "workers"]  # fixtures


async def execute(url: str, statement: str) -> None:
    engine = opening_engine(parse(url))
    async with engine.begin() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_several_starts_at_once_migrate_once(url: str) -> None:
    databases = await asyncio.gather(*(Database.open(url) for _ in range(4)))
    assert [await database.check() for database in databases] == [()] * 4
    for database in databases:
        await database.close()


async def test_models_and_migrations_describe_the_same_schema(db: Database, url: str) -> None:
    def difference(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA))

    engine = opening_engine(parse(url))
    async with engine.begin() as connection:
        assert await connection.run_sync(difference) == []
    await engine.dispose()


async def test_database_that_is_gone_is_said_and_comes_back(db: Database, url: str) -> None:
    await db.prove()
    name = url.rpartition("/")[2]
    elsewhere = url.replace(name, "postgres")
    await execute(elsewhere, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test%'"
    await execute(elsewhere, others)
    with pytest.raises(StorageDownError, match=r"^DATABASE_URL: 127\.0\.0\.1:\d+/") as said:
        await db.prove()
    assert "\n" not in str(said.value)
    await execute(elsewhere, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await db.mend()
    await db.prove()


async def test_database_that_is_not_there_is_said_with_fix(server: str) -> None:
    with pytest.raises(StorageError, match=r"^DATABASE_URL: 127\.0\.0\.1:\d+/nowhere .*create that database first"):
        await Database.open(f"{server}/nowhere")


async def test_the_backlog_tells_how_many_wait_and_since_when(db: Database) -> None:
    assert (await db.inbox.backlog()).updates == 0
    await db.inbox.put(*(ReceivedUpdate(number, 1, "x") for number in range(3)))
    await db.inbox.done(0)
    backlog = await db.inbox.backlog()
    assert backlog.updates == 2
    assert backlog.oldest is not None
    assert backlog.oldest.tzinfo is not None


async def test_a_file_is_copied_into_postgresql_and_back(url: str, tmp_path: Path) -> None:
    there, back = f"sqlite:///{tmp_path / 'there.db'}", f"sqlite:///{tmp_path / 'back.db'}"
    await fill(there)
    await copy_database(there, url, nobody)
    await copy_database(url, back, nobody)
    assert await whole(back) == await whole(url) == await whole(there)


async def test_ids_go_on_after_a_copy_where_they_were(url: str, tmp_path: Path) -> None:
    there = f"sqlite:///{tmp_path / 'there.db'}"
    await fill(there)
    file = await Database.open(there)
    last = await file.people.register(77, "", "en")
    await file.people.delete(77)
    await file.close()
    await copy_database(there, url, nobody)
    copy = await Database.open(url)
    assert (await copy.people.register(78, "", "en")).id == last.id + 1
    await copy.close()


async def test_two_scans_at_once_get_two_numbers(db: Database, anna: Person) -> None:
    scans = await asyncio.gather(*(add(db, anna.id, a_scan(str(number))) for number in range(12)))
    assert sorted(scan.number for scan in scans) == list(range(1, 13))


async def test_scan_is_answered_and_found_again_after_restart(
    url: str, sandbox: Sandbox, tmp_path: Path, workers: LocalExecutor
) -> None:
    settings = settings_for(sandbox, tmp_path).model_copy(update={"database_url": url})
    anna: Somebody = await sandbox.person("Anna")
    async with services_of(settings, workers) as services, running(settings, services) as application:
        await anna.send_text("/start")
        question = await anna.wait_for(lambda message: bool(message.buttons))
        await anna.press(question, "agree")
        await one_scan(RunningBot(settings, services, application), anna)
    async with services_of(settings, workers) as services, running(settings, services):
        await anna.send_text("/history")
        assert (await anna.wait_for(lambda message: bool(message.buttons))).text
        async with asyncio.timeout(30):
            while (await services.database.inbox.backlog()).updates:  # noqa: ASYNC110 - the answer comes first
                await asyncio.sleep(0.05)
