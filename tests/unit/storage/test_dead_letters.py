"""Dead letters: what could not be handled waits for the operator, who may let it be tried again."""

import sqlite3
from datetime import UTC, datetime, timedelta

from storage import Database
from storage.inbox import TEXT_STEP
from tests.unit.storage.conftest import in_no_order, put

LATER = datetime.now(UTC) + timedelta(days=400)


async def test_dead_letter_keeps_traceback_and_is_not_retried(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 1)
    await db.inbox.dead_letter(1, "Traceback: \0 lone \ud800")
    assert await db.inbox.begin(1) is None
    row = raw.execute("SELECT state, payload, error FROM inbox").fetchone()
    assert row == ("dead_letter", "update 1", "Traceback:  lone ?")


async def test_dead_letters_are_told_oldest_first_and_tried_again(db: Database, raw: sqlite3.Connection) -> None:
    await put(db, 5, 3)
    await db.inbox.fail(3)
    for update_id, error in ((3, "second"), (5, "first")):
        await db.inbox.dead_letter(update_id, error)
    letters = await db.inbox.dead_letters()
    assert [(one.update_id, one.attempts, one.error) for one in letters] == [(5, 0, "first"), (3, 1, "second")]
    with in_no_order():
        assert await db.inbox.dead_letters() == letters
    assert all(LATER > one.finished_at >= one.received_at for one in letters)
    assert [await db.inbox.try_again(update_id) for update_id in (3, 3, 7)] == [True, False, False]
    [kept] = await db.inbox.recover()
    assert (kept.update_id, kept.payload, kept.attempts, kept.kills) == (3, "update 3", 0, 0)
    assert raw.execute("SELECT error, finished_at FROM inbox WHERE update_id = 3").fetchone() == (None, None)
    assert [one.update_id for one in await db.inbox.dead_letters()] == [5]


async def test_retried_dead_letter_says_its_own_texts_anew(db: Database) -> None:
    await put(db, 1, 2)
    for update_id in (1, 2):
        await db.inbox.record(update_id, f"{TEXT_STEP}hello", 40 + update_id)
        await db.inbox.record(update_id, "picture", 50 + update_id)
    await db.inbox.dead_letter(2, "broken")
    assert await db.inbox.try_again(2)
    assert await db.inbox.recorded(1, 2) == {1: {f"{TEXT_STEP}hello": 41, "picture": 51}, 2: {"picture": 52}}
