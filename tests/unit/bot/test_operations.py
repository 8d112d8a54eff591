"""Audit log, copies on a schedule, JSON lines and the arithmetic of the status page."""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.chat.keyboards import Action
from bot.chat.menu import commands_for
from bot.delivery.background import running_in_background
from bot.logs import JsonLines
from bot.operations import trace
from bot.operations.audit_file import FILE, FileAuditLog, key_of, lines_about, pseudonym
from bot.operations.backups import Backups
from bot.operations.metrics import Phase
from bot.operations.prometheus import PrometheusMetrics
from bot.operations.status_page import quantile
from storage import Database, ReceivedUpdate
from tests.databases import database_at
from tests.unit.storage.conftest import a_scan, add

SECRET, ANNA, BORIS = "123456:" + "t" * 35, 700_000_000_001, 42
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(database_at(tmp_path / "bot.db"))
    yield database
    await database.close()


def test_the_audit_log_names_nobody(tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path / "audit", SECRET, 90)
    log.note(ANNA, "button: delete_all", "done")
    log.note(BORIS, "picture", "refused: not_a_scan")
    log.note(None, "text", "done")
    log.close()
    file = tmp_path / "audit" / FILE
    said = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["who"] for line in said] == [pseudonym(key_of(SECRET), ANNA), pseudonym(key_of(SECRET), BORIS), None]
    assert str(ANNA) not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["what"] for line in lines_about(tmp_path / "audit", SECRET, ANNA)] == [
        "button: delete_all"
    ]


def test_another_secret_finds_nobody_in_the_audit_log(tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path, SECRET, 90)
    log.note(ANNA, "text", "done")
    log.close()
    assert not list(lines_about(tmp_path, SECRET + "x", ANNA))


@pytest.mark.parametrize("words", ["Mrs Weatherwax", "/start 7", "done\n", ""])
def test_what_people_wrote_cannot_reach_the_audit_log(tmp_path: Path, words: str) -> None:
    log = FileAuditLog(tmp_path, SECRET, 90)
    log.note(ANNA, words, f"refused: {words}")
    log.close()
    (line,) = (tmp_path / FILE).read_text().splitlines()
    assert (json.loads(line)["what"], json.loads(line)["outcome"]) == ("other", "other")


def test_every_button_and_command_is_noted_by_its_name(tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path, SECRET, 90)
    commands = [f"command: {name}" for name in commands_for(admin=True)]
    done = [*(f"button: {action.name.lower()}" for action in Action), *commands]
    for what in done:
        log.note(ANNA, what, "done")
    log.close()
    assert [json.loads(line)["what"] for line in (tmp_path / FILE).read_text().splitlines()] == done


def test_old_days_of_the_audit_log_go(tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path, SECRET, 2)
    for _ in range(4):
        log.note(ANNA, "text", "done")
        log._file.rolloverAt = 0  # a day has passed
        (tmp_path / f"{FILE}.2020-01-0{len(list(tmp_path.iterdir()))}").touch()
    log.note(ANNA, "text", "done")
    log.close()
    assert len(list(tmp_path.iterdir())) <= 3


async def test_copies_are_made_and_the_oldest_make_room(database: Database, tmp_path: Path) -> None:
    backups = Backups(database, tmp_path / "copies", timedelta(hours=24), 2)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "a letter.txt").touch()
    for day in range(3):
        assert await backups.make(NOW + timedelta(days=day))
    assert [path.name for path in backups.copies()] == ["tumorscan-20261129-120000.db", "tumorscan-20261130-120000.db"]
    assert (tmp_path / "copies" / "a letter.txt").exists()


