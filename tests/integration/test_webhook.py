"""The webhook's server: who may speak to it, what it takes, and that it is missed when it falls silent."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bot.app import running
from bot.delivery import webhook
from bot.delivery.raw_update import Raw
from bot.delivery.webhook import WebhookServer, kept_answering
from bot.errors import StartError
from bot.operations import bounded_server
from bot.sandbox import Sandbox
from bot.settings import Settings, load_settings
from inference.workers.local import LocalExecutor
from storage.errors import StorageDownError
from tests.content import services_of
from tests.databases import database_at
from tests.integration.kills import all_is_done, rows
from tests.processes import free_port

SECRET = "s" * 32


class Taken:
    """What the server has handed over; the first ``refused`` updates can't be kept."""

    def __init__(self) -> None:
        self.raw: list[Raw] = []
        self.refused = 0

    async def take(self, raw: Raw) -> None:
        if self.refused:
            self.refused -= 1
            raise StorageDownError("full")
        self.raw.append(raw)


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def server(taken: Taken, port: int) -> AsyncIterator[WebhookServer]:
    server = WebhookServer(port, SECRET, taken.take)
    server.start()
    yield server
    await server.stop()


async def status(port: int, body: bytes, headers: Mapping[str, str], path: str = "/telegram") -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        return (await http.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers)).status_code


def with_secret(secret: str = SECRET) -> dict[str, str]:
    return {"X-Telegram-Bot-Api-Secret-Token": secret}


@pytest.mark.usefixtures("server")
async def test_only_updates_with_the_secret_are_accepted(taken: Taken, port: int) -> None:
    update = json.dumps({"update_id": 7}).encode()
    assert await status(port, update, {}) == 403
    assert await status(port, update, with_secret("t" * 32)) == 403
    for nonsense in (b"", b"{", b"[]", b'"update_id"', b'{"update_id": "7"}', b"\xff"):
        assert await status(port, nonsense, with_secret()) == 400
    assert taken.raw == []
    assert await status(port, update, with_secret()) == 200
    assert taken.raw == [{"update_id": 7}]


@pytest.mark.usefixtures("server")
async def test_updates_on_another_path_are_reported_once(
    taken: Taken, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        assert await status(port, b'{"update_id": 7}', with_secret(), "/bot/telegram") == 404
        assert await status(port, b'{"update_id": 7}', {}, "/wp-admin") == 403
    assert taken.raw == []
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("WEBHOOK_PATH: Telegram's updates come in on another path ('/bot/telegram')")


@pytest.mark.usefixtures("server")
async def test_ids_that_no_database_takes_are_refused(taken: Taken, port: int) -> None:
    for nonsense in (b'{"update_id": %d}' % 2**70, b'{"update_id": true}', b"[" * 100_000, b'{"a":' * 100_000):
        assert await status(port, nonsense, with_secret()) == 400
    assert taken.raw == []


@pytest.mark.usefixtures("server")
async def test_unstorable_update_is_refused_so_it_comes_again(taken: Taken, port: int) -> None:
    taken.refused = 1
    assert await status(port, b'{"update_id": 7}', with_secret()) == 503
    assert await status(port, b'{"update_id": 7}', with_secret()) == 200


async def opened(port: int, beginning: bytes) -> "asyncio.Task[None]":
    """A connection on which nothing comes after its beginning; done when the server has ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def until_closed() -> None:
        writer.write(beginning)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    return asyncio.create_task(until_closed())


BEGINNINGS = (b"POST /telegram HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{", b"", b"GET / HT")
"""Half-open posts, idle connections and slow headers."""


async def restarted(server: WebhookServer, monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    monkeypatch.setattr(bounded_server, "PATIENCE", patience)
    await server.stop()
    server.start()


async def test_strangers_can_not_jam_it(
    server: WebhookServer, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await restarted(server, monkeypatch, 600.0)  # none has run out while they are counted
    assert server._http is not None
    # One after the other: more than the system's own queue holds would be lost before the server sees them. No posts,
    # which are refused at once and leave their places to others.
    strangers = [await opened(port, beginning) for beginning in BEGINNINGS[1:] * webhook.MOST_CONNECTIONS]
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            while sum(not stranger.done() for stranger in strangers) != webhook.MOST_CONNECTIONS:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert sum(not stranger.done() for stranger in strangers) == webhook.MOST_CONNECTIONS
    assert len(server._http._connections) <= webhook.MOST_CONNECTIONS
    await server.stop()
    await asyncio.wait_for(asyncio.gather(*strangers), 60)
    assert len(caplog.records) < 5


async def test_strangers_who_fall_silent_are_hung_up_on(
    server: WebhookServer, taken: Taken, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await restarted(server, monkeypatch, 1.0)
    strangers = [await opened(port, beginning) for beginning in BEGINNINGS * (webhook.MOST_CONNECTIONS // 2)]
    _, held = await asyncio.wait(strangers, timeout=60)
    assert not held
    assert await status(port, b'{"update_id": 7}', with_secret()) == 200
    assert taken.raw == [{"update_id": 7}]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("path", "headers", "answer"), [("/telegram", {}, 403), ("/other", with_secret(), 404)])
async def test_nothing_is_read_of_what_no_secret_announces(
    port: int, path: str, headers: dict[str, str], answer: int
) -> None:
    """Bodies that are kept until they are whole fill the memory: of each connection 4 MiB."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {webhook.MOST_BYTES}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", '{"update_id": ']).encode())
    async with asyncio.timeout(5):
        assert f" {answer} ".encode() in await reader.readline()
        await reader.read()  # and the connection is closed
    writer.close()


