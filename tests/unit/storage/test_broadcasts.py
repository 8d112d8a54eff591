"""A message to everybody: each gets it once, whoever sends it and however often that is interrupted."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from storage import Database
from storage.broadcasts import BLOCKED, FAILED, SENT, Readers
from storage.schema import PEOPLE

ADMIN = 99


async def people(db: Database, count: int) -> None:
    for chat_id in range(1, count + 1):
        await db.people.register(chat_id, "", "en")


async def taken_up(db: Database) -> list[tuple[int, int, str]]:
    """Everybody who is given out now."""
    given = []
    while (one := await db.broadcasts.take()) is not None:
        given.append(one)
    return given


async def test_nobody_gets_a_draft(db: Database) -> None:
    await people(db, 3)
    draft = await db.broadcasts.draft("Hello", ADMIN)
    assert await db.broadcasts.take() is None
    assert await db.broadcasts.forget_draft(draft.id)
    assert await db.broadcasts.start(draft.id, Readers()) is None


async def test_a_second_draft_takes_the_place_of_the_first(db: Database) -> None:
    first, second = [await db.broadcasts.draft(text, ADMIN) for text in ("one", "two")]
    assert await db.broadcasts.start(first.id, Readers()) is None
    assert await db.broadcasts.start(second.id, Readers()) is not None


async def test_it_begins_once_and_goes_to_each_once(db: Database) -> None:
    await people(db, 5)
    draft = await db.broadcasts.draft("Hello", ADMIN)
    begun = await asyncio.gather(*(db.broadcasts.start(draft.id, Readers()) for _ in range(4)))
    assert [one.recipients for one in begun if one] == [5]
    given = await taken_up(db)
    assert sorted(chat_id for _, chat_id, _ in given) == [1, 2, 3, 4, 5]
    ended = [await db.broadcasts.settle(recipient, SENT) for recipient, _, _ in given]
    assert [one.sent for one in ended if one] == [5]
    assert await db.broadcasts.end_idle() == ()


async def test_two_processes_never_take_the_same_recipient(db: Database, file: Path) -> None:
    await people(db, 30)
    await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    other = await Database.open(f"sqlite+aiosqlite:///{file}")
    given = await asyncio.gather(*((db, other)[turn % 2].broadcasts.take() for turn in range(40)))
    await other.close()
    chats = [one[1] for one in given if one]
    assert sorted(chats) == list(range(1, 31))


async def test_only_unnoted_messages_of_killed_process_are_resent(db: Database, file: Path) -> None:
    await people(db, 6)
    await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    for _ in range(3):
        taken = await db.broadcasts.take()
        assert taken is not None
        await db.broadcasts.settle(taken[0], SENT)
    on_its_way = await db.broadcasts.take()
    assert on_its_way is not None
    after = await Database.open(f"sqlite+aiosqlite:///{file}")
    await after.broadcasts.resume()
    given = await taken_up(after)
    last = await after.broadcasts.last()
    await after.close()
    assert sorted(chat_id for _, chat_id, _ in given) == [4, 5, 6]
    assert on_its_way[1] == 4
    assert last is not None
    assert (last.state, last.recipients, last.sent) == ("sending", 6, 3)


async def test_of_several_processes_another_takes_over_after_a_while(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people(db, 1)
    await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    assert await db.broadcasts.take() is not None
    assert await db.broadcasts.take() is None
    monkeypatch.setattr("storage.broadcasts.LEASE", timedelta(0))
    assert await db.broadcasts.take() is not None


async def test_blocked_people_are_left_out_and_counted(db: Database) -> None:
    await people(db, 6)
    await db.people.set_blocked(1, blocked=True)
    await db.access.block(2)
    assert await db.broadcasts.audience(Readers()) == (4, 2)
    begun = await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    assert begun is not None
    states = [SENT, BLOCKED, FAILED, SENT]
    given = await taken_up(db)
    ended = [await db.broadcasts.settle(one[0], state) for one, state in zip(given, states, strict=True)]
    assert ended[:3] == [None] * 3
    assert ended[3] is not None
    assert (ended[3].recipients, ended[3].sent, ended[3].blocked, ended[3].failed) == (6, 2, 3, 1)
    assert await db.broadcasts.last() == ended[3]


@pytest.mark.parametrize(
    ("readers", "reached", "skipped"),
    [
        (Readers(), [1, 2, 3, 6], 2),
        (Readers(frozenset({1, 4, 77}), invited=True), [1, 3], 2),
        (Readers(frozenset({1, 4, 77})), [1], 1),
        (Readers(frozenset()), [], 0),
    ],
    ids=["everybody", "named or invited", "named", "nobody"],
)
async def test_nobody_beside_readers_gets_it_or_is_counted(
    db: Database, readers: Readers, reached: list[int], skipped: int
) -> None:
    await people(db, 6)
    invitation = await db.access.invite(9, datetime.now(UTC) + timedelta(days=1))
    for invited in (3, 5):
        await db.access.redeem(invited, invitation.code)
    for blocked in (4, 5):
        await db.access.block(blocked)
    assert await db.broadcasts.audience(readers) == (len(reached), skipped)
    begun = await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, readers)
    assert begun is not None
    assert (begun.recipients, begun.blocked) == (len(reached) + skipped, skipped)
    assert [chat_id for _, chat_id, _ in await taken_up(db)] == reached


async def test_who_could_not_be_sent_to_waits_again(db: Database) -> None:
    await people(db, 1)
    await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    first = await db.broadcasts.take()
    assert first is not None
    assert await db.broadcasts.settle(first[0], None) is None
    assert await db.broadcasts.take() == first


async def test_it_can_be_stopped_in_the_middle(db: Database) -> None:
    await people(db, 5)
    begun = await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    first = await db.broadcasts.take()
    assert begun is not None
    assert first is not None
    await db.broadcasts.settle(first[0], SENT)
    stopped = await db.broadcasts.stop(begun.id)
    assert stopped is not None
    assert (stopped.state, stopped.sent, stopped.recipients) == ("stopped", 1, 5)
    assert await db.broadcasts.take() is None
    assert await db.broadcasts.stop(begun.id) is None


async def test_it_ends_although_its_last_recipient_deletes_everything(db: Database) -> None:
    await people(db, 2)
    await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    first = await db.broadcasts.take()
    assert first is not None
    assert await db.broadcasts.settle(first[0], SENT) is None
    await db.people.delete(2)
    [ended] = await db.broadcasts.end_idle()
    assert (ended.state, ended.sent, ended.recipients) == ("done", 1, 2)


async def test_ten_thousand_are_written_down_at_once(db: Database) -> None:
    fresh = {"name": "", "language": "en", "blocked": False, "created_at": datetime.now(UTC)}
    rows = [{**fresh, "chat_id": chat_id} for chat_id in range(1, 10_001)]
    await db._sessions.write(lambda at: at.execute(insert(PEOPLE), rows).rowcount)
    begun = await db.broadcasts.start((await db.broadcasts.draft("Hello", ADMIN)).id, Readers())
    assert begun is not None
    assert begun.recipients == 10_000
    assert await db.broadcasts.take() is not None
