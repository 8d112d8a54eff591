"""Memory after a thousand scans: the bot as a process of its own, its real workers, and the sandbox over HTTP."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.chat.context import CONSENT_VERSION
from bot.sandbox import Person, Rules, Sandbox
from storage.database import Database
from tests.bench.samples import bench_scan, varied
from tests.bench.table import Row, at_most
from tests.processes import resident, workers

SCANS = 1000
SCANS_EACH = 2
"""Of one person: a third would have to wait, for Telegram takes no more than a short burst in one chat."""
AT_ONCE = 8
PAUSE = 120.0
MOST, GROWTH = 150, 3
"""Megabytes: of each process, and by how much one may grow over the second half."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes after so many scans."""

    bot: float
    workers: tuple[float, ...]


def rows(scans: int = SCANS) -> list[Row]:
    """Measure half way and at the end."""
    half, end = asyncio.run(_measure(scans))
    grown = [after - before for before, after in zip(half.workers, end.workers, strict=True)]
    return [
        at_most(f"resident memory of the bot process after {scans:,} scans", end.bot, MOST, "MB"),
        at_most(f"resident memory of a worker (largest) after {scans:,} scans", max(end.workers), MOST, "MB"),
        at_most(f"growth of the bot over the last {scans // 2:,} scans", end.bot - half.bot, GROWTH, "MB", 1),
        at_most(f"growth of a worker (largest) over the last {scans // 2:,} scans", max(grown), GROWTH, "MB", 1),
    ]


async def _measure(scans: int) -> tuple[Memory, Memory]:
    rules = Rules(stored_bytes=64_000_000)  # the files of old chats are of no use here
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox.start(rules=rules) as sandbox:
            people = await _people(sandbox, folder, -(-scans // SCANS_EACH))
            async with _bot(sandbox, folder) as pid:
                sending = iter(people * SCANS_EACH)
                found = []
                for half in (scans // 2, scans - scans // 2):
                    turn = iter(range(half))
                    await asyncio.gather(*(_send(sending, turn) for _ in range(AT_ONCE)))
                    found.append(_memory(pid))
    return found[0], found[1]


async def _people(sandbox: Sandbox, folder: str, count: int) -> list[Person]:
    """So many who have agreed already."""
    database = await Database.open(_url(folder))
    people = [await sandbox.person("Ann") for _ in range(count)]
    for person in people:
        await database.people.register(person.id, person.name, "en")
        await database.people.give_consent(person.id, CONSENT_VERSION)
    await database.close()
    return people


@asynccontextmanager
async def _bot(sandbox: Sandbox, folder: str) -> AsyncIterator[int]:
    settings = {
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_API_URL": sandbox.url,
        "DATABASE_URL": _url(folder),
        "MESSAGES_PER_SECOND": "1000",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
    }
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", cwd=folder, env={**os.environ, **settings}
    )
    try:
        yield bot.pid
    finally:
        bot.terminate()
        await bot.wait()


async def _send(people: Iterator[Person], turn: Iterator[int]) -> None:
    """One of those who send at once: a scan, its answers, the next one."""
    picture = bench_scan()
    for number, person in zip(turn, people, strict=False):
        await person.send_document(varied(picture, number), "scan.jpg")
        await person.wait_for(lambda message: message.document is not None, PAUSE)


def _memory(pid: int) -> Memory:
    return Memory(resident(pid), tuple(resident(one) for one in workers(pid)))


def _url(folder: str) -> str:
    return f"sqlite+aiosqlite:///{folder}/memory.db"
