"""The status port: what it tells of a bot that works, of one that doesn't, and of people (nothing)."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bot.app import running
from bot.errors import StartError
from bot.logs import JsonLines
from bot.operations import health
from bot.sandbox import Person, Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.content import services_of
from tests.integration.chatting import one_scan, work_is_done
from tests.integration.conftest import RunningBot
from tests.processes import free_port

LABELS = {"kind", "ending", "phase", "cause", "organ", "verdict", "reason", "le"}


@dataclass(frozen=True, slots=True)
class Watched:
    """A bot with a status port."""

    bot: RunningBot
    url: str

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(self.url + path)

    async def until(self, path: str, status: int) -> httpx.Response:
        async with asyncio.timeout(60):
            while (answer := await self.get(path)).status_code != status:  # noqa: ASYNC110 - what is waited for is HTTP
                await asyncio.sleep(0.05)
        return answer


@pytest.fixture
def settings(sandbox: Sandbox, settings: Settings) -> Settings:
    return settings.model_copy(update={"status_port": free_port()})


@pytest.fixture
async def watched(
    settings: Settings, workers: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Watched]:
    monkeypatch.setattr(health, "EVERY", 0.1)
    monkeypatch.setattr(health, "WITHIN", 5.0)
    async with services_of(settings, workers) as services, running(settings, services) as application:
        yield Watched(RunningBot(settings, services, application), f"http://127.0.0.1:{settings.status_port}")


@pytest.fixture
def bot(watched: Watched) -> RunningBot:
    return watched.bot


async def test_a_bot_that_works_says_so(watched: Watched) -> None:
    ready = await watched.until("/readyz", 200)
    assert ready.json() == {"ready": True}
    told = (await watched.get("/healthz")).json()
    assert told == {
        "status": "ok", "fetching": True, "database": True, "workers": True, "ready": True, "waiting": 0, "oldest": 0.0,
    }  # fmt: skip


def put_a_folder_in_its_place(database: Path) -> None:
    for file in database.parent.glob(database.name + "*"):
        file.unlink()
    database.mkdir()


async def test_a_database_that_cannot_be_written_is_told(watched: Watched) -> None:
    await watched.until("/healthz", 200)
    put_a_folder_in_its_place(Path(watched.bot.settings.database_url.partition("///")[2]))
    await watched.bot.services.database._sessions.close()
    told = (await watched.until("/healthz", 503)).json()
    assert told["status"] == "failing"
    assert not told["database"]
    assert told["workers"]
    assert (await watched.get("/readyz")).status_code == 503


async def test_workers_that_do_not_answer_are_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    await watched.until("/healthz", 200)
    monkeypatch.setattr(LocalExecutor, "run", lambda *_, **__: asyncio.sleep(60))
    told = (await watched.until("/healthz", 503)).json()
    assert told["database"]
    assert not told["workers"]


async def test_fetching_that_stands_still_is_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    await watched.until("/healthz", 200)
    monkeypatch.setattr(health, "SILENCE", 0.0)
    told = (await watched.get("/healthz")).json()
    assert told["database"]
    assert not told["fetching"]


async def test_scan_and_refusal_are_counted_and_name_nobody(watched: Watched, agreed: Person) -> None:
    await one_scan(watched.bot, agreed)
    sent = await agreed.send_document(pictures.cat(), caption="Mrs Weatherwax")
    await agreed.wait_for(lambda message: message.reply_to == sent.id, timeout=60)
    await work_is_done(watched.bot, agreed)
    text = (await watched.get("/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['tumorscan_updates_total{kind="picture"}']) == 2
    assert sum(float(value) for name, value in values.items() if name.startswith("tumorscan_scans_total")) == 1
    assert sum(float(value) for name, value in values.items() if name.startswith("tumorscan_refusals_total")) == 1
    for phase in ("waiting", "fetching", "reading", "keeping", "drawing", "sending_picture", "sending_report", "whole"):
        assert float(values[f'tumorscan_phase_seconds_count{{phase="{phase}"}}']) >= 1, phase
    labels = {
        part.partition("=")[0] for name in values if "{" in name for part in name[name.index("{") + 1 : -1].split(",")
    }
    assert labels <= LABELS
    page = (await watched.get("/")).text
    for told in (text, page):
        assert "Weatherwax" not in told
        assert "Anna" not in told
        assert str(agreed.id) not in told


async def test_the_page_asks_nothing_of_anybody_else(watched: Watched) -> None:
    answer = await watched.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for outside in ("src=", "href=", "url(", "@import", "<script"):
        assert outside not in answer.text


async def test_unknown_path_is_404_and_posting_is_refused(watched: Watched) -> None:
    assert (await watched.get("/secrets")).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(watched.url + "/healthz")).status_code == 405
        assert (await client.post(watched.url + "/healthz", content=b"x")).status_code in (400, 413)  # kept nowhere


async def test_a_worker_that_was_replaced_is_counted(watched: Watched) -> None:
    executor = watched.bot.services.executor
    assert isinstance(executor, LocalExecutor)
    before = executor.restarts
    worker = executor._slots[0].worker
    assert worker is not None
    worker.end()
    async with asyncio.timeout(60):
        while executor.restarts == before:  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.02)
    assert f"tumorscan_worker_restarts {float(before + 1)}" in (await watched.get("/metrics")).text


async def test_port_in_use_is_one_line_with_setting(settings: Settings, workers: LocalExecutor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.status_port or 0))
        taken.listen()
        async with services_of(settings, workers) as services:
            with pytest.raises(
                StartError, match=r"^STATUS_PORT: 127\.0\.0\.1:\d+ can't be used \(.*\): choose"
            ) as stopped:
                async with running(settings, services):
                    pass
    assert "\n" not in str(stopped.value)


async def test_one_id_follows_a_scan_through_every_package(watched: Watched, agreed: Person) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Kept()
    handler.setFormatter(JsonLines())
    names = ("bot", "inference", "storage")
    for name in names:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        await one_scan(watched.bot, agreed)
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(logging.NOTSET)
    said = [json.loads(line) for line in lines]
    (scan,) = {line["update"] for line in said if line["message"].startswith("reading took")}
    assert {line["logger"].partition(".")[0] for line in said if line.get("update") == scan} == set(names)
    drawn = [line for line in said if line.get("update") == scan and ".draw took" in line["message"]]
    assert drawn[0]["logger"] == "inference.workers.supervisor"
