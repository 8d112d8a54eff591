"""What is told of a database that is slow or fails, and to whom."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from telegram import Chat, Message, Update

from bot.delivery.storage_health import StorageHealth
from storage import Database
from storage.errors import StorageDownError
from tests.databases import database_at

ANNA = Chat(5, Chat.PRIVATE)


def a_text(update_id: int, chat: Chat = ANNA) -> Update:
    return Update(update_id, message=Message(update_id, datetime.now(UTC), chat, text="hello"))


@pytest.fixture
async def health(tmp_path: Path) -> AsyncIterator[StorageHealth]:
    database = await Database.open(database_at(tmp_path / "bot.db"))
    yield StorageHealth(database)
    await database.close()


class Told:
    """Chats that were told, in order."""

    def __init__(self) -> None:
        self.chats: list[int] = []

    async def apologise(self, _: Update, chat_id: int) -> None:
        self.chats.append(chat_id)


async def test_long_wait_for_locked_database_is_told_once(health: StorageHealth) -> None:
    told, unlocked = Told(), asyncio.Event()
    updates = [a_text(1), a_text(2), a_text(3, Chat(-6, Chat.GROUP))]

    async def work() -> None:
        await unlocked.wait()

    keeping = asyncio.create_task(health.keep(work(), updates, told.apologise, tell_after=0.01))
    async with asyncio.timeout(30):
        while not told.chats:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert not keeping.done()
    unlocked.set()
    await keeping
    assert told.chats == [ANNA.id]


async def test_what_is_kept_at_once_needs_no_word(health: StorageHealth) -> None:
    told = Told()

    async def work() -> None:
        return

    await health.keep(work(), [a_text(1)], told.apologise)
    assert told.chats == []


async def test_what_can_not_be_kept_is_told_and_raised(health: StorageHealth) -> None:
    told = Told()

    async def work() -> None:
        raise StorageDownError("full")

    with pytest.raises(StorageDownError):
        await health.keep(work(), [a_text(1)], told.apologise)
    assert told.chats == [ANNA.id]
    assert not health.is_well
