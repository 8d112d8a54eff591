"""For tests that kill the bot and look at what it has kept: processes, the database from outside, and waiting."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from bot.app import running
from bot.sandbox import Message, Person, Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests.conftest import PROJECT
from tests.content import services_of
from tests.databases import database_at
from tests.integration.conftest import RunningBot
from tests.warm_start import Process, running_process

LONG = {"slow_s": 600.0, "hang_s": 600.0}
BOT = "from bot.cli.main import main\nraise SystemExit(main(['run']))"


def _environment(sandbox: Sandbox, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    return {
        "PYTHONPATH": str(PROJECT),
        "PATH": os.environ.get("PATH", ""),
        "WORKERS": "1",
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_API_URL": sandbox.url,
        "DATABASE_URL": database_at(folder / "bot.db"),
        **settings,
    }


@asynccontextmanager
async def bot_process(sandbox: Sandbox, folder: Path, program: str = BOT, **settings: str) -> AsyncIterator[Process]:
    """The bot as a process of its own, forked; killed at the end."""
    environment = _environment(sandbox, folder, settings)
    async with running_process(["-c", program], folder, environment, is_read=False) as process:
        yield process


@asynccontextmanager
async def bot_from_scratch(
    sandbox: Sandbox, folder: Path, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The same, but started as an operator does, for those who look at how long that takes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOT, cwd=folder, env=_environment(sandbox, folder, settings),
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def bot_here(settings: Settings, workers: LocalExecutor) -> AsyncIterator[RunningBot]:
    """The bot in this process, on the database that an earlier one may have left."""
    async with services_of(settings, workers) as services, running(settings, services) as application:
        yield RunningBot(settings, services, application)


async def someone_agreed(sandbox: Sandbox) -> Person:
    """Somebody who has said yes."""
    anna = await sandbox.person("Anna")
    await anna.send_text("/start")
    question = await anna.wait_for(lambda message: bool(message.buttons), timeout=60)
    await anna.press(question, "agree", timeout=60)
    await anna.wait_for(lambda message: message.id == question.id and message.edited, timeout=60)
    return anna


async def answers(person: Person) -> list[Message]:
    """All that the bot has said to a person and not taken back."""
    return [message for message in await person.messages() if message.from_bot]


def rows(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """What is in the database now; nothing while a new bot has not made its tables."""
    with closing(sqlite3.connect(folder / "bot.db")) as file:
        try:
            return file.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something in the sandbox or on the disk that nobody announces."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def all_is_done(folder: Path) -> None:
    """Wait until every update has come to its end."""
    await until(lambda: rows(folder, "SELECT count(*) FROM inbox WHERE finished_at IS NULL") == [(0,)])
