"""What is deleted is gone, also from the disk."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from storage import Database, Person, UnknownPersonError
from tests.unit.storage.conftest import ANNA, BORIS, a_scan, add


async def test_deleting_a_person_leaves_no_blob_or_trace(
    db: Database, file: Path, anna: Person, boris: Person, raw: sqlite3.Connection
) -> None:
    marks = [os.urandom(64) for _ in range(6)]
    for n, mark in enumerate(marks):
        await add(db, anna.id, replace(a_scan(f"{n}", mark * 2000), patient_label="Herr Geheimrat"))
    other = await add(db, boris.id, a_scan("b", b"boris" * 1000))
    raw.execute(
        "INSERT INTO inbox VALUES"
        " (1, 1, ?, 'Herr Geheimrat', 'dead_letter', 3, 0, '{}', 'Herr Geheimrat', '2026-01-01', '2026-01-02',"
        " NULL, 0),"
        " (2, 2, ?, 'Herr Geheimrat', 'awaiting_consent', 0, 0, '{}', NULL, '2026-01-01', NULL, NULL, 0),"
        " (3, 3, ?, 'not yet answered', 'waiting', 0, 0, '{}', NULL, '2026-01-01', NULL, NULL, 0)",
        (ANNA, ANNA, ANNA),
    )
    raw.commit()
    assert any(mark in on_disk(file) for mark in marks)

    assert await db.people.delete(ANNA) == 6

    assert raw.execute("SELECT count(*), min(scan_id) FROM pictures").fetchone() == (1, other.id)
    kept = raw.execute("SELECT update_id, chat_id, payload, error FROM inbox").fetchall()
    assert kept == [(1, None, "", None), (2, None, "", None), (3, ANNA, "not yet answered", None)]
    # What is finished is not begun again, and goes when its time is up.
    finished = raw.execute("SELECT update_id FROM inbox WHERE finished_at > '2026-01-02' ORDER BY update_id")
    assert finished.fetchall() == [(1,), (2,)]
    assert not any(mark in on_disk(file) for mark in marks)
    assert b"Herr Geheimrat" not in on_disk(file)
    assert (await db.scans.pictures(other.id)).original == b"boris" * 1000


async def test_deleting_a_scan_leaves_no_trace_in_the_file(db: Database, file: Path, anna: Person) -> None:
    mark = os.urandom(64)
    scan = await add(db, anna.id, a_scan("1", mark * 2000))
    assert mark in on_disk(file)

    await db.scans.delete(anna.id, scan.public_id)

    assert mark not in on_disk(file)


async def test_person_without_scans_is_deleted_with_none(db: Database, anna: Person) -> None:
    assert await db.people.delete(ANNA) == 0
    assert await db.people.get(ANNA) is None


async def test_scan_of_a_meanwhile_deleted_person_finds_nobody(db: Database, anna: Person) -> None:
    await db.people.delete(ANNA)
    newcomer = await db.people.register(BORIS, "Boris", "en")

    assert newcomer.id != anna.id
    with pytest.raises(UnknownPersonError):
        await add(db, anna.id, a_scan())


def on_disk(file: Path) -> bytes:
    return b"".join(path.read_bytes() for path in file.parent.iterdir())
