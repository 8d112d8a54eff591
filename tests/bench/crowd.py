"""Many people at once, without a network: whether anybody waits behind another, and what a scan costs.

The real application, database file, worker processes and models; Telegram alone is answered inside the process
(``tests.bench.offline``), and its limit on messages a second is lifted, so that the bot itself is what is measured.
"""

import asyncio
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from telegram import Update

from bot.app import build, open_services
from bot.chat.context import CONSENT_VERSION, BotApplication, Services
from bot.scan import worker_jobs
from bot.settings import load_settings
from inference.workers.executor import Executor
from tests.bench.offline import InstantTelegram
from tests.bench.samples import bench_scan, varied
from tests.bench.steps import WORDS, a_report
from tests.processes import processor_seconds

PEOPLE = 64
WRITERS = 256
"""So many that none writes faster than Telegram lets a chat be answered."""
COMMANDS = ("/faq", "/help", "/history", "what is a glioma", "/info")
TOKEN = "1234567890:" + "A" * 35
PAUSE = 120.0


@dataclass(slots=True)
class RequestWatch:
    """Sees every request of the bot and wakes whoever waits for it."""

    waiting: dict[tuple[int, str], list[asyncio.Future[float]]] = field(default_factory=lambda: defaultdict(list))
    heard: Counter[str] = field(default_factory=Counter)
    """How often each method was called for a chat."""

    def notice(self, endpoint: str, chat_id: int | None) -> None:
        """Note one request."""
        if chat_id is None:
            return
        self.heard[endpoint] += 1
        for future in self.waiting.pop((chat_id, endpoint), []):
            if not future.done():
                future.set_result(time.perf_counter())

    def expect(self, chat_id: int, endpoint: str) -> "asyncio.Future[float]":
        """When the next request of this kind to this chat is made, by ``time.perf_counter``."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.waiting[chat_id, endpoint].append(future)
        return future


@dataclass(frozen=True, slots=True)
class CrowdFigures:
    """Seconds, unless said otherwise."""

    alone_picture: list[float]
    alone_report: list[float]
    processor_alone: float
    """Processor time of a scan, all steps, one after the other; workers are at rest in between."""
    processor_per_scan: float
    """The same while many send: two busy cores that share their caches take longer over the same work."""
    analyser_rate: float
    """Scans a second that the analyser alone reaches with the same workers."""
    workers_rate: float
    """The same with all that workers do for a scan: analysis, the picture for the chat, the PDF."""
    scan_rate: float
    """Scans a second of the whole bot, PDFs included."""
    commands: list[float]
    """From the arrival of a text to its answer, while all scans run."""
    lag: list[float]


class Stage:
    """A running bot to which updates are given by hand."""

    def __init__(self, application: BotApplication, services: Services, requests: RequestWatch) -> None:
        self.application = application
        self.services = services
        self.requests = requests
        self._number = random.Random(7).randrange(10**6)  # noqa: S311 - only a number to count from

    async def give(self, chat_id: int, **message: Any) -> None:
        """Put one message of a person into the queue, as the poller would."""
        self._number += 1
        person = {"id": chat_id, "first_name": "Ann", "is_bot": False}
        raw = {
            "update_id": self._number,
            "message": {
                "message_id": self._number,
                "date": int(time.time()),
                "chat": {"id": chat_id, "type": "private", "first_name": "Ann"},
                "from": person,
                **message,
            },
        }
        await self.application.update_queue.put(Update.de_json(raw, self.application.bot))

    async def scan(self, chat_id: int) -> tuple[float, float]:
        """Send a file and wait for both answers; seconds from its arrival to each."""
        picture, report = self.requests.expect(chat_id, "sendPhoto"), self.requests.expect(chat_id, "sendDocument")
        began = time.perf_counter()
        name = f"scan-{self._number}"
        await self.give(chat_id, document={"file_id": name, "file_unique_id": name, "file_name": "scan.jpg"})
        async with asyncio.timeout(PAUSE):
            return await picture - began, await report - began

    async def command(self, chat_id: int, text: str) -> float:
        """Send a text and wait for the first answer; seconds."""
        answered = self.requests.expect(chat_id, "sendMessage")
        began = time.perf_counter()
        entities = [{"type": "bot_command", "offset": 0, "length": len(text)}] if text.startswith("/") else []
        await self.give(chat_id, text=text, entities=entities)
        async with asyncio.timeout(PAUSE):
            return await answered - began


@asynccontextmanager
async def stage(folder: Path, workers: int, people: int, per_second: int = 1000) -> AsyncIterator[Stage]:
    """Start the bot on a database in ``folder``; everybody has agreed already."""
    settings = load_settings(
        _env_file=None,
        telegram_bot_token=TOKEN,
        database_url=f"sqlite+aiosqlite:///{folder}/crowd.db",
        workers=workers,
        messages_per_second=per_second,
    )
    requests, pictures = RequestWatch(), [varied(bench_scan(), number) for number in range(16)]
    instant = InstantTelegram(lambda name: pictures[hash(name) % len(pictures)], requests.notice)
    async with open_services(settings) as services:
        application = build(settings, services)
        application.bot._request = (instant, instant)
        async with application:
            await application.start()
            for chat_id in range(1, people + 1):
                await services.database.people.register(chat_id, "Ann", "en")
                await services.database.people.give_consent(chat_id, CONSENT_VERSION)
            try:
                yield Stage(application, services, requests)
            finally:  # else the library hides what went wrong behind "still running"
                await application.stop()


async def measure_crowd(folder: Path, scans: int, workers: int) -> CrowdFigures:
    """One person alone first, then ``PEOPLE`` who send scans while as many others write."""
    async with stage(folder, workers, PEOPLE + scans + WRITERS) as running:
        for _ in range(3):
            await running.scan(1)
        # A chat each: the sender lets one have a short burst, then a message a second.
        spent = processor_seconds()
        alone = [await running.scan(chat_id) for chat_id in range(1, 41)]
        processor_alone = (processor_seconds() - spent) / len(alone)
        analyser_rate = await _analyser_rate(running.services.executor, scans)
        workers_rate = await _workers_rate(running.services.executor, scans)
        spent, began = processor_seconds(), time.perf_counter()
        lag: list[float] = []
        commands: list[float] = []
        watch = asyncio.create_task(_watch_lag(lag))
        typing = asyncio.create_task(_type(running, commands, PEOPLE + scans))
        chats = iter(range(PEOPLE + 1, PEOPLE + scans + 1))
        await asyncio.gather(*(_send(running, chats) for _ in range(PEOPLE)))
        duration = time.perf_counter() - began
        for task in (watch, typing):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return CrowdFigures(
            alone_picture=[picture for picture, _ in alone],
            alone_report=[report for _, report in alone],
            processor_alone=processor_alone,
            processor_per_scan=(processor_seconds() - spent) / scans,
            analyser_rate=analyser_rate,
            workers_rate=workers_rate,
            scan_rate=scans / duration,
            commands=commands,
            lag=lag,
        )


async def _send(running: Stage, chats: Iterator[int]) -> None:
    """One of the people at once; who has an answer makes place for the next."""
    for chat_id in chats:
        await running.scan(chat_id)


async def _type(running: Stage, times: list[float], others: int) -> None:
    """Others than those who send scans write, ten a second at most; their chats come after the first ``others``."""
    chance = random.Random(1)  # noqa: S311 - not a secret
    while True:
        text = chance.choice(COMMANDS)
        times.append(await running.command(others + chance.randrange(1, WRITERS + 1), text))
        await asyncio.sleep(0.1)


async def _watch_lag(lag: list[float]) -> None:
    """How much later than asked for the event loop comes back."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        lag.append(time.perf_counter() - began - 0.005)


async def _analyser_rate(executor: Executor, scans: int) -> float:
    picture = bench_scan()
    began = time.perf_counter()
    await asyncio.gather(*(executor.analyse(picture) for _ in range(scans)))
    return scans / (time.perf_counter() - began)


async def _workers_rate(executor: Executor, scans: int) -> float:
    picture = bench_scan()

    async def one() -> None:
        looked = await executor.run(worker_jobs.analyse_for_chat, picture, WORDS)
        assert isinstance(looked, tuple)
        analysis, _ = looked
        await executor.run(worker_jobs.draw, a_report(analysis.shown, analysis.overlay or b""))

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(scans)))
    return scans / (time.perf_counter() - began)


def percentile(values: Sequence[float], share: int) -> float:
    """The value below which ``share`` of 100 lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]
