"""The status port: /healthz, /readyz, /metrics, and the page at /. Nobody can change anything by it."""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from tornado.web import Application, RequestHandler

from bot.errors import StartError
from bot.operations.bounded_server import FROM_STRANGERS, BoundedServer
from bot.operations.health import Watch
from bot.operations.prometheus import PrometheusMetrics
from bot.operations.status_page import page

MOST_CONNECTIONS = 32
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Answer = Callable[[], tuple[HTTPStatus, str, bytes | dict[str, Any]]]
"""Status, content type and body of an address."""


class _Asked(RequestHandler):
    def initialize(self, answers: dict[str, Answer]) -> None:
        """Called by tornado with what the route was given."""
        self._answers = answers

    def set_default_headers(self) -> None:
        """Nothing that is shown here is to be embedded, kept or passed on."""
        for name, value in _SAFE.items():
            self.set_header(name, value)
        self.clear_header("Server")

    async def get(self) -> None:
        """Answer from memory: whoever asks much costs little."""
        answer = self._answers.get(self.request.path)
        if answer is None:
            self.write_error(HTTPStatus.NOT_FOUND)
            return
        status, kind, body = answer()
        self.set_status(status)
        self.write(body)
        self.set_header("Content-Type", kind)

    async def head(self) -> None:
        """As ``get``, without the body."""
        await self.get()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Nothing but the status."""
        self.set_status(status_code)
        self.finish()


@asynccontextmanager
async def status_port(host: str, port: int, watch: Watch, metrics: PrometheusMetrics) -> AsyncIterator[None]:
    """Answer while the body runs. Raises StartError when the port can't be used."""
    for name in FROM_STRANGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    routes = Application([(r".*", _Asked, {"answers": _answers(watch, metrics)})], log_function=lambda _: None)
    server = BoundedServer.made(routes, MOST_CONNECTIONS, most_bytes=0)
    try:
        # The library's own way leaves a socket open when it can't be bound.
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise StartError(
            f"STATUS_PORT: {host}:{port} can't be used ({error.strerror or error}): choose another one, or another "
            "STATUS_HOST"
        ) from error
    listener.settimeout(0.0)
    server.add_socket(listener)
    try:
        yield
    finally:
        server.stop()
        await server.close_all_connections()


def _answers(watch: Watch, metrics: PrometheusMetrics) -> dict[str, Answer]:
    def healthy(is_well: bool) -> HTTPStatus:
        return HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE

    def health() -> tuple[HTTPStatus, str, dict[str, Any]]:
        now = watch.health()
        return healthy(now.is_well), "application/json", {"status": "ok" if now.is_well else "failing", **asdict(now)}

    def ready() -> tuple[HTTPStatus, str, dict[str, Any]]:
        is_ready = watch.health().ready
        return healthy(is_ready), "application/json", {"ready": is_ready}

    def drawn() -> tuple[HTTPStatus, str, bytes]:
        return HTTPStatus.OK, "text/html; charset=utf-8", page(watch, metrics).encode()

    return {
        "/": drawn,
        "/healthz": health,
        "/readyz": ready,
        "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, metrics.text()),
    }
