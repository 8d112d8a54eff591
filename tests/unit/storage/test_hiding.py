"""A deleted scan is hidden from every list at once, can be brought back for a while, and then goes for good."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage import Database, Person
from tests.unit.storage.conftest import a_scan, add

NOW = timedelta(seconds=1)


async def test_a_hidden_scan_is_in_no_list(db: Database, anna: Person) -> None:
    kept, hidden = await add(db, anna.id, a_scan("1")), await add(db, anna.id, a_scan("2"))
    assert await db.scans.hide(anna.id, hidden.public_id) == hidden
    assert await db.scans.get(anna.id, hidden.public_id) is None
    assert await db.scans.by_number(anna.id, hidden.number) is None
    assert await db.scans.labelled(anna.id, "Иван 🧠") == kept
    assert await db.scans.last(anna.id) == kept
    for label in (None, "иван"):
        page = await db.scans.page(anna.id, 1, 5, label)
        assert (page.scans, page.total) == ((kept,), 1)
    assert await db.scans.hide(anna.id, hidden.public_id) is None


async def test_hidden_scan_returns_whole_to_its_owner_alone(db: Database, anna: Person, boris: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    assert await db.scans.restore(anna.id, scan.public_id) is None
    await db.scans.hide(anna.id, scan.public_id)
    assert await db.scans.restore(boris.id, scan.public_id) is None
    assert await db.scans.hide(boris.id, scan.public_id) is None
    assert await db.scans.restore(anna.id, scan.public_id) == scan
    assert await db.scans.get(anna.id, scan.public_id) == scan
    assert await db.scans.pictures(scan.id) == a_scan().pictures


async def test_message_of_hidden_scan_makes_no_second_scan(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.scans.hide(anna.id, scan.public_id)
    assert await add(db, anna.id, a_scan()) == scan


async def test_nobody_is_pointed_to_a_hidden_scan(db: Database, anna: Person) -> None:
    kept, hidden = await add(db, anna.id, a_scan("1")), await add(db, anna.id, a_scan("2"))
    await db.scans.hide(anna.id, hidden.public_id)
    newest, same_picture = await db.scans.add(anna.id, a_scan("3"))
    assert same_picture == kept
    assert await db.scans.following(anna.id, kept.number, 9) == (newest,)
    assert await db.scans.labelled(anna.id, "Иван 🧠") == newest


async def test_hidden_scan_goes_with_its_pictures_alone(db: Database, anna: Person, raw: sqlite3.Connection) -> None:
    await add(db, anna.id, a_scan("1"))
    assert await db.scans.oldest_hidden() is None
    scan = await add(db, anna.id, a_scan("2", b"\xff\xd8second"))
    await db.scans.hide(anna.id, scan.public_id)
    since = await db.scans.oldest_hidden()
    assert since is not None
    assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)
    assert await db.scans.purge(since - NOW) == 0
    assert await db.scans.purge(since + NOW) == 1
    assert await db.scans.restore(anna.id, scan.public_id) is None
    assert raw.execute("SELECT count(*) FROM scans").fetchone() == (1,)
    assert raw.execute("SELECT count(*) FROM pictures").fetchone() == (1,)


@pytest.mark.parametrize("typed", ["anna", "ANNA", "nn", "ann"])
async def test_a_label_is_found_whatever_its_capitals(db: Database, anna: Person, boris: Person, typed: str) -> None:
    mine = [await add(db, anna.id, replace(a_scan(str(n)), patient_label=label)) for n, label in
            enumerate(["Anna B.", "Boris", None, "anna"])]  # fmt: skip
    await add(db, boris.id, replace(a_scan("x"), patient_label="Anna"))
    page = await db.scans.page(anna.id, 1, 5, typed)
    assert page.scans == (mine[3], mine[0])
    assert (await db.scans.page(anna.id, 2, 1, typed)).scans == (mine[0],)
    assert (await db.scans.labelled(anna.id, "ANNA")) == mine[3]
    assert await db.scans.labelled(anna.id, "ann") is None


async def test_a_percent_sign_finds_no_other_labels(db: Database, anna: Person) -> None:
    await add(db, anna.id, a_scan())
    assert (await db.scans.page(anna.id, 1, 5, "%")).total == 0


async def test_a_persons_clock_is_kept(db: Database, anna: Person) -> None:
    assert anna.utc_offset is None
    assert (await db.people.set_utc_offset(anna.chat_id, -210)).utc_offset == -210
    assert (await db.people.register(anna.chat_id, "Anna", "en")).utc_offset == -210
