"""Counts for administrators: they outlive what was deleted, and name nobody."""

import sqlite3
from datetime import UTC, datetime, timedelta

from storage import Database, Person
from tests.unit.storage.conftest import ANNA, a_scan, add

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


async def test_what_happens_on_a_day_is_counted_together(db: Database) -> None:
    for certainty in (0.9, 0.7):
        await db.statistics.count("verdict", "tumor_signs", "brain_mri", certainty)
    await db.statistics.count("refusal", "too_dark")
    refused, verdict = await db.statistics.tallies(YESTERDAY.date())
    assert (verdict.organ, verdict.name, verdict.count, round(verdict.certainty, 6)) == (
        "brain_mri", "tumor_signs", 2, 1.6,
    )  # fmt: skip
    assert (refused.subject, refused.name, refused.count) == ("refusal", "too_dark", 1)
    assert await db.statistics.tallies(datetime.now(UTC).date() + timedelta(days=1)) == ()


async def test_the_overview_counts_people_scans_and_what_waits(
    db: Database, anna: Person, boris: Person, raw: sqlite3.Connection
) -> None:
    await db.people.give_consent(ANNA, 1)
    await db.people.set_blocked(boris.chat_id, blocked=True)
    for number in range(3):
        await add(db, anna.id, a_scan(f"{number}"))
    raw.execute(
        "INSERT INTO inbox (id, update_id, chat_id, payload, state, attempts, kills, messages, error, received_at,"
        " finished_at) VALUES (1, 1, 1, '', 'waiting', 0, 0, '{}', NULL, '2026-01-02 00:00:00.000000', NULL),"
        " (2, 2, 1, '', 'working', 0, 0, '{}', NULL, '2026-01-01 00:00:00.000000', NULL),"
        " (3, 3, 1, '', 'awaiting_consent', 0, 0, '{}', NULL, '2025-01-01 00:00:00.000000', NULL),"
        " (4, 4, 1, '', 'dead_letter', 0, 0, '{}', NULL, '2025-01-01 00:00:00.000000', '2025-01-01 00:00:00.000000'),"
        " (5, 5, 1, '', 'done', 0, 0, '{}', NULL, '2025-01-01 00:00:00.000000', '2025-01-01 00:00:00.000000')"
    )
    raw.commit()
    found = await db.statistics.overview(YESTERDAY)
    assert (found.people, found.consented, found.blocked_us, found.active, found.scans) == (2, 1, 1, 1, 3)
    assert (found.waiting, found.awaiting_consent, found.dead_letters) == (2, 1, 1)
    assert found.oldest_waiting == datetime(2026, 1, 1, tzinfo=UTC)
    besides = await db.statistics.overview(YESTERDAY, besides=1)
    assert (besides.waiting, besides.dead_letters) == (1, 1)
    assert found.busiest == ((ANNA, 3),)


async def test_an_empty_database_has_an_overview(db: Database) -> None:
    found = await db.statistics.overview(YESTERDAY)
    assert (found.people, found.scans, found.waiting, found.oldest_waiting, found.busiest) == (0, 0, 0, None, ())
