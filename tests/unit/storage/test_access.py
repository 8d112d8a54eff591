"""Invitations and blocks: no more people come in than a code has uses, and a block outlives a deletion."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage import Database
from storage.access import Standing
from tests.unit.storage.conftest import ANNA, BORIS

TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def test_code_lets_in_as_many_as_it_has_uses(db: Database) -> None:
    invitation = await db.access.invite(2, TOMORROW)
    assert [await db.access.redeem(chat, invitation.code) for chat in (1, 2, 3)] == [True, True, False]
    assert [await db.access.of(chat) for chat in (1, 3)] == [Standing.INVITED, Standing.UNKNOWN]
    assert await db.access.invitations(9) == ()


async def test_last_use_goes_to_one_of_many(db: Database, file: Path) -> None:
    """Through two openings of the file, as two processes have them."""
    other = await Database.open(f"sqlite+aiosqlite:///{file}")
    invitation = await db.access.invite(3, TOMORROW)
    let_in = await asyncio.gather(
        *((db, other)[chat % 2].access.redeem(chat, invitation.code) for chat in range(1, 41))
    )
    await other.close()
    assert sum(let_in) == 3
    assert sum([await db.access.of(chat) is Standing.INVITED for chat in range(1, 41)]) == 3


async def test_opening_a_link_again_uses_nothing_up(db: Database) -> None:
    invitation = await db.access.invite(2, TOMORROW)
    assert [await db.access.redeem(ANNA, invitation.code) for _ in range(3)] == [True] * 3
    assert (await db.access.invitations(9))[0].uses_left == 1


@pytest.mark.parametrize("code", ["", "x" * 16, "%", "' OR 1=1 --", "\ud800", "a\0b"])
async def test_a_made_up_code_lets_nobody_in(db: Database, code: str) -> None:
    await db.access.invite(1, TOMORROW)
    assert not await db.access.redeem(ANNA, code)
    assert await db.access.of(ANNA) is Standing.UNKNOWN


async def test_expired_or_withdrawn_code_lets_nobody_in(db: Database) -> None:
    old = await db.access.invite(5, datetime.now(UTC) - timedelta(seconds=1))
    withdrawn = await db.access.invite(5, TOMORROW)
    assert await db.access.withdraw(withdrawn.id)
    assert not await db.access.withdraw(withdrawn.id)
    assert [await db.access.redeem(ANNA, one.code) for one in (old, withdrawn)] == [False, False]
    assert await db.access.forget_expired() == 1


async def test_no_two_codes_are_alike(db: Database) -> None:
    codes = {(await db.access.invite(1, TOMORROW)).code for _ in range(50)}
    assert len(codes) == 50
    assert all(len(code) == 16 for code in codes)


async def test_block_goes_before_invitation_and_can_be_undone(db: Database) -> None:
    invitation = await db.access.invite(1, TOMORROW)
    await db.access.redeem(ANNA, invitation.code)
    assert [await db.access.block(ANNA), await db.access.block(ANNA)] == [True, False]
    assert await db.access.of(ANNA) is Standing.BLOCKED
    assert await db.access.unblock(ANNA)
    assert await db.access.of(ANNA) is Standing.INVITED


async def test_somebody_who_never_wrote_can_be_blocked_and_unblocked(db: Database) -> None:
    assert not await db.access.unblock(BORIS)
    assert await db.access.block(BORIS)
    assert await db.access.unblock(BORIS)
    assert await db.access.of(BORIS) is Standing.UNKNOWN


async def test_an_invited_person_who_deletes_everything_leaves_no_trace(
    db: Database, raw: sqlite3.Connection, file: Path
) -> None:
    await db.people.register(ANNA, "", "en")
    await db.access.redeem(ANNA, (await db.access.invite(1, TOMORROW)).code)
    await db.people.delete(ANNA)
    assert raw.execute("SELECT count(*) FROM access").fetchone() == (0,)


async def test_a_block_does_not_end_by_deleting_everything(db: Database) -> None:
    await db.people.register(ANNA, "", "en")
    await db.access.redeem(ANNA, (await db.access.invite(1, TOMORROW)).code)
    await db.access.block(ANNA)
    await db.people.delete(ANNA)
    assert await db.access.of(ANNA) is Standing.BLOCKED
    await db.access.unblock(ANNA)
    assert await db.access.of(ANNA) is Standing.UNKNOWN


async def test_block_counts_here_at_once_elsewhere_soon(
    db: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await Database.open(f"sqlite+aiosqlite:///{file}")
    assert not await db.access.is_blocked(ANNA)
    assert not await other.access.is_blocked(ANNA)
    await other.access.block(ANNA)
    assert await other.access.is_blocked(ANNA)
    assert not await other.access.is_blocked(BORIS)
    monkeypatch.setattr("storage.access.FRESH", 0.0)
    db.access._blocked_until = 0.0  # as if that time had gone by
    assert await db.access.is_blocked(ANNA)
    await other.access.unblock(ANNA)
    assert not await other.access.is_blocked(ANNA)
    assert not await db.access.is_blocked(ANNA)
    await other.close()
