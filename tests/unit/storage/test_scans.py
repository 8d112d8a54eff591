"""Scans: kept once, numbered per person, found by their owner alone."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Select, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from storage import Database, NewScan, Person, StorageError, UnknownScanError, scans
from storage.public_id import ALPHABET, new_public_id, public_id_of, read_public_id
from storage.records import KeptSlice
from tests.unit.storage.conftest import a_scan, add


async def test_a_scan_comes_back_as_it_was_kept(db: Database, anna: Person) -> None:
    new = a_scan()
    scan = await add(db, anna.id, new)

    for name in NewScan.__dataclass_fields__:
        if name not in ("pictures", "slices"):
            assert getattr(scan, name) == getattr(new, name), name
    assert scan.number == 1
    assert datetime.now(UTC) - scan.created_at < timedelta(minutes=1)
    assert await db.scans.get(anna.id, scan.public_id) == scan
    assert await db.scans.by_number(anna.id, 1) == scan
    assert await db.scans.last(anna.id) == scan
    assert await db.scans.by_source(anna.id, new.source_key) == scan
    assert await db.scans.pictures(scan.id) == new.pictures


async def test_slices_are_kept_and_deleted_with_their_study(db: Database, anna: Person) -> None:
    slices = tuple(KeptSlice(n, "T1 axial", "not_sure", 0.5, n == 2, b"jpeg%d" % n, b"png") for n in (1, 2, 3))
    new = replace(a_scan("study"), study={"kind": "zip", "agreeing": [2]}, slices=slices)
    scan = await add(db, anna.id, new)
    assert (await db.scans.get(anna.id, scan.public_id) or scan).study == {"kind": "zip", "agreeing": [2]}
    assert await db.scans.slices(scan.id) == slices
    assert await db.scans.slices(scan.id, 3, 1) == (slices[0], slices[2])
    assert (await add(db, anna.id, a_scan("single"))).study is None

    await db.scans.delete(anna.id, scan.public_id)
    assert await db.scans.slices(scan.id) == ()


async def test_numbers_are_not_used_again_after_a_deletion(db: Database, anna: Person) -> None:
    first = await add(db, anna.id, a_scan("1"))
    second = await add(db, anna.id, a_scan("2"))
    assert (first.number, second.number) == (1, 2)

    assert await db.scans.delete(anna.id, second.public_id) == second
    third = await add(db, anna.id, a_scan("3"))

    assert third.number == 3
    assert third.id > second.id
    assert await db.scans.by_number(anna.id, 2) is None


async def test_everybody_counts_their_own_scans(db: Database, anna: Person, boris: Person) -> None:
    await add(db, anna.id, a_scan())

    assert (await add(db, boris.id, a_scan())).number == 1


async def test_repeated_source_key_returns_the_existing_scan(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan("7:photo"))

    assert await add(db, anna.id, replace(a_scan("7:photo"), label="meningioma")) == scan
    assert (await db.scans.page(anna.id, 1, 5)).total == 1
    assert (await add(db, anna.id, a_scan("8:photo"))).number == 2


async def test_concurrent_equal_source_keys_make_one_scan(db: Database, anna: Person) -> None:
    scans = await asyncio.gather(*(add(db, anna.id, a_scan("7:photo")) for _ in range(8)))

    assert len({scan.public_id for scan in scans}) == 1
    assert (await db.scans.page(anna.id, 1, 5)).total == 1


async def test_source_key_in_two_programs_makes_one_scan(db: Database, file: Path, anna: Person) -> None:
    other = await Database.open(f"sqlite+aiosqlite:///{file}")
    try:
        scans = await asyncio.gather(
            *(add(database, anna.id, a_scan(f"{n}")) for n in range(10) for database in (db, other))
        )
    finally:
        await other.close()

    assert len({scan.public_id for scan in scans}) == 10
    assert sorted({scan.number for scan in scans}) == list(range(1, 11))


async def test_hundred_concurrent_scans_are_kept_without_lock_errors(db: Database) -> None:
    people = [await db.people.register(chat_id, "x", "en") for chat_id in range(1, 11)]

    await asyncio.gather(*(add(db, person.id, a_scan(f"{n}")) for person in people for n in range(10)))

    for person in people:
        page = await db.scans.page(person.id, 1, 10)
        assert [scan.number for scan in page.scans] == list(range(10, 0, -1))


async def test_a_public_id_that_is_taken_is_drawn_again(
    db: Database, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["A7K2-Q9", "A7K2-Q9", "A7K2-Q9", "C3DF-X4"])
    monkeypatch.setattr("storage.scans.new_public_id", lambda: next(drawn))

    assert (await add(db, anna.id, a_scan("1"))).public_id == "A7K2-Q9"
    second = await add(db, anna.id, a_scan("2"))

    assert (second.public_id, second.number) == ("C3DF-X4", 2)


async def test_database_itself_refuses_senseless_values(db: Database, anna: Person) -> None:
    with pytest.raises(StorageError) as caught:
        await add(db, anna.id, replace(a_scan(), confidence=1.5))

    assert isinstance(caught.value.__cause__, IntegrityError)
    assert "Иван" not in f"{caught.value}{caught.value.__cause__}"
    assert await db.scans.last(anna.id) is None


def test_public_ids_avoid_easily_confused_letters() -> None:
    assert not set(ALPHABET) & set("01OILSZBUV8")
    for _ in range(200):
        drawn = new_public_id()
        assert drawn[4] == "-"
        assert len(drawn) == 7
        assert set(drawn.replace("-", "")) <= set(ALPHABET)


@pytest.mark.parametrize("typed", ["A7K2-Q9", "a7k2-q9", "A7K2Q9", " a7k2 q9 ", "A7K2–Q9"])
def test_a_public_id_is_understood_as_people_type_it(typed: str) -> None:
    assert read_public_id(typed) == "A7K2-Q9"


def test_a_number_always_gives_the_same_public_id() -> None:
    assert public_id_of(25**6 + 7) == public_id_of(7)
    assert read_public_id(public_id_of(2**200)) == public_id_of(2**200)


@pytest.mark.parametrize("number", [0, -1, 2, 2**31, 10**40])
async def test_a_number_that_no_scan_has_finds_nothing(db: Database, anna: Person, number: int) -> None:
    await add(db, anna.id, a_scan())

    assert await db.scans.by_number(anna.id, number) is None


async def test_database_is_asked_for_no_impossible_number(db: Database) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        asked.append(sql)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for number in (0, 2**31, 3**31):
            assert await db.scans.by_number(1, number) is None
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert not [sql for sql in asked if "scans" in sql]


async def test_last_scan_has_the_greatest_number(db: Database, anna: Person, raw: sqlite3.Connection) -> None:
    added = [await add(db, anna.id, a_scan(f"{n}")) for n in range(3)]
    for scan, number in zip(added, (11, 13, 12), strict=True):
        raw.execute("UPDATE scans SET number = ? WHERE id = ?", (number, scan.id))
    raw.commit()
    assert await db.scans.last(anna.id) == replace(added[1], number=13)


async def test_any_number_that_a_scan_may_have_is_found(db: Database, anna: Person, raw: sqlite3.Connection) -> None:
    scan = await add(db, anna.id, a_scan())
    for number in (99, 2**31 - 1):
        raw.execute("UPDATE scans SET number = ?", (number,))
        raw.commit()
        assert await db.scans.by_number(anna.id, number) == replace(scan, number=number)


@pytest.mark.parametrize("typed", ["", "-", "A7K2-Q9" * 1000, "' OR 1=1 --", "\ud800\0", "АЯ", "%", "A7K2-__"])
async def test_an_id_that_no_scan_has_finds_nothing(db: Database, anna: Person, typed: str) -> None:
    await add(db, anna.id, a_scan())

    assert await db.scans.get(anna.id, typed) is None
    assert await db.scans.delete(anna.id, typed) is None


async def test_the_history_is_paged_newest_first(db: Database, anna: Person) -> None:
    for n in range(1, 8):
        await add(db, anna.id, a_scan(f"{n}"))

    pages = [await db.scans.page(anna.id, number, 3) for number in (1, 2, 3)]

    assert [[scan.number for scan in page.scans] for page in pages] == [[7, 6, 5], [4, 3, 2], [1]]
    assert {(page.pages, page.total) for page in pages} == {(3, 7)}
    assert await db.scans.page(anna.id, 99, 3) == pages[2]
    assert await db.scans.page(anna.id, -1, 3) == pages[0]


async def test_an_empty_history_is_one_empty_page(db: Database, anna: Person) -> None:
    page = await db.scans.page(anna.id, 1, 5)

    assert (page.scans, page.page, page.pages, page.total) == ((), 1, 1, 0)


@pytest.mark.parametrize("statement", [scans._COUNT, scans._NEWEST_PAGE, scans._OLDEST_PAGE])
async def test_a_history_is_counted_and_walked_in_an_index(raw: sqlite3.Connection, statement: Select[Any]) -> None:
    plan = _plan(raw, statement)
    walks = [step for step in plan if "person_id" in step]
    assert len(walks) == 1
    assert "COVERING INDEX" in walks[0]
    assert walks[0].endswith("(person_id=? AND deleted_at=?)")
    assert all(step.endswith("(rowid=?)") for step in plan if step not in walks and step.startswith(("SCAN", "SEARCH")))


async def test_last_page_of_a_history_passes_over_nothing(db: Database, anna: Person) -> None:
    for n in range(9):
        await add(db, anna.id, a_scan(f"{n}"))
    offsets: list[int] = []

    def note(_connection: object, _cursor: object, sql: str, values: Sequence[Any], *_: object) -> None:
        if "OFFSET" in sql:
            offsets.append(values[-1])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        pages = [await db.scans.page(anna.id, number, 2) for number in (1, 2, 3, 4, 5)]
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert [[scan.number for scan in page.scans] for page in pages] == [[9, 8], [7, 6], [5, 4], [3, 2], [1]]
    assert offsets == [0, 2, 3, 1, 0]


async def test_a_history_of_any_length_fits_one_page(db: Database, anna: Person) -> None:
    for n in range(3):
        await add(db, anna.id, a_scan(f"{n}"))

    page = await db.scans.page(anna.id, 1, 2**31 - 1)

    assert [scan.number for scan in page.scans] == [3, 2, 1]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (scans._BY_PICTURE, "person_id=? AND picture_sha256=?"),
        (scans._BY_SOURCE, "person_id=? AND source_key=?"),
        (scans._BY_NUMBER, "person_id=? AND number=?"),
        (scans._BY_PUBLIC_ID, "public_id=?"),
        (scans._NEWEST, "person_id=? AND deleted_at=?"),
    ],
)
async def test_no_look_up_walks_through_the_history(
    raw: sqlite3.Connection, statement: Select[Any], index: str
) -> None:
    plan = _plan(raw, statement)
    assert len(plan) == 1, plan
    assert plan[0].endswith(f"({index})")


def _plan(raw: sqlite3.Connection, statement: Select[Any]) -> list[str]:
    question = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {question}", dict.fromkeys(question.params, 1))]


async def test_the_newest_other_scan_of_a_picture_is_found(db: Database, anna: Person, boris: Person) -> None:
    added = [await db.scans.add(anna.id, a_scan(f"{number}")) for number in range(3)]
    assert [other.number if other else None for _, other in added] == [None, 1, 2]
    assert (await db.scans.add(anna.id, a_scan("0")))[1] == added[2][0]
    assert (await db.scans.add(boris.id, a_scan("0")))[1] is None


async def test_nobody_gets_another_persons_scan(db: Database, anna: Person, boris: Person) -> None:
    scan = await add(db, anna.id, a_scan())

    assert await db.scans.get(boris.id, scan.public_id) is None
    assert await db.scans.by_number(boris.id, scan.number) is None
    assert await db.scans.last(boris.id) is None
    assert await db.scans.by_source(boris.id, scan.source_key) is None
    assert (await db.scans.page(boris.id, 1, 5)).scans == ()
    assert await db.scans.delete(boris.id, scan.public_id) is None
    assert await db.scans.get(anna.id, scan.public_id) == scan


async def test_messages_and_file_ids_are_recorded_step_by_step(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())

    await asyncio.gather(
        db.scans.record_message(scan.id, "status", 11),
        db.scans.record_message(scan.id, "picture", 12, "file-picture"),
        db.scans.record_message(scan.id, "report", 13, "file-report"),
    )

    kept = await db.scans.get(anna.id, scan.public_id)
    assert kept is not None
    assert kept.messages == {"status": 11, "picture": 12, "report": 13}
    assert kept.file_ids == {"picture": "file-picture", "report": "file-report"}


async def test_new_label_drops_the_report_with_the_old(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    for number, step in enumerate(("picture", "report")):
        await db.scans.record_message(scan.id, step, number, f"file-{step}")
    for key in ("report.de", "sent.report"):
        await db.scans.note_file(scan.id, key, f"file-{key}")
    await db.scans.relabel(scan.id, "Anna B.")

    kept = await db.scans.get(anna.id, scan.public_id)
    assert kept is not None
    assert kept.patient_label == "Anna B."
    assert kept.file_ids == {"picture": "file-picture", "sent.report": "file-sent.report"}
    assert kept.messages == {"picture": 0, "report": 1}


async def test_what_is_done_to_one_scan_changes_no_other(db: Database, anna: Person) -> None:
    first, second, third = [await add(db, anna.id, a_scan(f"{number}")) for number in range(3)]
    await db.scans.record_message(second.id, "status", 11, "file-status")
    await db.scans.note_file(second.id, "sent", "file-sent")
    await db.scans.relabel(second.id, None)

    changed = await db.scans.get(anna.id, second.public_id)
    file_ids = {"status": "file-status", "sent": "file-sent"}
    assert changed == replace(second, patient_label=None, messages={"status": 11}, file_ids=file_ids)
    await db.scans.delete(anna.id, second.public_id)
    for scan in (first, third):
        assert await db.scans.get(anna.id, scan.public_id) == scan
        assert await db.scans.pictures(scan.id) == a_scan().pictures


async def test_each_file_of_a_step_has_its_key(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.scans.record_message(scan.id, "picture", 1, "first", "picture 1")
    await db.scans.record_message(scan.id, "picture", 2, "second", "picture 2")

    kept = await db.scans.get(anna.id, scan.public_id)
    assert kept is not None
    assert (kept.messages, kept.file_ids) == ({"picture": 2}, {"picture 1": "first", "picture 2": "second"})


async def test_following_scans_are_ones_own_with_greater_numbers(db: Database, anna: Person, boris: Person) -> None:
    mine = [await add(db, anna.id, a_scan(f"{number}")) for number in range(4)]
    await add(db, boris.id, a_scan("other"))

    assert await db.scans.following(anna.id, 1, 2) == (mine[1], mine[2])
    assert await db.scans.following(anna.id, 3, 5) == (mine[3],)
    assert await db.scans.following(anna.id, 4, 5) == ()


async def test_a_message_of_a_deleted_scan_is_left_alone(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.scans.delete(anna.id, scan.public_id)

    await db.scans.record_message(scan.id, "report", 13)
    await db.scans.note_file(scan.id, "sent", "file")
    await db.scans.relabel(scan.id, "Anna B.")

    assert await db.scans.get(anna.id, scan.public_id) is None
    with pytest.raises(UnknownScanError):
        await db.scans.pictures(scan.id)
