"""Telegram without a network: every request is answered at once inside the process, so only the bot is measured."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from telegram._utils.types import ODVInput
from telegram.request import BaseRequest, RequestData

Notice = Callable[[str, int | None], None]


class InstantTelegram(BaseRequest):
    """Answers every method as Telegram would, and any download with ``picture``; ``notice`` hears of each request."""

    def __init__(self, picture: Callable[[str], bytes], notice: Notice) -> None:
        self._picture = picture
        self._notice = notice
        self._message_id = 1_000_000

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    @property
    def read_timeout(self) -> float | None:
        """Nothing is ever waited for."""
        return None

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        write_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        connect_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
        pool_timeout: ODVInput[float] = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Answer one request; the status is always 200."""
        if "/file/bot" in url:
            return 200, self._picture(url.rpartition("/")[2])
        endpoint = url.rpartition("/")[2]
        if endpoint == "getUpdates":
            await asyncio.Event().wait()  # updates are put into the queue by the benchmark
        data: dict[str, Any] = dict(request_data.parameters) if request_data else {}
        chat_id = int(data["chat_id"]) if "chat_id" in data else None
        self._notice(endpoint, chat_id)
        return 200, json.dumps({"ok": True, "result": self._result(endpoint, chat_id, data)}).encode()

    def _result(self, endpoint: str, chat_id: int | None, data: dict[str, Any]) -> object:
        if endpoint == "getMe":
            return {"id": 1, "is_bot": True, "first_name": "TumorScan", "username": "tumorscan_bot"}
        if endpoint == "getFile":
            return {"file_id": data["file_id"], "file_unique_id": data["file_id"], "file_path": data["file_id"]}
        if endpoint in {"sendMessage", "sendPhoto", "sendDocument", "editMessageText"}:
            return self._message(endpoint, chat_id, data)
        return True

    def _message(self, endpoint: str, chat_id: int | None, data: dict[str, Any]) -> dict[str, Any]:
        self._message_id += 1
        message = {
            "message_id": data.get("message_id", self._message_id),
            "date": int(time.time()),
            "chat": {"id": chat_id, "type": "private", "first_name": "Ann"},
        }
        file = {"file_id": f"f{self._message_id}", "file_unique_id": f"u{self._message_id}"}
        if endpoint == "sendPhoto":
            return message | {"photo": [file | {"width": 1280, "height": 640}], "caption": data.get("caption", "")}
        if endpoint == "sendDocument":
            return message | {"document": file, "caption": data.get("caption", "")}
        return message | {"text": data.get("text", "")}
