"""A real database file, two people, and a scan to keep."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from storage import Database, NewScan, Person, Pictures, ReceivedUpdate, Scan
from tests.databases import database_at

ANNA, BORIS = 700_000_000_001, 42


def a_scan(source_key: str = "1:photo", picture: bytes = b"\xff\xd8original") -> NewScan:
    return NewScan(
        source_key=source_key,
        patient_label="Иван 🧠",
        organ="brain_mri",
        verdict="tumor_signs",
        reason="read",
        label="glioma",
        confidence=0.93,
        probabilities={"glioma": 0.93, "no_tumor": 0.07},
        prediction_set=("glioma",),
        gate={"brain_mri": 0.98, "blood_smear": 0.01, "other": 0.01},
        model_name="brain_mri",
        model_version="1.0.0",
        model_sha256="a" * 64,
        picture_sha256=hashlib.sha256(picture).hexdigest(),
        received_as="photo",
        width=512,
        height=400,
        study=None,
        cells=((0.25, 0.5, 0.03, 0.9), (0.75, 0.5, 0.02, 0.0)),
        pictures=Pictures(original=picture, overlay=picture + b" with heat"),
    )


async def add(database: Database, person_id: int, new: NewScan) -> Scan:
    scan, _ = await database.scans.add(person_id, new)
    return scan


async def put(db: Database, *update_ids: int, chat_id: int = ANNA) -> None:
    updates = [ReceivedUpdate(update_id, chat_id, f"update {update_id}") for update_id in update_ids]
    assert await db.inbox.put(*updates) == set(update_ids)


@contextmanager
def in_no_order() -> Iterator[None]:
    """What is asked for in no order comes the other way round meanwhile; SQLite's own order hides that it's missed."""

    def turn(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA reverse_unordered_selects = ON")

    event.listen(Engine, "begin", turn)
    try:
        yield
    finally:
        event.remove(Engine, "begin", turn)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "tumorscan.db"


@pytest.fixture
async def db(file: Path) -> AsyncIterator[Database]:
    database = await Database.open(database_at(file))
    yield database
    await database.close()


@pytest.fixture
async def anna(db: Database) -> Person:
    return await db.people.register(ANNA, "Anna", "en")


@pytest.fixture
async def boris(db: Database) -> Person:
    return await db.people.register(BORIS, "Борис", "ru")


@pytest.fixture
def raw(file: Path, db: Database) -> Iterator[sqlite3.Connection]:
    """A second, plain connection to the same file: what is really on the disk."""
    with closing(sqlite3.connect(file)) as connection:
        yield connection
