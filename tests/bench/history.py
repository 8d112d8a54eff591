"""What a long history costs: a scan and /history at 0 and at 100,000 scans, all of one person or of a thousand.

The database is filled in bulk. Its pictures are small (a real one has a hundred times as much), which changes nothing
in what is looked up: pictures lie in a table of their own, and large ones in pages beside it.
"""

import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert, text
from telegram import Update

from bot.chat.context import CONSENT_VERSION
from bot.chat.keyboards import Action, ButtonPress
from bot.delivery import rate_limiter
from bot.handlers.history import PAGE_SIZE
from storage import Database, NewScan, Pictures, schema
from storage.public_id import public_id_of
from tests.bench.crowd import Stage, stage
from tests.bench.table import Row, percentile, percentiles
from tests.processes import processor_seconds

SCANS = 100_000
MANY = 1000
"""People among whom the scans are, where they are not all of one."""
ROUNDS, BATCH = 5, 40
"""Scans are measured in turn with the short and the long history, so that a busy moment hits both."""
PAGES = 100
BLOB = 1024
WRITER = 1
"""Chat of whoever sends scans and asks for the history; those of the others come after it."""
_starts = itertools.count(10**8, 10**6)
GROWTH, SLOWEST = 10, 20
"""Percent by which a scan may cost more, and milliseconds that a page of the history may take in 95 of 100."""


@dataclass(slots=True)
class Found:
    """Seconds: processor time of a scan in each round, and of what is asked of storage for each; history pages."""

    processor: list[float] = field(default_factory=list)
    storage: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)


def rows(scans: int = SCANS) -> list[Row]:
    """Measure an empty history and two long ones."""
    with tempfile.TemporaryDirectory() as folder, _no_limit_in_a_chat():
        empty, alone, among = asyncio.run(_measure(Path(folder), scans))
    return [
        Row("processor time of a scan, all steps, empty history", f"{_median(empty.processor):.1f} ms"),
        _growth(f"the same at {scans:,} scans of one person", _median(alone.processor), _median(empty.processor)),
        _growth(f"the same at {scans:,} scans of {MANY:,} people", _median(among.processor), _median(empty.processor)),
        Row("processor time of what a scan asks of the database, empty history", f"{_median(empty.storage):.1f} ms"),
        _growth(f"the same at {scans:,} scans of one person", _median(alone.storage), _median(empty.storage)),
        _growth(f"the same at {scans:,} scans of {MANY:,} people", _median(among.storage), _median(empty.storage)),
        _page("first", scans, "one person", alone.first),
        _page("last", scans, "one person", alone.last),
        _page("first", scans, f"{MANY:,} people", among.first),
        _page("last", scans, f"{MANY:,} people", among.last),
    ]


async def _measure(folder: Path, scans: int) -> tuple[Found, Found, Found]:
    found = []
    databases = []
    for name, people in (("empty", 0), ("alone", 1), ("among", MANY)):
        place = folder / name
        place.mkdir()
        databases.append(place)
        await _fill(place, people, scans if people else 0)
        found.append(Found())
    for _ in range(ROUNDS):
        for place, one in zip(databases, found, strict=True):
            async with _opened(place) as running:
                await _measure_scans(running, one)
    for place, one in zip(databases, found, strict=True):
        async with _opened(place) as running:
            await _measure_pages(running, one)
    return found[0], found[1], found[2]


@asynccontextmanager
async def _opened(place: Path) -> AsyncIterator[Stage]:
    async with stage(place, 1, WRITER) as running:
        running._number = next(_starts)  # what it has been given before would be passed over
        for _ in range(4):
            await running.scan(WRITER)
        yield running


async def _measure_scans(running: Stage, found: Found) -> None:
    before = processor_seconds()
    for _ in range(BATCH):
        await running.scan(WRITER)
    found.processor.append((processor_seconds() - before) / BATCH)
    database = running.services.database
    person = await database.people.register(WRITER, "Ann", "en")
    for number in range(BATCH):
        digest = os.urandom(32).hex()
        new = _new_scan(f"{digest}:{number}", digest)
        began = time.process_time()
        await database.scans.by_source(person.id, new.source_key)
        scan, _ = await database.scans.add(person.id, new)
        await database.scans.record_message(scan.id, "picture", number, "file id")
        await database.scans.record_message(scan.id, "report", number, "file id")
        found.storage.append(time.process_time() - began)


async def _measure_pages(running: Stage, found: Found) -> None:
    person = await running.services.database.people.register(WRITER, "Ann", "en")
    pages = (await running.services.database.scans.page(person.id, 1, PAGE_SIZE)).pages
    numbers = itertools.count(2**40)
    for _ in range(PAGES):
        found.first.append(await running.command(WRITER, "/history"))
        found.last.append(await _press(running, ButtonPress(Action.HISTORY, str(pages)).data, next(numbers)))


