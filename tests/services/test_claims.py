"""Replicas on one database: who claims what, in which order, and what becomes of a dead one's work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import column, func, select, table, update

from storage import Database, ReceivedUpdate
from storage.broadcasts import Readers
from storage.claims import MOST_ADOPTED
from storage.replicas import DEAD_AFTER, GONE_AFTER, Identity, OtherReplicaError, ReplicaConnections
from storage.schema import REPLICAS

ALIKE = Identity("one:1", "0.1.0, schema 11", "abc", 30)


@pytest.fixture
async def first(url: str) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        yield await replica(url, stack)


@pytest.fixture
async def second(url: str, first: Database) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        yield await replica(url, stack)


async def replica(url: str, stack: AsyncExitStack, identity: Identity = ALIKE) -> Database:
    database = await Database.open(url)
    stack.push_async_callback(database.close)
    await database.replicas.join(identity, 7.0)
    return database


async def line_of(database: Database, stack: AsyncExitStack) -> ReplicaConnections:
    line = database.replica_connections()
    stack.push_async_callback(line.close)
    return line


def nothing() -> None:
    """For calls that nobody waits for."""


def an_update(number: int, chat_id: int | None = 5) -> ReceivedUpdate:
    return ReceivedUpdate(number, chat_id, f"update {number}")


async def claimed(database: Database) -> list[int]:
    return [one.update.update_id for one in await database.claims.claim()]


async def adopted(database: Database) -> list[int]:
    return [one.update.update_id for one in await database.claims.adopt()]


async def is_silent(database: Database, longer_than: timedelta = DEAD_AFTER) -> None:
    """As if a replica had not been heard of for longer than it takes to be taken for dead."""
    late = func.clock_timestamp() - (longer_than + timedelta(seconds=1))
    mine = REPLICAS.c.id == database._sessions.replica
    await database._sessions.write(lambda at: at.execute(update(REPLICAS).where(mine).values(beat_at=late)).rowcount)


async def test_whoever_gets_a_chats_first_update_holds_its_lease(first: Database, second: Database) -> None:
    assert (await first.claims.put(an_update(1)))[1]
    assert not (await second.claims.put(an_update(2)))[1]
    assert await claimed(second) == []
    assert await claimed(first) == [1, 2]
    assert (await second.claims.put(an_update(3, chat_id=6)))[1]
    assert await claimed(second) == [3]


async def test_a_chats_order_is_kept_whoever_received_it(first: Database, second: Database) -> None:
    for number in range(40):
        await (first, second)[number * 7 % 3 % 2].claims.put(an_update(number, chat_id=number % 4))
    told = {id(database): await claimed(database) for database in (first, second)}
    for numbers in told.values():
        assert numbers == sorted(numbers)
    assert sorted(number for numbers in told.values() for number in numbers) == list(range(40))
    chats = [{number % 4 for number in numbers} for numbers in told.values()]
    assert not chats[0] & chats[1]


async def test_the_holder_is_called_when_another_receives(first: Database, second: Database) -> None:
    async with AsyncExitStack() as stack:
        called, others = asyncio.Event(), asyncio.Event()
        await (await line_of(first, stack)).beat(called.set, nothing)
        await (await line_of(second, stack)).beat(others.set, nothing)
        await first.claims.put(an_update(1))
        assert not called.is_set()
        await second.claims.put(an_update(2))
        async with asyncio.timeout(5):
            await called.wait()
        assert not others.is_set()


async def test_what_a_dead_replica_had_is_adopted_in_order(first: Database, second: Database) -> None:
    await first.claims.put(an_update(1))
    await first.claims.put(an_update(2))
    assert await claimed(first) == [1, 2]
    await first.inbox.begin(1)
    assert await second.replicas.bury() == ()
    await is_silent(first)
    async with AsyncExitStack() as stack:
        everybody = asyncio.Event()
        await (await line_of(second, stack)).beat(nothing, everybody.set)
        assert await second.replicas.bury() == ("one:1",)
        async with asyncio.timeout(5):
            await everybody.wait()
        assert await (await line_of(first, stack)).beat(nothing, nothing) == 0, "it hears that it was taken for dead"
        assert await (await line_of(first, stack)).may_send(1, 0, 7, 23) is None
    again = await second.claims.adopt()
    assert [(one.update.update_id, one.update.attempts, one.was_claimed) for one in again] == [
        (1, 1, True),
        (2, 0, True),
    ]
    assert await first.inbox.begin(2) is None, "what is another's by now is not begun"
    assert await second.inbox.begin(2) is not None
    assert not (await first.claims.put(an_update(3)))[1]
    assert await claimed(second) == [3]


async def test_a_replica_whose_connection_ended_is_missed_sooner(first: Database, second: Database) -> None:
    async with AsyncExitStack() as stack:
        line = await line_of(first, stack)
        assert await line.beat(nothing, nothing) == 2
        await is_silent(first, GONE_AFTER)
        assert await second.replicas.bury() == (), "it is slow, and its connection says that it lives"
        await line.close()
        await is_silent(first, GONE_AFTER / 3)
        assert await second.replicas.bury() == (), "it may be making another connection"
        await is_silent(first, GONE_AFTER)
        assert await second.replicas.bury() == ("one:1",)


async def test_a_heartbeats_lost_connection_is_made_again_at_once(first: Database, second: Database) -> None:
    async with AsyncExitStack() as stack:
        line = await line_of(first, stack)
        await line.beat(nothing, nothing)
        end_others = select(func.count(func.pg_terminate_backend(column("pid")))).select_from(table("pg_stat_activity"))
        of_tests = (column("datname") == func.current_database(), column("pid") != func.pg_backend_pid())
        await second._sessions.read(lambda at: at.scalar(end_others.where(*of_tests)))
        assert await line.beat(nothing, nothing) == 2
        await is_silent(first, GONE_AFTER)
        assert await second.replicas.bury() == (), "the new connection tells that it lives"


async def test_two_adopt_at_once_and_pass_one_another_by(first: Database, second: Database, url: str) -> None:
    async with AsyncExitStack() as stack:
        gone = await replica(url, stack)
        count = 4 * MOST_ADOPTED
        await gone.claims.put(*(an_update(number, chat_id=number) for number in range(count)))
        await gone.claims.claim()
        await gone.replicas.leave()
    shares = await asyncio.gather(adopted(first), adopted(second))
    assert all(0 < len(share) <= MOST_ADOPTED for share in shares)
    assert not set(shares[0]) & set(shares[1])
    while share := [*await adopted(first), *await adopted(second)]:
        shares[0] += share
    assert sorted(number for share in shares for number in share) == list(range(count))


async def test_who_leaves_hands_on_without_blame(first: Database, second: Database) -> None:
    await first.claims.put(an_update(1))
    await claimed(first)
    await first.inbox.begin(1)
    await first.replicas.leave()
    (one,) = await second.claims.adopt()
    assert (one.update.update_id, one.update.attempts, one.update.kills) == (1, 0, 0)


async def test_only_an_idle_chats_lease_goes_back(first: Database, second: Database) -> None:
    await first.claims.put(an_update(1, chat_id=5), an_update(2, chat_id=6), an_update(3, chat_id=7))
    await claimed(first)
    await first.inbox.done(1, 2)
    assert await first.claims.give_back({6}) == 1
    assert (await second.claims.put(an_update(4, chat_id=5)))[1]
    assert not (await second.claims.put(an_update(5, chat_id=6)))[1]
    assert not (await second.claims.put(an_update(6, chat_id=7)))[1]


async def test_claims_that_were_never_heard_of_are_made_again(first: Database) -> None:
    await first.claims.put(an_update(1), an_update(2))
    assert await claimed(first) == [1, 2]
    await first.claims.keep_only([1])
    assert await claimed(first) == [2]


async def test_waiting_picture_is_released_by_whoever_hears_yes(first: Database, second: Database) -> None:
    await first.claims.put(an_update(1))
    await claimed(first)
    await first.inbox.await_consent(1)
    await first.claims.give_back(())
    await second.claims.put(an_update(2))
    assert await claimed(second) == [2]
    assert [one.update_id for one in await second.inbox.release(5)] == [1]
    assert await second.inbox.begin(1) is not None


async def test_all_replicas_together_keep_to_one_limit(first: Database, second: Database) -> None:
    async with AsyncExitStack() as stack:
        lines = [await line_of(database, stack) for database in (first, second)]
        answers = await asyncio.gather(*(line.may_send(1, 0, 7.0, 0.01) for line in lines for _ in range(10)))
        assert answers.count(0.0) == 7
        waits = [answer for answer in answers if answer]
        assert all(80 < wait <= 100 for wait in waits)
        assert await lines[0].may_send(1, 3, 7.0, 1000.0) == 0, "it fills with time"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(ALIKE, version="0.2.0, schema 11"), "has version 0.1.0, schema 11, and this one 0.2.0, schema 11"),
        (replace(ALIKE, models="xyz"), "has models abc, and this one xyz: give all the same MODELS_DIR"),
        (replace(ALIKE, messages_per_second=20), "has MESSAGES_PER_SECOND 30, and this one 20"),
    ],
)
async def test_a_replica_that_is_unlike_the_others_is_refused(
    first: Database, url: str, other: Identity, said: str
) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(OtherReplicaError, match=r"^REPLICAS: one:1") as error:
            await replica(url, stack, other)
        assert said in str(error.value)
        await is_silent(first)
        await replica(url, stack, other)


async def test_who_works_alone_is_refused_while_replicas_live(first: Database, url: str) -> None:
    alone = await Database.open(url)
    with pytest.raises(OtherReplicaError, match="set REPLICAS=true"):
        await alone.replicas.refuse_if_any()
    await first.claims.put(an_update(1))
    await claimed(first)
    await is_silent(first)
    await alone.replicas.refuse_if_any()
    assert [one.update_id for one in await alone.inbox.recover()] == [1]
    assert await alone.inbox.begin(1) is not None
    await alone.close()


async def test_a_clock_that_is_off_is_noticed(first: Database) -> None:
    def wrong() -> datetime:
        return datetime.now(UTC) - timedelta(minutes=5)

    assert abs(await first.replicas.clock_ahead()) < 2
    assert -302 < await first.replicas.clock_ahead(wrong) < -298


async def test_recipients_of_a_dead_replica_wait_again(first: Database, second: Database) -> None:
    for number in range(3):
        await first.people.register(number + 1, "", "en")
    draft = await first.broadcasts.draft("hello", 1)
    await first.broadcasts.start(draft.id, Readers())
    one = await first.broadcasts.take()
    two = await second.broadcasts.take()
    assert one is not None
    assert two is not None
    await first.replicas.leave()
    again = await second.broadcasts.take()
    assert again is not None
    assert again[0] == one[0]
