"""How long a question waits that comes in one answer of Telegram's with 96 photos of other people."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from telegram import Update

from bot.settings import available_cores
from tests.bench.crowd import stage
from tests.bench.table import Row, at_most

PHOTOS, ROUNDS = 96, 5
ASKER = PHOTOS + 1
LONGEST_WAIT_MS = 300
TELEGRAMS_LIMIT = 30
"""Messages a second, over all chats."""


def rows() -> list[Row]:
    """The slowest of some rounds, each with a new bot, within Telegram's limits."""
    waits = [asyncio.run(_wait()) for _ in range(ROUNDS)]
    what = f"a command in one batch with {PHOTOS} photos of others: to its answer, slowest of {ROUNDS}"
    return [at_most(what, 1e3 * max(waits), LONGEST_WAIT_MS, "ms")]


def a_batch(number: int) -> list[dict[str, Any]]:
    """Photos of as many people, and a command of somebody else at the end; update ids from ``number``."""
    photo = [{"file_unique_id": "unique", "width": 640, "height": 480}]
    photos = [
        _update(number + chat_id, chat_id, photo=[{**photo[0], "file_id": f"file-{chat_id}"}])
        for chat_id in range(1, PHOTOS + 1)
    ]
    command = {"text": "/faq", "entities": [{"type": "bot_command", "offset": 0, "length": 4}]}
    return [*photos, _update(number + ASKER, ASKER, **command)]


def _update(number: int, chat_id: int, **message: Any) -> dict[str, Any]:
    person = {"id": chat_id, "first_name": "Ann", "is_bot": False}
    chat = {"id": chat_id, "type": "private", "first_name": "Ann"}
    common = {"message_id": number, "date": int(time.time()), "chat": chat, "from": person}
    return {"update_id": number, "message": common | message}


async def _wait() -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder), available_cores(), ASKER, TELEGRAMS_LIMIT) as running:
            await running.command(ASKER, "/help")  # what the first question has to wait for is made
            bot, queue = running.application.bot, running.services.deliveries.queue
            answered = running.ear.expect(ASKER, "sendMessage")
            began = time.perf_counter()
            await queue.put_all([Update.de_json(raw, bot) for raw in a_batch(10**7)])
            return await answered - began
