"""What a doctor found: told by whose scan it is, changed and taken back, and gone with the scan."""

import sqlite3
from dataclasses import replace
from pathlib import Path

from storage import Database, Person
from storage.outcomes import NOTHING, SOMETHING_ELSE, OutcomeCount
from tests.unit.storage.conftest import ANNA, a_scan, add


async def test_it_is_kept_changed_and_taken_back(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    assert await db.outcomes.of(scan.id) is None
    for found in ("glioma", SOMETHING_ELSE, NOTHING):
        await db.outcomes.note(anna.id, scan.public_id.lower(), found)
        known = await db.outcomes.of(scan.id)
        assert known is not None
        assert (known.found, known.shared_at) == (found, None)
    assert await db.outcomes.remove(anna.id, scan.public_id)
    assert not await db.outcomes.remove(anna.id, scan.public_id)
    assert await db.outcomes.of(scan.id) is None


async def test_nobody_tells_of_another_persons_scan(db: Database, anna: Person, boris: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    assert await db.outcomes.note(boris.id, scan.public_id, "glioma") is None
    await db.outcomes.note(anna.id, scan.public_id, "glioma")
    assert await db.outcomes.share(boris.id, scan.public_id, shared=True) is None
    assert not await db.outcomes.remove(boris.id, scan.public_id)
    assert await db.outcomes.shared() == ()


async def test_picture_is_handed_on_only_after_consent_to_that(db: Database, anna: Person) -> None:
    scan, study = (
        await add(db, anna.id, a_scan("1")),
        await add(db, anna.id, replace(a_scan("2"), study={"kind": "zip"})),
    )
    for one in (scan, study):
        await db.outcomes.note(anna.id, one.public_id, "glioma")
    assert await db.outcomes.shared() == ()
    for one in (scan, study):
        await db.outcomes.share(anna.id, one.public_id, shared=True)
    assert [(one.scan_id, one.is_study) for one in await db.outcomes.shared()] == [(scan.id, False), (study.id, True)]

    await db.outcomes.note(anna.id, scan.public_id, "glioma")
    assert len(await db.outcomes.shared()) == 2
    await db.outcomes.note(anna.id, scan.public_id, NOTHING)
    assert [one.scan_id for one in await db.outcomes.shared()] == [study.id]
    await db.outcomes.share(anna.id, study.public_id, shared=False)
    assert await db.outcomes.shared() == ()


async def test_it_goes_with_the_scan_and_with_the_person(
    db: Database, anna: Person, boris: Person, raw: sqlite3.Connection
) -> None:
    first, second = await add(db, anna.id, a_scan("1")), await add(db, anna.id, a_scan("2"))
    other = await add(db, boris.id, a_scan("3"))
    for person, scan in ((anna, first), (anna, second), (boris, other)):
        await db.outcomes.note(person.id, scan.public_id, "glioma")
    await db.scans.delete(anna.id, first.public_id)
    assert raw.execute("SELECT scan_id FROM outcomes").fetchall() == [(second.id,), (other.id,)]
    await db.people.delete(ANNA)
    assert raw.execute("SELECT scan_id FROM outcomes").fetchall() == [(other.id,)]


async def test_what_is_taken_back_is_gone_from_the_disk(db: Database, anna: Person, file: Path) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.outcomes.note(anna.id, scan.public_id, "zzz_rare_kind")
    assert any(b"zzz_rare_kind" in path.read_bytes() for path in file.parent.iterdir())
    await db.outcomes.remove(anna.id, scan.public_id)
    assert not any(b"zzz_rare_kind" in path.read_bytes() for path in file.parent.iterdir())


async def test_outcomes_are_counted_by_model_answer_and_finding(db: Database, anna: Person) -> None:
    for number, (verdict, found) in enumerate(
        [("tumor_signs", "glioma"), ("tumor_signs", "glioma"), ("not_sure", "glioma"), ("tumor_signs", NOTHING)]
    ):
        scan = await add(db, anna.id, replace(a_scan(f"{number}"), verdict=verdict))
        await db.outcomes.note(anna.id, scan.public_id, found)
    model = ("brain_mri", "1.0.0", "a" * 64)
    assert set(await db.outcomes.counts()) == {
        OutcomeCount(*model, "not_sure", "glioma", "glioma", 1),
        OutcomeCount(*model, "tumor_signs", "glioma", NOTHING, 1),
        OutcomeCount(*model, "tumor_signs", "glioma", "glioma", 2),
    }


async def test_hidden_scan_is_not_counted_until_brought_back(db: Database, anna: Person) -> None:
    scan = await add(db, anna.id, a_scan())
    await db.outcomes.note(anna.id, scan.public_id, "glioma")
    await db.outcomes.share(anna.id, scan.public_id, shared=True)
    await db.scans.hide(anna.id, scan.public_id)
    assert await db.outcomes.counts() == ()
    assert await db.outcomes.shared() == ()
    assert await db.outcomes.note(anna.id, scan.public_id, NOTHING) is None
    await db.scans.restore(anna.id, scan.public_id)
    assert [one.found for one in await db.outcomes.shared()] == ["glioma"]