async def _press(running: Stage, data: str, number: int) -> float:
    """Press a button of the writer's; seconds until its message is changed."""
    changed = running.requests.expect(WRITER, "editMessageText")
    chat = {"id": WRITER, "type": "private", "first_name": "Ann"}
    message = {"message_id": 1, "date": int(time.time()), "chat": chat, "text": "a page"}
    person = {"id": WRITER, "first_name": "Ann", "is_bot": False}
    query = {"id": str(number), "from": person, "chat_instance": "1", "data": data, "message": message}
    began = time.perf_counter()
    update = Update.de_json({"update_id": number, "callback_query": query}, running.application.bot)
    await running.application.update_queue.put(update)
    async with asyncio.timeout(60):
        return await changed - began


async def _fill(folder: Path, people: int, scans: int) -> None:
    """The writer and the others, who all have agreed, with as many scans each."""
    database = await Database.open(f"sqlite+aiosqlite:///{folder}/crowd.db")
    owners = []
    for chat_id in range(WRITER, WRITER + people):
        owners.append((await database.people.register(chat_id, "Ann", "en")).id)
        await database.people.give_consent(chat_id, CONSENT_VERSION)
    await database.close()
    if owners:
        await asyncio.to_thread(_insert, folder / "crowd.db", owners, scans // people)


def _insert(file: Path, owners: Sequence[int], each: int) -> None:
    engine = create_engine(f"sqlite:///{file}")
    picture = os.urandom(BLOB)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA synchronous = OFF"))
        ids = itertools.count(1)
        for numbers in _batches(each, max(1, 5000 // len(owners))):
            some = [_scan_row(next(ids), owner, number) for number in numbers for owner in owners]
            connection.execute(insert(schema.SCANS), some)
            blobs = [{"scan_id": row["id"], "original": picture, "overlay": picture} for row in some]
            connection.execute(insert(schema.PICTURES), blobs)
        connection.execute(text("UPDATE people SET next_number = :next"), {"next": each + 1})
        connection.commit()
    engine.dispose()


def _batches(count: int, size: int) -> Iterator[range]:
    """The numbers from 1 to ``count``, ``size`` at a time."""
    for start in range(1, count + 1, size):
        yield range(start, min(start + size, count + 1))


def _scan_row(scan_id: int, owner: int, number: int) -> dict[str, Any]:
    new = _new_scan(f"{number}:file", os.urandom(32).hex())
    values = {name: getattr(new, name) for name in NewScan.__dataclass_fields__ if name not in ("pictures", "slices")}
    return values | {
        "id": scan_id,
        "person_id": owner,
        "number": number,
        "public_id": public_id_of(scan_id),
        "created_at": datetime.now(UTC),
        "messages": {"picture": 2 * scan_id, "report": 2 * scan_id + 1},
        "file_ids": {"picture": "A" * 70, "report": "B" * 70},
    }


def _new_scan(source_key: str, digest: str) -> NewScan:
    return NewScan(
        source_key=source_key,
        patient_label="Ann B.",
        organ="brain_mri",
        verdict="tumor_signs",
        reason="read",
        label="glioma",
        confidence=0.93,
        probabilities={"glioma": 0.93, "meningioma": 0.03, "pituitary": 0.02, "no_tumor": 0.02},
        prediction_set=("glioma",),
        gate={"brain_mri": 0.98, "blood_smear": 0.01, "other": 0.01},
        model_name="brain_mri",
        model_version="1.0.0",
        model_sha256="a" * 64,
        picture_sha256=digest,
        received_as="document",
        width=1280,
        height=960,
        study=None,
        cells=(),
        pictures=Pictures(os.urandom(BLOB), os.urandom(BLOB)),
    )


@contextmanager
def _no_limit_in_a_chat() -> Iterator[None]:
    """One chat is asked more here than Telegram lets a bot answer."""
    burst = rate_limiter.BURST
    rate_limiter.BURST = 1_000_000
    try:
        yield
    finally:
        rate_limiter.BURST = burst


def _median(seconds: Sequence[float]) -> float:
    """In milliseconds."""
    return statistics.median(seconds) * 1e3


def _growth(what: str, value: float, before: float) -> Row:
    more = (value / before - 1) * 100
    return Row(what, f"{value:.1f} ms ({more:+.0f} %)", f"≤ {GROWTH} % more", more <= GROWTH)


def _page(which: str, scans: int, whose: str, seconds: Sequence[float]) -> Row:
    what = f"/history at {scans:,} scans of {whose}, {which} page, p50 / p95"
    return Row(what, percentiles(seconds, 50, 95), f"p95 ≤ {SLOWEST} ms", percentile(seconds, 95) * 1e3 <= SLOWEST)
