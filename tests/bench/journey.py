"""The bot as a process of its own: its start and its answers, seen from a person's side."""

import asyncio
import compileall
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.client import Person
from bot.sandbox.sandbox import Sandbox
from tests.bench.samples import bench_scan
from tests.bench.table import Row, at_most, percentiles

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bot", "inference", "reports", "storage")
"""Compiled before the start, as they are once a bot has been installed or started: an environment may forbid to keep
what Python compiles (PYTHONDONTWRITEBYTECODE), and each start would compile 140 modules anew, a third of a second."""
PAUSE = 60.0
"""Seconds after which an answer is given up: something is broken then, not slow."""

REST = 8.0
"""Seconds after which every chat may be sent a whole burst again."""


@dataclass(frozen=True, slots=True)
class ScanTimes:
    """Seconds from the sending of a picture to its answers in the chat."""

    picture: float
    report: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run measured; seconds."""

    start: float
    photos: list[ScanTimes]
    documents: list[ScanTimes]


def rows(scans: int) -> list[Row]:
    """Start the bot, send ``scans`` photos and as many files."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_with_sandbox(Path(folder), scans))
    return [
        at_most("process start to the first command answered", figures.start, 1.5, "s", 2),
        *_times("photo", figures.photos),
        *_times("file", figures.documents),
    ]


def _times(kind: str, scans: list[ScanTimes]) -> list[Row]:
    pictures, reports = [scan.picture for scan in scans], [scan.report for scan in scans]
    return [
        Row(f"{kind} sent to heat map in the chat, p50 / p95", percentiles(pictures, 50, 95)),
        Row(f"{kind} sent to PDF in the chat, p50 / p95", percentiles(reports, 50, 95)),
    ]


async def _with_sandbox(folder: Path, scans: int) -> Figures:
    async with Sandbox.start() as sandbox:
        return await measure(sandbox, folder, scans)


async def measure(sandbox: Sandbox, folder: Path, scans: int) -> Figures:
    """Start the bot in ``folder`` and send ``scans`` photos and as many files."""
    person = await sandbox.person("Ann")
    await person.send_text("/help")  # waits at the server before the bot starts
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)
    began = time.perf_counter()
    bot = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        cwd=folder,
        env={
            **os.environ,
            "TELEGRAM_BOT_TOKEN": sandbox.token,
            "TELEGRAM_API_URL": sandbox.url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/bench.db",
            "PYTHONPATH": str(ROOT),
            "LOG_LEVEL": "WARNING",
        },
    )
    try:
        await person.wait_for(lambda message: bool(message.text), PAUSE)
        start = time.perf_counter() - began
        await _agree(person)
        picture = bench_scan()
        await _send(person, picture, as_photo=True)  # not counted: opens connections
        newcomers = [await _newcomer(sandbox) for _ in range(2 * scans)]
        await asyncio.sleep(REST)
        photos = [await _send(one, picture, as_photo=True) for one in newcomers[:scans]]
        documents = [await _send(one, picture, as_photo=False) for one in newcomers[scans:]]
        return Figures(start, photos, documents)
    finally:
        bot.terminate()
        await bot.wait()


async def _newcomer(sandbox: Sandbox) -> Person:
    """Somebody else for each scan: the bot sends one chat a short burst, and then a message a second."""
    person = await sandbox.person("Ann")
    await _agree(person)
    return person


async def _agree(person: Person) -> None:
    await person.send_text("/start")
    question = await person.wait_for(lambda message: bool(message.buttons), PAUSE)
    await person.press(question, question.buttons[0][0].text)


async def _send(person: Person, data: bytes, *, as_photo: bool) -> ScanTimes:
    began = time.perf_counter()
    await (person.send_photo(data) if as_photo else person.send_document(data, "scan.jpg"))
    await person.wait_for(lambda message: message.photo is not None, PAUSE)
    picture = time.perf_counter() - began
    await person.wait_for(lambda message: message.document is not None, PAUSE)
    return ScanTimes(picture, time.perf_counter() - began)
