"""How long a question waits that comes in one answer of Telegram's with 96 photos of other people."""

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from telegram import Update

from bot.capacity import available_cores
from tests.bench.crowd import Stage, stage
from tests.bench.table import Row, at_most, percentile, percentiles

PHOTOS, ROUNDS = 96, 5
ASKER = PHOTOS + 1
LONGEST_WAIT_MS = 300
TEXTS = 40
FLOODS = (("200 groups send five commands each", 200, 5), ("somebody else sends 10,000 texts", 1, 10_000))
TELEGRAMS_LIMIT = 30
"""Messages a second, over all chats."""


def rows() -> list[Row]:
    """The slowest of some rounds, each with a new bot, within Telegram's limits."""
    waits = [asyncio.run(_wait()) for _ in range(ROUNDS)]
    what = f"a command in one batch with {PHOTOS} photos of others: to its answer, slowest of {ROUNDS}"
    return [at_most(what, 1e3 * max(waits), LONGEST_WAIT_MS, "ms"), *(_flood_row(*flood) for flood in FLOODS)]


def _flood_row(what: str, senders: int, each: int) -> Row:
    waits = asyncio.run(_flooded(senders, each))
    reached = percentile(waits, 95) * 1e3 <= LONGEST_WAIT_MS
    return Row(
        f"a private text while {what}, p50 / p95", percentiles(waits, 50, 95), f"p95 ≤ {LONGEST_WAIT_MS} ms", reached
    )


async def _flooded(senders: int, each: int) -> list[float]:
    """Seconds that texts of other people wait, two of them a second, from the moment when the flood has begun."""
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder), available_cores(), TEXTS + 1, TELEGRAMS_LIMIT) as running:
            await running.command(TEXTS + 1, "/help")
            flood = asyncio.create_task(_flood(running, senders, each))
            waits = []
            for chat_id in range(1, TEXTS + 1):
                waits.append(await running.command(chat_id, "/faq"))
                await asyncio.sleep(0.5)
            await flood
            return waits


async def _flood(running: Stage, senders: int, each: int) -> None:
    """In batches, as they are fetched; groups when there are several senders, else one person."""
    bot, queue = running.application.bot, running.services.deliveries.queue
    command = {"text": "/faq", "entities": [{"type": "bot_command", "offset": 0, "length": 4}]}
    numbers = itertools.count(10**8)
    chats = [chat_id for _ in range(each) for chat_id in (range(-senders, 0) if senders > 1 else (10**6,))]
    for start in range(0, len(chats), 100):
        batch = [_update(next(numbers), chat_id, **command) for chat_id in chats[start : start + 100]]
        await queue.put_all([Update.de_json(raw, bot) for raw in batch])


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
    person = {"id": abs(chat_id), "first_name": "Ann", "is_bot": False}
    chat: dict[str, Any] = {"id": chat_id, "type": "private", "first_name": "Ann"}
    if chat_id < 0:
        chat = {"id": chat_id, "type": "supergroup", "title": "Family"}
    common = {"message_id": number, "date": int(time.time()), "chat": chat, "from": person}
    return {"update_id": number, "message": common | message}


async def _wait() -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder), available_cores(), ASKER, TELEGRAMS_LIMIT) as running:
            await running.command(ASKER, "/help")  # what the first question has to wait for is made
            bot, queue = running.application.bot, running.services.deliveries.queue
            answered = running.requests.expect(ASKER, "sendMessage")
            began = time.perf_counter()
            await queue.put_all([Update.de_json(raw, bot) for raw in a_batch(10**7)])
            return await answered - began
