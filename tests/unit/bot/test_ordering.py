"""The order of things: own chat_queues, albums whole, nothing dropped unasked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from telegram import Chat, Document, Message, Update

from bot.delivery.inbox import Deliveries
from bot.delivery.ordering import COMMAND_SLOTS, Albums, ChatQueues, PerChatProcessor, QueueKind, queue_of
from bot.delivery.rate_limiter import lend_slot
from bot.delivery.storage_health import StorageHealth
from storage import Database
from tests.databases import database_at


def a_message(chat_id: int = 1, message_id: int = 1, album: str | None = None, text: str | None = None) -> Message:
    document = None if text else Document(f"file{message_id}", f"unique{message_id}")
    chat = Chat(chat_id, Chat.PRIVATE)
    return Message(message_id, datetime.now(UTC), chat, document=document, media_group_id=album, text=text)


def a_picture(chat_id: int = 1, update_id: int = 1, album: str | None = None) -> Update:
    return Update(update_id, message=a_message(chat_id, update_id, album))


def a_text(chat_id: int = 1, update_id: int = 1) -> Update:
    return Update(update_id, message=a_message(chat_id, update_id, text="/faq"))


class Desk:
    """A real inbox, and handlers that note when they begin and end, and wait until they are let go."""

    def __init__(self, database: Database, chat_queues: ChatQueues | None = None) -> None:
        self.chat_queues = chat_queues or ChatQueues()
        self.deliveries = Deliveries(database, StorageHealth(database))
        self.processor = PerChatProcessor(self.chat_queues, Albums(0.0), self.deliveries)
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.most = 0
        self.go = asyncio.Event()
        self.news = asyncio.Condition()

    async def handle(self, name: str, *, wait: bool = True) -> None:
        self.begun.append(name)
        self.most = max(self.most, len(self.begun) - len(self.ended))
        async with self.news:
            self.news.notify_all()
        if wait:
            await self.go.wait()
        self.ended.append(name)

    async def process(self, update: Update, name: str, *, wait: bool = True) -> "asyncio.Task[None]":
        """Take an update in, as the library does."""
        await self.deliveries.queue.put(update)
        return asyncio.create_task(self.processor.process_update(update, self.handle(name, wait=wait)))

    async def have_begun(self, *names: str) -> None:
        """Wait until exactly these have begun."""
        async with asyncio.timeout(60), self.news:
            await self.news.wait_for(lambda: len(self.begun) >= len(names))
        await settled()
        assert sorted(self.begun) == sorted(names)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(database_at(tmp_path / "bot.db"))
    yield database
    await database.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_persons_pictures_and_commands_use_separate_queues() -> None:
    assert queue_of(a_picture(5)) == (5, QueueKind.PICTURES)
    assert queue_of(a_text(5)) == (5, QueueKind.COMMANDS)
    assert queue_of("not an update") is None
    assert queue_of(Update(1)) is None


async def test_persons_pictures_are_handled_one_by_one_in_order(desk: Desk) -> None:
    tasks = [await desk.process(a_picture(1, number), f"picture {number}") for number in range(5)]
    await desk.have_begun("picture 0")
    desk.go.set()
    await asyncio.gather(*tasks)
    assert desk.ended == [f"picture {number}" for number in range(5)]
    assert desk.most == 1


async def test_a_suspect_goes_before_what_its_sender_sent_later(desk: Desk) -> None:
    desk.deliveries._quarantine.set_apart({1, 2}, seconds=60)
    slow = await desk.process(a_picture(1, 1), "slow suspect")
    await desk.have_begun("slow suspect")
    tasks = [await desk.process(a_picture(2, number), f"picture {number}", wait=False) for number in (2, 3)]
    await settled()
    desk.deliveries._quarantine._end()  # the time of the suspects is over
    await asyncio.gather(*tasks)
    assert desk.ended == ["picture 2", "picture 3"]
    desk.go.set()
    await slow


async def test_command_is_answered_during_the_same_persons_picture(desk: Desk) -> None:
    picture = await desk.process(a_picture(), "picture")
    await desk.have_begun("picture")
    await (await desk.process(a_text(1, 2), "command", wait=False))
    assert desk.ended == ["command"]
    desk.go.set()
    await picture


async def test_two_people_do_not_wait_for_each_other(desk: Desk) -> None:
    tasks = [await desk.process(a_picture(person, person), f"person {person}") for person in (1, 2)]
    await desk.have_begun("person 1", "person 2")
    desk.go.set()
    await asyncio.gather(*tasks)


async def test_one_persons_flood_takes_no_place_from_another(database: Database) -> None:
    desk = Desk(database, ChatQueues(most=1_000, most_of_one=500))
    flood = [await desk.process(a_picture(1, number), "flood") for number in range(200)]
    single = await desk.process(a_picture(2, 1_000), "single")
    await desk.have_begun("flood", "single")
    desk.go.set()
    await asyncio.gather(*flood, single)


async def test_concurrent_commands_stay_within_the_bound(desk: Desk) -> None:
    tasks = [await desk.process(a_text(person, person), "command") for person in range(1, COMMAND_SLOTS + 21)]
    await desk.have_begun(*["command"] * COMMAND_SLOTS)
    desk.go.set()
    await asyncio.gather(*tasks)
    assert len(desk.ended) == COMMAND_SLOTS + 20


async def test_update_without_room_is_turned_away_at_once(database: Database) -> None:
    desk = Desk(database, ChatQueues(most=3, most_of_one=2))
    rejected: list[int] = []

    async def tell(update: Update) -> None:
        if desk.deliveries.of(update).rejected:
            rejected.append(update.update_id)

    async def take(update: Update) -> "asyncio.Task[None]":
        await desk.deliveries.queue.put(update)
        return asyncio.create_task(desk.processor.process_update(update, tell(update)))

    held = [await desk.process(a_picture(1, number), f"{number}") for number in (1, 2)]
    await settled()
    await (await take(a_picture(1, 3)))
    held.append(await desk.process(a_picture(2, 4), "4"))
    await settled()
    await (await take(a_picture(3, 5)))
    assert rejected == [3, 5]
    desk.go.set()
    await asyncio.gather(*held)
    await (await take(a_picture(1, 6)))
    assert rejected == [3, 5]


async def test_cancel_drops_what_waits_and_nothing_that_comes_later(desk: Desk) -> None:
    tasks = [await desk.process(a_picture(1, number), f"picture {number}") for number in range(3)]
    other = await desk.process(a_picture(2, 8), "other person")
    await desk.have_begun("picture 0", "other person")
    assert desk.chat_queues.cancel(1) == (0, 1, 2)
    tasks.append(await desk.process(a_picture(1, 9), "later"))
    await settled()
    desk.go.set()
    await asyncio.gather(*tasks, other)
    assert sorted(desk.ended) == ["later", "other person", "picture 0"]


async def test_cancelled_handler_admits_next_and_leaves_no_queue(desk: Desk) -> None:
    given_up = await desk.process(a_picture(), "given up")
    await desk.have_begun("given up")
    given_up.cancel()
    await asyncio.wait({given_up})
    assert desk.chat_queues.waiting(1) == ()
    await (await desk.process(a_picture(1, 2), "next", wait=False))
    assert desk.ended == ["next"]


async def gathered(albums: Albums, updates: Sequence[Update]) -> list[list[int]]:
    """Ids of the messages that each update's handler is given."""
    for update in updates:
        albums.note(update)
    return [numbers(await albums.gather(update)) for update in updates]


