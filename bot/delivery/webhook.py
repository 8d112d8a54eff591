"""The server that Telegram sends updates to: a secret, a bound on size, and an eye on whether it still answers."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from bot.delivery.raw_update import Raw
from storage.errors import StorageDownError

PATH = "telegram"
MOST_BYTES = 4 << 20
"""Updates are a few thousand bytes long."""
ANSWERS_WITHIN = 10.0
"""Seconds that the server has for answering ourselves."""
_log = logging.getLogger(__name__)
Take = Callable[[Raw], Awaitable[None]]


class _Receiver(RequestHandler):
    """One update for each POST; answered with an error, it comes again."""

    def initialize(self, secret: str, take: Take) -> None:
        """Called by tornado with what the route was given."""
        self._secret, self._take = secret, take

    async def post(self) -> None:
        """Take an update in, and answer when it is kept."""
        shown = self.request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(shown.encode(), self._secret.encode()):
            self.set_status(HTTPStatus.FORBIDDEN)
            return
        try:
            raw = json.loads(self.request.body)
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or not isinstance(raw.get("update_id"), int):
            self.set_status(HTTPStatus.BAD_REQUEST)
            return
        try:
            await self._take(raw)
        except StorageDownError:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)


class WebhookServer:
    """Hands each update that comes with the secret to ``take``, which raises StorageDownError for "send it again"."""

    def __init__(self, port: int, secret: str, take: Take) -> None:
        self._port = port
        given: dict[str, Any] = {"secret": secret, "take": take}
        # Its log of requests has nothing to tell: what is refused is refused to strangers.
        self._routes = Application([(rf"/{PATH}/?", _Receiver, given)], log_function=lambda _: None)
        self._http: HTTPServer | None = None

    def start(self) -> None:
        """Listen. Raises OSError when the port can't be used."""
        http = HTTPServer(self._routes, max_body_size=MOST_BYTES, max_buffer_size=MOST_BYTES)
        http.listen(self._port, "0.0.0.0")  # noqa: S104 - Telegram, or the proxy before us, must be able to reach it
        self._http = http

    async def stop(self) -> None:
        """Listen no more."""
        if self._http is not None:
            self._http.stop()
            await self._http.close_all_connections()
            self._http = None

    async def answers(self) -> bool:
        """Whether somebody who calls gets an answer."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    return (await reader.readline()).startswith(b"HTTP/")
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return False


async def kept_answering(server: WebhookServer, every: float) -> None:
    """Look after the server until cancelled; one that answers no more is started again, and said in the log."""
    while True:
        await asyncio.sleep(every)
        if await server.answers():
            continue
        _log.error("the webhook's server does not answer: starting it again")
        await server.stop()
        try:
            server.start()
        except OSError as error:
            _log.error("WEBHOOK_PORT: the port can't be used (%s): trying again", error.strerror or error)