def test_it_listens_to_this_machine_alone_unless_told_otherwise() -> None:
    assert load_settings(_env_file=None).webhook_host == "127.0.0.1"


# Tornado leaves a socket that it could not bind to be found and closed by Python.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
async def test_taken_port_stops_the_start_and_is_named(
    server: WebhookServer, settings: Settings, workers: LocalExecutor, port: int
) -> None:
    there = {"webhook_url": f"http://127.0.0.1:{port}", "webhook_port": port, "webhook_secret": SecretStr(SECRET)}
    made = settings.model_copy(update=there)
    async with services_of(made, workers) as services:
        with pytest.raises(StartError, match=rf"^WEBHOOK_PORT: 127\.0\.0\.1:{port} can't be used \(.*\): choose"):
            async with running(made, services):
                pass


async def test_a_server_that_answers_no_more_is_started_again(
    server: WebhookServer, taken: Taken, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert server._http is not None
    server._http.stop()
    assert not await server.answers()
    watch = asyncio.create_task(kept_answering(server, 0.01))
    async with asyncio.timeout(60):
        while not await server.answers():
            pass
    watch.cancel()
    await asyncio.wait({watch})
    assert await status(port, b'{"update_id": 7}', with_secret()) == 200
    assert taken.raw == [{"update_id": 7}]
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["the webhook's server does not answer: starting it again"]


@pytest.mark.parametrize("by_webhook", [True, False])
async def test_malformed_update_is_set_aside_and_bot_continues(
    sandbox: Sandbox,
    workers: LocalExecutor,
    tmp_path: Path,
    port: int,
    by_webhook: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings: dict[str, Any] = {
        "telegram_bot_token": sandbox.token,
        "telegram_api_url": sandbox.url,
        "database_url": database_at(tmp_path / "bot.db"),
    }
    if by_webhook:
        settings |= {"webhook_url": f"http://127.0.0.1:{port}", "webhook_port": port, "webhook_secret": SECRET}
    made = load_settings(_env_file=None, **settings)
    anna = await sandbox.person("Anna")
    odd = {"message_id": 1, "date": "in spring", "chat": {"id": anna.id}, "text": "my secret"}
    async with services_of(made, workers) as services, running(made, services):
        number = await sandbox.client.push_update("message", odd)
        await anna.send_text("/help")
        await anna.wait_for(lambda message: "/history" in message.text)
        await all_is_done(tmp_path)
    [(update_id, chat_id, payload, error)] = rows(
        tmp_path, "SELECT update_id, chat_id, payload, error FROM inbox WHERE state = 'dead_letter'"
    )
    assert (update_id, chat_id) == (number, anna.id)
    assert json.loads(payload)["message"] == odd
    assert "Traceback" in error
    assert f"{number} can't be read by this version" in caplog.text
    assert "my secret" not in caplog.text
    assert "in spring" not in caplog.text
