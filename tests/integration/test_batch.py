"""Many updates in one answer of Telegram's: who asked a question does not wait behind other people's pictures."""

import asyncio
from pathlib import Path

import pytest
from telegram import Update

from bot.app import build
from bot.chat.context import CONSENT_VERSION
from bot.delivery.shutdown import Shutdown, drain
from bot.settings import load_settings
from inference.workers.local import LocalExecutor
from tests.bench.batch import ASKER, PHOTOS, a_batch
from tests.bench.crowd import TOKEN
from tests.bench.offline import InstantTelegram
from tests.content import services_of
from tests.pictures import brain

pytestmark = pytest.mark.telegrams_pace

AHEAD = PHOTOS // 4
"""Receipts that may leave before the answer: seven at once, and more while a slow machine makes it; never most."""


async def test_a_question_behind_96_photos_is_answered_first(tmp_path: Path, workers: LocalExecutor) -> None:
    settings = load_settings(
        _env_file=None, telegram_bot_token=TOKEN, database_url=f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}"
    )
    texts: list[int | None] = []
    answered = asyncio.Event()

    def notice(endpoint: str, chat_id: int | None) -> None:
        if endpoint == "sendMessage":
            texts.append(chat_id)
            if chat_id == ASKER:
                answered.set()

    photo, shutdown = brain(64), Shutdown()
    instant = InstantTelegram(lambda _: photo, notice)
    async with services_of(settings, workers) as services:
        for chat_id in range(1, PHOTOS + 1):
            await services.database.people.register(chat_id, "Ann", "en")
            await services.database.people.give_consent(chat_id, CONSENT_VERSION)
        application = build(settings, services)
        application.bot._request = (instant, instant)
        async with application:
            await application.start()
            await services.deliveries.queue.put_all([Update.de_json(raw, application.bot) for raw in a_batch(1)])
            async with asyncio.timeout(60):
                await answered.wait()
            shutdown.ask()
            await drain(application, shutdown, 0.0)
    assert texts.index(ASKER) < AHEAD
