"""The server that Telegram sends updates to: a secret, bounds on all that strangers can use up, and a look after it."""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from tornado.web import Application, RequestHandler, stream_request_body

from bot.delivery.raw_update import Raw, is_id
from bot.operations.bounded_server import FROM_STRANGERS, BoundedServer
from bot.operations.metrics import Metrics
from storage.errors import StorageDownError

MOST_CONNECTIONS = 256
"""Telegram opens 40 at most, and 100 when it is asked to; each is a file descriptor and its buffers."""
MOST_BYTES = 4 << 20
"""Of an update, which is a few thousand bytes long."""
ANSWERS_WITHIN = 10.0
"""Seconds that the server has for answering ourselves."""
SAID_EVERY = 60.0
"""Seconds between two lines of the log about the same kind of refusal."""
_log = logging.getLogger(__name__)
Take = Callable[[Raw], Awaitable[None]]


class _Refusals:
    """Says what is refused, each kind at most once in a while, with how often it was in between."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._count: dict[str, int] = {}

    def note(self, kind: str, words: str) -> None:
        self._count[kind] = self._count.get(kind, 0) + 1
        now = time.monotonic()
        if now - self._said.get(kind, float("-inf")) >= SAID_EVERY:
            self._said[kind] = now
            _log.warning("%s (%d times)", words, self._count.pop(kind))


@stream_request_body
class _Receiver(RequestHandler):
    """One update for each POST; answered with an error, it comes again. Nothing of a stranger's body is kept."""

    def initialize(self, secret: str, path: str, take: Take, refusals: _Refusals) -> None:
        """Called by tornado with what the route was given."""
        self._secret, self._path, self._take, self._refusals = secret, path, take, refusals
        self._body = bytearray()

    def prepare(self) -> None:
        """Called before the body is read: without the secret, or for another path, the connection ends with this."""
        if not self._knows_the_secret():
            self.send_error(HTTPStatus.FORBIDDEN)
        elif (self.request.path.rstrip("/") or "/") != self._path:
            self._refusals.note(
                "path",
                f"WEBHOOK_PATH: Telegram's updates come in on another path ({self.request.path[:80]!r}) than "
                f"{self._path}: set WEBHOOK_PATH to what your proxy passes on",
            )
            self.send_error(HTTPStatus.NOT_FOUND)

    def data_received(self, chunk: bytes) -> None:
        """A piece of the body; the server bounds all of it."""
        self._body += chunk

    async def post(self) -> None:
        """Take an update in, and answer when it is kept."""
        raw = _parsed(self._body)
        if raw is None:
            self.set_status(HTTPStatus.BAD_REQUEST)
            return
        try:
            await self._take(raw)
        except StorageDownError:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)

    def _knows_the_secret(self) -> bool:
        shown = self.request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        # In a time that does not depend on how much of it is right.
        return hmac.compare_digest(shown.encode(), self._secret.encode())

    def write_error(self, status_code: int, **_: Any) -> None:
        """Nothing but the status: strangers learn nothing of the program."""
        self.set_status(status_code)
        self.finish()


def _parsed(body: bytes | bytearray) -> Raw | None:
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) and is_id(raw.get("update_id")) else None


class WebhookServer:
    """Hands each update that comes with the secret to ``take``, which raises StorageDownError for "send it again"."""

    def __init__(self, port: int, secret: str, take: Take, *, host: str = "127.0.0.1", path: str = "/telegram") -> None:
        self._host, self._port = host, port
        given: dict[str, Any] = {"secret": secret, "path": path, "take": take, "refusals": _Refusals()}
        # Its log of requests has nothing to tell: what is refused is refused to strangers.
        self._routes = Application([(r".*", _Receiver, given)], log_function=lambda _: None)
        self._http: BoundedServer | None = None

    def start(self) -> None:
        """Listen. Raises OSError when the port can't be used."""
        for name in FROM_STRANGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        http = BoundedServer.made(self._routes, MOST_CONNECTIONS, MOST_BYTES)
        http.listen(self._port, self._host)
        self._http = http

    async def stop(self) -> None:
        """Listen no more."""
        if self._http is not None:
            self._http.stop()
            await self._http.close_all_connections()
            self._http = None

    async def answers(self) -> bool:
        """Whether somebody who calls gets an answer; one that is full has enough to answer."""
        if self._http is not None and self._http.is_full:
            return True
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                reader, writer = await asyncio.open_connection(self._own_address, self._port)
                try:
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    return (await reader.readline()).startswith(b"HTTP/")
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return False

    @property
    def _own_address(self) -> str:
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - read


async def kept_answering(server: WebhookServer, every: float, metrics: Metrics | None = None) -> None:
    """Look after the server until cancelled; one that answers no more is started again, and said in the log."""
    while True:
        await asyncio.sleep(every)
        answers = await server.answers()
        if metrics is not None:
            metrics.fetched(answered=answers)
        if answers:
            continue
        _log.error("the webhook's server does not answer: starting it again")
        await server.stop()
        try:
            server.start()
        except OSError as error:
            _log.error("WEBHOOK_PORT: the port can't be used (%s): trying again", error.strerror or error)
