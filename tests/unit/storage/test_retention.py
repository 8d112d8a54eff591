"""What is old goes with everything; what was to be forgotten leaves a receipt that says nothing."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.delivery.retention import expire
from storage import Database, Person, ReceivedUpdate, backups
from storage.retention import BATCH
from tests.unit.storage.conftest import ANNA, a_scan, add
from tests.unit.storage.test_deleting import on_disk

DAY = timedelta(days=1)


def age(raw: sqlite3.Connection, days: int, *scan_ids: int) -> None:
    when = (datetime.now(UTC) - days * DAY).replace(tzinfo=None).isoformat(" ")
    for scan_id in scan_ids:
        raw.execute("UPDATE scans SET created_at = ? WHERE id = ?", (when, scan_id))
    raw.commit()


async def test_old_scans_and_pictures_leave_no_trace(
    db: Database, file: Path, anna: Person, raw: sqlite3.Connection
) -> None:
    mark = os.urandom(64)
    old = [await add(db, anna.id, a_scan(f"{n}", mark * 20)) for n in range(BATCH + 5)]
    young = await add(db, anna.id, a_scan("young"))
    age(raw, 31, *(scan.id for scan in old))

    assert await expire(db, 30 * DAY) == BATCH + 5

    assert (await db.scans.page(anna.id, 1, 5)).scans == (young,)
    assert raw.execute("SELECT scan_id FROM pictures").fetchall() == [(young.id,)]
    assert mark not in on_disk(file)
    assert await expire(db, 30 * DAY) == 0


async def test_updates_that_failed_go_with_the_retention_too(db: Database, raw: sqlite3.Connection) -> None:
    await db.inbox.put(ReceivedUpdate(1, ANNA, "words"))
    await db.inbox.dead_letter(1, "an error")
    raw.execute("UPDATE inbox SET finished_at = '2020-01-01 00:00:00'")
    raw.commit()

    await expire(db, 5 * DAY)

    assert raw.execute("SELECT count(*) FROM inbox").fetchone() == (0,)


async def test_a_forgotten_scan_leaves_a_receipt_that_says_nothing(
    db: Database, file: Path, anna: Person, raw: sqlite3.Connection
) -> None:
    mark = os.urandom(64)
    await db.people.set_forgets(ANNA, forgets=True)
    scan = await add(db, anna.id, a_scan("77:file-of-anna", mark * 200))
    assert scan.passes

    await db.retention.forget(scan)
    await db.retention.forget(scan)

    assert await db.scans.last(anna.id) is None
    assert not any(trace in on_disk(file) for trace in (mark, b"file-of-anna", "Иван".encode()))
    assert await db.retention.was_forgotten(anna.id, "77:file-of-anna")
    assert not await db.retention.was_forgotten(anna.id, "78:file-of-anna")
    now = datetime.now(UTC)
    await db.retention.tidy(now - DAY, now - 2 * DAY)
    assert await db.retention.was_forgotten(anna.id, "77:file-of-anna")
    await db.retention.tidy(now - DAY, now + DAY)
    assert not await db.retention.was_forgotten(anna.id, "77:file-of-anna")


async def test_unanswered_scan_to_be_forgotten_goes_after_a_day(
    db: Database, anna: Person, raw: sqlite3.Connection
) -> None:
    kept = await add(db, anna.id, a_scan("1"))
    await db.people.set_forgets(ANNA, forgets=True)
    passing = await add(db, anna.id, a_scan("2"))
    age(raw, 2, kept.id, passing.id)

    assert await db.retention.tidy(datetime.now(UTC) - DAY, datetime.now(UTC) - 2 * DAY) == 1

    assert (await db.scans.page(anna.id, 1, 5)).total == 1
    assert await db.scans.get(anna.id, kept.public_id) is not None


async def test_receipts_go_with_their_person(db: Database, anna: Person, raw: sqlite3.Connection) -> None:
    await db.retention.forget(await add(db, anna.id, a_scan("1")))
    await db.people.delete(ANNA)
    assert raw.execute("SELECT count(*) FROM receipts").fetchone() == (0,)


async def test_only_our_old_unused_copies_are_pruned(db: Database, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    await db.backup(folder / "old.db")
    (folder / "notes.txt").write_text("mine")
    sqlite3.connect(folder / "other.db").execute("CREATE TABLE t (x)").connection.close()
    now = datetime.now(UTC)
    assert backups.prune(folder, now - DAY) == ()
    in_use = await Database.open(f"sqlite+aiosqlite:///{folder / 'old.db'}")
    await in_use.close()
    assert backups.prune(folder, now + DAY) == ()
    await in_use.backup(folder / "copy.db")

    assert backups.prune(folder, now + DAY) == (folder / "copy.db",)

    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "old.db", "other.db"]