async def test_a_copy_made_under_load_is_restored_whole(database: Database, tmp_path: Path) -> None:
    backups = Backups(database, tmp_path / "copies", timedelta(hours=1), 3)
    anna = await database.people.register(ANNA, "Anna", "en")
    kept: list[str] = []

    async def write(number: int) -> None:
        scan = await add(database, anna.id, a_scan(str(number), bytes([number]) * 60_000))
        await database.inbox.put(ReceivedUpdate(number, ANNA, f"update {number}"))
        kept.append(scan.public_id)

    before = [asyncio.create_task(write(number)) for number in range(10)]
    await before[0]
    made, *_ = await asyncio.gather(backups.make(NOW), *(write(number) for number in range(10, 40)), *before)
    assert made
    (copy,) = backups.copies()
    restored = await Database.open(f"sqlite+aiosqlite:///{copy}")
    assert await restored.check() == ()
    page = await restored.scans.page(anna.id, 1, 100)
    assert 1 <= page.total <= 40
    for scan in page.scans:
        pictures = await restored.scans.pictures(scan.id)
        assert hashlib.sha256(pictures.original).hexdigest() == scan.picture_sha256
    # It goes on where the copy ends: the next scan has the next number, and what waited waits.
    following = await add(restored, anna.id, a_scan("after the restore"))
    assert following.number == page.total + 1
    assert len(await restored.inbox.recover()) <= 40
    await restored.close()
    assert len(kept) == 40


async def test_a_copy_that_was_missed_is_due_at_once(database: Database, tmp_path: Path) -> None:
    backups = Backups(database, tmp_path / "copies", timedelta(hours=24), 2)
    assert backups.due_in(NOW) == timedelta()
    await backups.make(NOW)
    assert backups.due_in(NOW + timedelta(hours=6)) == timedelta(hours=18)
    assert backups.due_in(NOW + timedelta(days=3)) == timedelta()
    assert backups.due_in(NOW - timedelta(days=300)) == timedelta(hours=24)


async def test_a_copy_that_fails_is_said_and_drops_nothing(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backups = Backups(database, tmp_path / "copies", timedelta(hours=24), 1)
    assert await backups.make(NOW)
    assert not await backups.make(NOW)  # that name is taken
    assert "BACKUP_DIR: no copy was made" in caplog.text
    assert len(backups.copies()) == 1


async def test_a_folder_that_cannot_be_looked_at_is_said(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As root no folder is closed to the tests; a name that is too long is refused in the same place."""
    backups = Backups(database, tmp_path / ("n" * 300), timedelta(hours=24), 1)
    async with running_in_background(backups.run()):
        async with asyncio.timeout(60):
            while "BACKUP_DIR: no copy was made" not in caplog.text:  # noqa: ASYNC110 - a thread looks at the folder
                await asyncio.sleep(0.01)


async def test_failing_background_work_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LookupError

    async with running_in_background(fail()):
        await asyncio.sleep(0.01)
        assert caplog.text.count("work in the background failed") == 1
    assert caplog.text.count("work in the background failed") == 1


def test_json_lines_carry_the_update_and_no_token() -> None:
    token = trace.update.set(7)
    try:
        error = RuntimeError(f"bot{SECRET}")
        record = logging.LogRecord("bot.x", 40, "x", 1, "said %s", (SECRET,), (type(error), error, None))
        said = json.loads(JsonLines().format(record))
    finally:
        trace.update.reset(token)
    assert (said["update"], said["level"], said["logger"], said["message"]) == (7, "ERROR", "bot.x", "said <token>")
    assert SECRET not in json.dumps(said)


def test_json_lines_of_libraries_are_without_their_values() -> None:
    record = logging.LogRecord("telegram.ext", 40, "x", 1, "can't read %s", ("Anna's words",), None)
    assert json.loads(JsonLines().format(record))["message"] == "can't read %s"


def test_a_quantile_lies_where_the_values_are() -> None:
    assert quantile(0.5, (1.0, 2.0, 4.0), (0, 10, 0, 0)) == pytest.approx(1.5)
    assert quantile(0.95, (1.0, 2.0, 4.0), (90, 0, 10, 0)) == pytest.approx(3.0)
    assert quantile(0.95, (1.0, 2.0, 4.0), (0, 0, 0, 5)) == 4.0


def test_reasons_beyond_the_bound_share_a_name() -> None:
    metrics = PrometheusMetrics()
    for number in range(100):
        metrics.refused(f"reason_{number}")
    metrics.phase_took(Phase.WHOLE, 0.3)
    assert len(metrics.values("refusals_total")) == 65
    assert metrics.values("phase_seconds_count")["whole",] == 1
