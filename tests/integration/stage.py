"""A bot with real application and database that is given updates by hand, Telegram answered inside the process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telegram import Update

from bot.app import build
from bot.chat.context import BotApplication, Services
from bot.delivery.ordering import PerChatProcessor
from bot.delivery.shutdown import Shutdown, drain
from bot.scan.executors import local_executor
from bot.settings import load_settings
from tests.bench.crowd import TOKEN
from tests.bench.offline import InstantTelegram
from tests.content import services_of
from tests.databases import database_at

ANNA = 7_315_224_601
NAME, USERNAME = "Quixotria", "zwrtlbrmft"


@dataclass
class Stage:
    """A bot that is given updates by hand; its workers are not started."""

    application: BotApplication
    services: Services
    requests: list[tuple[str, int | None]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    told: list[tuple[int | None, str]] = field(default_factory=list)
    """Chat and text, in the order of sending."""
    number: int = 0

    def an_update(self, **content: Any) -> Update:
        self.number += 1
        return Update.de_json({"update_id": self.number, **content}, self.application.bot)

    async def handle(self, *updates: Update) -> None:
        """Put updates in the queue, and wait until they are done."""
        await self.services.deliveries.queue.put_all(updates)
        await self.quiet()

    async def answers(self, *contents: dict[str, Any], to: int = ANNA) -> list[str]:
        """Handle these, and give what was said to a chat meanwhile."""
        before = len(self.told)
        await self.handle(*(self.an_update(**content) for content in contents))
        return [text for chat_id, text in self.told[before:] if chat_id == to]

    async def quiet(self) -> None:
        await quiet(self.application)


async def quiet(application: BotApplication) -> None:
    """Wait until nothing is in work."""
    async with asyncio.timeout(60):
        await application.update_queue.join()
        processor = application.update_processor
        assert isinstance(processor, PerChatProcessor)
        while processor.pending:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Listening(InstantTelegram):
    """Also notes what the texts say."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(lambda _: b"", lambda endpoint, chat_id: stage.requests.append((endpoint, chat_id)))
        self._stage = stage

    def _result(self, endpoint: str, chat_id: int | None, data: dict[str, Any]) -> object:
        if "text" in data and endpoint != "answerCallbackQuery":
            self._stage.texts.append(str(data["text"]))
            self._stage.told.append((chat_id, str(data["text"])))
        return super()._result(endpoint, chat_id, data)


@asynccontextmanager
async def on_stage(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    """A bot with these settings, and its database in ``folder``; what it does at the end is not waited for."""
    url = database_at(folder / "bot.db")
    chosen = load_settings(_env_file=None, telegram_bot_token=TOKEN, database_url=url, **settings)
    async with services_of(chosen, local_executor(chosen, 1)) as services:
        application = build(chosen, services)
        stage = Stage(application, services)
        telegram = Listening(stage)
        application.bot._request = (telegram, telegram)
        async with application:
            await application.start()
            try:
                yield stage
            finally:
                shutdown = Shutdown()
                shutdown.ask()
                await drain(application, shutdown, 0.0)


def chat(chat_id: int = ANNA, kind: str = "private") -> dict[str, Any]:
    named = {"first_name": NAME, "username": USERNAME} if kind == "private" else {"title": "Family"}
    return {"id": chat_id, "type": kind, **named}


def sender(user_id: int = ANNA) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "first_name": NAME, "username": USERNAME, "language_code": "en"}


def said(text: str, *, at: dict[str, Any] | None = None, by: int = ANNA, number: int = 1) -> dict[str, Any]:
    entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text.startswith("/") else []
    return {
        "message": {
            "message_id": number,
            "date": int(time.time()),
            "chat": at or chat(),
            "from": sender(by),
            "text": text,
            "entities": entities,
        }
    }


def pressed(data: str | None, by: int = ANNA, at: int = ANNA) -> dict[str, Any]:
    message = {"message_id": 1, "date": int(time.time()), "chat": chat(at), "text": "agree?"}
    query: dict[str, Any] = {"id": "1", "from": sender(by), "chat_instance": "1", "message": message}
    return {"callback_query": query | ({} if data is None else {"data": data})}


def photo(number: int, by: int = ANNA, caption: str = "", album: str = "") -> dict[str, Any]:
    """A message with a photo."""
    content = said("", at=chat(by), by=by, number=number)
    del content["message"]["text"]
    sizes = [{"file_id": f"f{number}", "file_unique_id": f"u{number}", "width": 9, "height": 9, "file_size": 900}]
    content["message"] |= {"photo": sizes, "caption": caption} | ({"media_group_id": album} if album else {})
    return content
