"""What quotas are measured by: scans of a day, also deleted ones, and bytes that are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage import Database, Person
from storage.records import KeptSlice
from tests.unit.storage.conftest import ANNA, a_scan, add


def today() -> datetime:
    return datetime.now(UTC)


async def test_scans_of_a_day_are_counted_for_each_person(db: Database, anna: Person, boris: Person) -> None:
    for number in range(3):
        await add(db, anna.id, a_scan(f"{number}"))
    day = today().date()
    counted = [await db.usage.scans_on(person.id, day) for person in (anna, boris)]
    assert counted == [3, 0]
    assert await db.usage.scans_on(anna.id, day - timedelta(days=1)) == 0


async def test_a_redelivered_scan_counts_once(db: Database, anna: Person) -> None:
    for _ in range(3):
        await add(db, anna.id, a_scan("same"))
    assert await db.usage.scans_on(anna.id, today().date()) == 1


async def test_deleting_a_scan_gives_no_new_one(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.scans.delete(anna.id, scan.public_id)
    assert await db.usage.scans_on(anna.id, today().date()) == 1


async def test_the_counts_go_with_the_person_and_with_time(db: Database, anna: Person, boris: Person) -> None:
    await add(db, anna.id, a_scan())
    await add(db, boris.id, a_scan())
    await db.people.delete(ANNA)
    assert await db.usage.forget_before(today().date()) == 0
    assert await db.usage.forget_before(today().date() + timedelta(days=1)) == 1


async def test_kept_bytes_are_those_of_pictures_and_slices(db: Database, anna: Person, boris: Person) -> None:
    assert await db.usage.bytes_of(anna.id) == 0
    one = KeptSlice(1, "T1", "tumor_signs", 0.9, agrees=True, picture=b"p" * 300, heat=b"h" * 70)
    scan = await add(db, anna.id, replace(a_scan("1", b"x" * 1000), slices=(one, replace(one, number=2))))
    await add(db, boris.id, a_scan("2", b"y" * 5000))
    assert await db.usage.bytes_of(anna.id) == 1000 + len(b"x" * 1000 + b" with heat") + 2 * 370
    await db.scans.delete(anna.id, scan.public_id)
    assert await db.usage.bytes_of(anna.id) == 0
