"""The real bot against the sandbox: real HTTP, a real database file, real worker processes and models."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import app
from bot.app import running
from bot.chat.context import BotApplication, Services
from bot.cli.demo import FONTS
from bot.delivery import rate_limiter
from bot.sandbox import Person, Sandbox
from bot.scan import worker_jobs
from bot.settings import Settings, load_settings
from inference.workers.local import LocalExecutor
from tests import probe_jobs
from tests.content import services_of
from tests.databases import database_at


@dataclass(frozen=True, slots=True)
class RunningBot:
    """A bot that listens to the sandbox."""

    settings: Settings
    services: Services
    application: BotApplication


@pytest.fixture(autouse=True)
def _chats_without_a_pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat may get any number of messages at once: half of these tests' time was waiting for the next second.

    Tests of the pace itself are marked ``telegrams_pace``; a bot in a process of its own keeps it anyway.
    """
    if request.node.get_closest_marker("telegrams_pace") is None:
        monkeypatch.setattr(rate_limiter, "BURST", 10_000)


@pytest.fixture(autouse=True)
def _bots_without_a_menu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot sets no menu and no descriptions at its start: in six languages they cost more than all else of a start.

    Tests of them are marked ``introduced``; a bot in a process of its own sets them anyway.
    """

    async def not_now(application: BotApplication, services: Services) -> None:
        """Leave it out."""

    if request.node.get_closest_marker("introduced") is None:
        monkeypatch.setattr(app, "_introduce", not_now)


@pytest.fixture(scope="session")
def workers() -> Iterator[LocalExecutor]:
    """Worker processes with the models open, shared by all tests of a run."""
    settings = load_settings(_env_file=None)
    executor = LocalExecutor(2, jobs=(*worker_jobs.MODULES, *probe_jobs.MODULES), models_dir=settings.models_dir)
    asyncio.run(executor.start())
    yield executor
    asyncio.run(executor.close())


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A local Telegram on a free port."""
    async with Sandbox.start(fonts=FONTS) as sandbox:
        yield sandbox


def settings_for(sandbox: Sandbox, folder: Path) -> Settings:
    """Settings that point at a sandbox and at a database in ``folder``, which is made if there is none."""
    return load_settings(
        _env_file=None,
        telegram_bot_token=sandbox.token,
        telegram_api_url=sandbox.url,
        database_url=database_at(folder / "bot.db"),
    )


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of this test's own."""
    return settings_for(sandbox, tmp_path)


@pytest.fixture
async def bot(settings: Settings, workers: LocalExecutor) -> AsyncIterator[RunningBot]:
    """The bot as ``tumorscan run`` starts it."""
    async with services_of(settings, workers) as services, running(settings, services) as application:
        yield RunningBot(settings, services, application)


@pytest.fixture
async def anna(sandbox: Sandbox, bot: RunningBot) -> Person:
    """Somebody who has never written to the bot."""
    return await sandbox.person("Anna")


@pytest.fixture
async def agreed(anna: Person) -> Person:
    """Anna after /start and her yes."""
    await anna.send_text("/start")
    question = await anna.wait_for(lambda message: bool(message.buttons))
    await anna.press(question, "agree")
    await anna.wait_for(lambda message: message.id == question.id and message.edited)
    return anna