def numbers(updates: Sequence[Update]) -> list[int]:
    return [update.message.message_id for update in updates if update.message]


async def test_album_goes_whole_and_ordered_to_one_handler() -> None:
    updates = [a_picture(1, number, "album") for number in (3, 1, 2)]
    assert await gathered(Albums(quiet=0), updates) == [[1, 2, 3], [], []]


async def test_a_picture_outside_albums_comes_at_once() -> None:
    async with asyncio.timeout(30):
        assert await gathered(Albums(quiet=60), [a_picture(1, 4)]) == [[4]]


async def test_equal_album_ids_of_two_people_stay_apart() -> None:
    updates = [a_picture(1, 1, "album"), a_picture(2, 2, "album")]
    assert await gathered(Albums(quiet=0), updates) == [[1], [2]]


async def test_item_arriving_during_the_wait_joins_its_album() -> None:
    albums = Albums(quiet=0.05)
    first, second = a_picture(1, 1, "album"), a_picture(1, 2, "album")
    albums.note(first)
    whole = asyncio.create_task(albums.gather(first))
    await settled()
    albums.note(second)
    assert numbers(await whole) == [1, 2]


async def test_late_album_item_is_read_alone() -> None:
    albums = Albums(quiet=0)
    assert await gathered(albums, [a_picture(1, 1, "album")]) == [[1]]
    assert await gathered(albums, [a_picture(1, 2, "album")]) == [[2]]


