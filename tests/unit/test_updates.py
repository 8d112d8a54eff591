"""The order of things: own lanes, albums whole, nothing dropped unasked."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from telegram import Chat, Document, Message, Update

from bot.updates import AT_WORK, Albums, Lane, Lanes, PersonalOrder, lane_of
from bot.waiting import MOST_PEOPLE, MOST_PICTURES, WaitingRoom


def a_message(chat_id: int = 1, message_id: int = 1, album: str | None = None, text: str | None = None) -> Message:
    document = None if text else Document(f"file{message_id}", f"unique{message_id}")
    chat = Chat(chat_id, Chat.PRIVATE)
    return Message(message_id, datetime.now(UTC), chat, document=document, media_group_id=album, text=text)


def a_picture(chat_id: int = 1, update_id: int = 1, album: str | None = None) -> Update:
    return Update(update_id, message=a_message(chat_id, update_id, album))


def a_text(chat_id: int = 1, update_id: int = 1) -> Update:
    return Update(update_id, message=a_message(chat_id, update_id, text="/faq"))


class Desk:
    """Handlers that note when they begin and end, and wait until they are let go."""

    def __init__(self, *, quiet: float = 0.0) -> None:
        self.lanes = Lanes()
        self.albums = Albums(quiet)
        self.processor = PersonalOrder(self.lanes, self.albums)
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.most = 0
        self.go = asyncio.Event()

    async def handle(self, name: str, *, wait: bool = True) -> None:
        self.begun.append(name)
        self.most = max(self.most, len(self.begun) - len(self.ended))
        if wait:
            await self.go.wait()
        self.ended.append(name)

    def process(self, update: Update, name: str, *, wait: bool = True) -> "asyncio.Task[None]":
        return asyncio.create_task(self.processor.process_update(update, self.handle(name, wait=wait)))


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_pictures_and_commands_of_a_person_go_in_different_lanes() -> None:
    assert lane_of(a_picture(5)) == (5, Lane.PICTURES)
    assert lane_of(a_text(5)) == (5, Lane.COMMANDS)
    assert lane_of("not an update") is None
    assert lane_of(Update(1)) is None


async def test_a_persons_pictures_are_handled_one_after_another_in_their_order() -> None:
    desk = Desk()
    tasks = [desk.process(a_picture(1, number), f"picture {number}") for number in range(5)]
    await settled()
    assert desk.begun == ["picture 0"]
    desk.go.set()
    await asyncio.gather(*tasks)
    assert desk.ended == [f"picture {number}" for number in range(5)]
    assert desk.most == 1


async def test_a_command_is_answered_while_the_same_persons_picture_is_in_work() -> None:
    desk = Desk()
    picture = desk.process(a_picture(), "picture")
    await settled()
    await desk.process(a_text(), "command", wait=False)
    assert desk.ended == ["command"]
    desk.go.set()
    await picture


async def test_two_people_do_not_wait_for_each_other() -> None:
    desk = Desk()
    tasks = [desk.process(a_picture(person), f"person {person}") for person in (1, 2)]
    await settled()
    assert desk.begun == ["person 1", "person 2"]
    desk.go.set()
    await asyncio.gather(*tasks)


async def test_one_persons_thousand_waiting_pictures_take_no_place_from_another() -> None:
    desk = Desk()
    flood = [desk.process(a_picture(1, number), "flood") for number in range(1_000)]
    single = desk.process(a_picture(2), "single")
    await settled()
    assert desk.begun == ["flood", "single"]
    desk.go.set()
    await asyncio.gather(*flood, single)


async def test_no_more_than_the_bound_are_in_work_at_once() -> None:
    desk = Desk()
    tasks = [desk.process(a_picture(person), "scan") for person in range(AT_WORK + 20)]
    await settled()
    assert len(desk.begun) == AT_WORK
    desk.go.set()
    await asyncio.gather(*tasks)
    assert len(desk.ended) == AT_WORK + 20


async def test_cancel_drops_what_waits_and_nothing_that_comes_later() -> None:
    desk = Desk()
    tasks = [desk.process(a_picture(1, number), f"picture {number}") for number in range(3)]
    other = desk.process(a_picture(2), "other person")
    await settled()
    assert desk.lanes.cancel(1) == 3
    tasks.append(desk.process(a_picture(1, 9), "later"))
    desk.go.set()
    await asyncio.gather(*tasks, other)
    assert sorted(desk.ended) == ["later", "other person", "picture 0"]


async def test_a_handler_that_fails_lets_the_next_one_in_and_leaves_no_lane_behind() -> None:
    lanes = Lanes()
    processor = PersonalOrder(lanes, Albums())

    async def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await processor.process_update(a_picture(), fail())
    assert lanes.waiting(1) == 0
    desk = Desk()
    await desk.process(a_picture(), "next", wait=False)
    assert desk.ended == ["next"]


async def gathered(albums: Albums, updates: Sequence[Update]) -> list[list[int]]:
    """Ids of the messages that each update's handler is given."""
    for update in updates:
        albums.note(update)
    messages = [update.message for update in updates if update.message]
    return [[item.message_id for item in await albums.gather(message)] for message in messages]


async def test_an_album_is_handed_over_whole_to_one_handler_in_the_order_it_was_sent() -> None:
    updates = [a_picture(1, number, "album") for number in (3, 1, 2)]
    assert await gathered(Albums(quiet=0), updates) == [[1, 2, 3], [], []]


async def test_a_picture_outside_albums_comes_at_once() -> None:
    async with asyncio.timeout(0.5):
        assert await gathered(Albums(quiet=60), [a_picture(1, 4)]) == [[4]]


async def test_albums_of_two_people_with_the_same_id_stay_apart() -> None:
    updates = [a_picture(1, 1, "album"), a_picture(2, 2, "album")]
    assert await gathered(Albums(quiet=0), updates) == [[1], [2]]


async def test_an_item_that_comes_while_the_album_is_waited_for_belongs_to_it() -> None:
    albums = Albums(quiet=0.05)
    first, second = a_picture(1, 1, "album"), a_picture(1, 2, "album")
    albums.note(first)
    assert first.message is not None
    whole = asyncio.create_task(albums.gather(first.message))
    await settled()
    albums.note(second)
    assert [item.message_id for item in await whole] == [1, 2]


async def test_an_item_that_comes_too_late_is_read_on_its_own() -> None:
    albums = Albums(quiet=0)
    assert await gathered(albums, [a_picture(1, 1, "album")]) == [[1]]
    assert await gathered(albums, [a_picture(1, 2, "album")]) == [[2]]


async def test_the_same_item_delivered_twice_is_in_its_album_once() -> None:
    update = a_picture(1, 1, "album")
    assert await gathered(Albums(quiet=0), [update, update]) == [[1], []]


def test_pictures_that_wait_for_a_yes_come_back_in_order_and_once() -> None:
    room = WaitingRoom()
    updates = [a_picture(1, number) for number in range(3)]
    assert [room.add(1, update) for update in updates] == [1, 2, 3]
    assert room.take(2) == []
    assert room.take(1) == updates
    assert room.take(1) == []


def test_the_waiting_room_is_bounded_by_person_and_in_all() -> None:
    room = WaitingRoom()
    places = [room.add(0, a_picture(0, number)) for number in range(MOST_PICTURES + 1)]
    assert places == [*range(1, MOST_PICTURES + 1), None]
    for person in range(1, MOST_PEOPLE + 1):
        room.add(person, a_picture(person))
    assert room.take(0) == []
    assert len(room.take(MOST_PEOPLE)) == 1