async def test_item_repeated_in_two_updates_joins_album_once() -> None:
    update, again = a_picture(1, 1, "album"), Update(2, message=a_message(1, 1, "album"))
    assert await gathered(Albums(quiet=0), [update, again]) == [[1], []]


async def test_album_leader_can_ask_for_album_repeatedly() -> None:
    albums, updates = Albums(quiet=0), [a_picture(1, number, "album") for number in (1, 2, 3)]
    assert await gathered(albums, updates) == [[1, 2, 3], [], []]
    assert numbers(await albums.gather(updates[0])) == [1, 2, 3]


async def test_next_item_leads_rest_when_leader_ends() -> None:
    albums, updates = Albums(quiet=0), [a_picture(1, number, "album") for number in (1, 2, 3)]
    assert await gathered(albums, updates[:2]) == [[1, 2], []]
    albums.leave(updates[0])
    albums.note(updates[2])
    assert numbers(await albums.gather(updates[1])) == [2, 3]


async def test_late_item_takes_nothing_from_its_album() -> None:
    albums, early, late = Albums(quiet=0), a_picture(1, 1, "album"), a_picture(1, 2, "album")
    assert await gathered(albums, [early]) == [[1]]
    albums.note(late)
    assert numbers(await albums.gather(early)) == [1]
    albums.leave(early)
    assert numbers(await albums.gather(late)) == [2]


async def test_who_waits_for_telegram_keeps_no_slot_from_others(desk: Desk) -> None:
    limit = asyncio.Event()

    async def answer_in_a_group() -> None:
        async with lend_slot.get()():
            await limit.wait()
        desk.ended.append("group")

    tasks = []
    for number in range(1, 2 * COMMAND_SLOTS + 1):
        update = a_text(-number, number)
        await desk.deliveries.queue.put(update)
        tasks.append(asyncio.create_task(desk.processor.process_update(update, answer_in_a_group())))
    await settled()
    await (await desk.process(a_text(1, 1_000), "private", wait=False))
    assert desk.ended == ["private"]
    limit.set()
    await asyncio.gather(*tasks)
    assert desk.ended.count("group") == 2 * COMMAND_SLOTS


async def test_a_slot_that_was_lent_is_taken_back_once(desk: Desk) -> None:
    async def two_requests_at_once() -> None:
        async def request() -> None:
            async with lend_slot.get()():
                await asyncio.sleep(0)

        await asyncio.gather(request(), request())

    for number in range(1, 2 * COMMAND_SLOTS):
        update = a_text(number, number)
        await desk.deliveries.queue.put(update)
        await desk.processor.process_update(update, two_requests_at_once())
    assert desk.processor._command_slots._value == COMMAND_SLOTS
