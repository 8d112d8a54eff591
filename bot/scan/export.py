"""A person's copy of what is kept of them: ZIP files with JSON, pictures, reports and a page to begin with."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.chat.context import BotContext
from bot.chat.texts import Texts
from bot.scan import wording
from bot.scan.messages import draw_report
from storage.columns import names_of
from storage.errors import UnknownScanError
from storage.records import Outcome, Person, Scan

FORMAT = 1
"""Goes up when what ``scans.json`` says changes its meaning."""
MOST_BYTES = 40_000_000
"""Of one part, before the scan that would make it larger; Telegram takes files of 50 MB from a bot."""
AT_ONCE = 20
"""Scans that are looked up together."""
SCHEMA_FILE = "export.schema.json"
OF_THE_BOT = frozenset({"id", "person_id", "source_key", "messages", "file_ids", "passes"})
"""Fields of a scan that say nothing to its owner: row ids, and numbers of messages."""


@dataclass(slots=True)
class Part:
    """One ZIP, made in memory: what a key encrypts in the database is not to lie open in a temporary folder."""

    number: int
    scans: list[Scan] = field(default_factory=list)
    _entries: list[Mapping[str, Any]] = field(default_factory=list)
    _file: io.BytesIO = field(default_factory=io.BytesIO)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def add(self, scan: Scan, contents: Mapping[str, bytes], outcome: Outcome | None) -> None:
        """Put in a scan with its files, by their names in its folder, and what the doctor found."""
        with zipfile.ZipFile(self._file, "a") as archive:  # stored as they are: JPEG, PNG and PDF hardly get smaller
            for name, data in contents.items():
                archive.writestr(f"{folder_of(scan)}/{name}", data)
        self.scans.append(scan)
        self._entries.append(entry(scan, list(contents)) | {"outcome": told_outcome(outcome)})

    def finish(self, person: Person, texts: Texts) -> io.BytesIO:
        """Put in what the part says of itself; returns the file, at its beginning."""
        about = {
            "format": FORMAT,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "part": self.number,
            "person": about_person(person),
            "scans": self._entries,
        }
        with zipfile.ZipFile(self._file, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", readme(self, texts))
            archive.writestr("scans.json", json.dumps(about, ensure_ascii=False, indent=2))
            archive.writestr("scans.schema.json", schema())
        self._file.seek(0)
        return self._file


def schema() -> str:
    """The JSON Schema of ``scans.json``."""
    return Path(__file__).with_name(SCHEMA_FILE).read_text("utf-8")


def folder_of(scan: Scan) -> str:
    """Where a scan's files lie."""
    return f"scan-{scan.number}-{scan.public_id}"


def entry(scan: Scan, contents: Sequence[str]) -> dict[str, Any]:
    """What ``scans.json`` says of a scan: every field that is kept of it, and where its files lie."""
    kept = {name: getattr(scan, name) for name in names_of(Scan) if name not in OF_THE_BOT}
    own = {"created_at": scan.created_at.isoformat(), "files": [f"{folder_of(scan)}/{name}" for name in contents]}
    return {**kept, **own}


def told_outcome(outcome: Outcome | None) -> dict[str, str | None] | None:
    """What ``scans.json`` says of what the doctor found; None when that was not told."""
    if outcome is None:
        return None
    shared = outcome.shared_at.isoformat() if outcome.shared_at else None
    return {"found": outcome.found, "noted_at": outcome.noted_at.isoformat(), "shared_at": shared}


def about_person(person: Person) -> dict[str, Any]:
    """What ``scans.json`` says of the person: every field that is kept of them but the number of the row."""
    values = {name: getattr(person, name) for name in names_of(Person) if name != "id"}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def readme(part: Part, texts: Texts) -> str:
    """The page to begin with, in the person's language."""
    lines = [
        texts.plain(
            "export.entry",
            folder=folder_of(scan),
            name=wording.name_of(scan, texts),
            when=texts.moment(scan.created_at),
            result=wording.result_words(scan, texts),
        )
        for scan in part.scans
    ]
    return "\n\n".join((texts.plain("export.readme", when=texts.moment(datetime.now(UTC))), "\n".join(lines))) + "\n"


async def parts(context: BotContext, scans: AsyncIterator[Scan], first: int) -> AsyncIterator[Part]:
    """The parts, numbered from ``first`` on, each as soon as it is full; one scan is never divided."""
    part = Part(first)
    async for scan in scans:
        try:
            contents = await contents_of(context, scan)
        except UnknownScanError:  # deleted in the meantime
            continue
        if part.scans and part.size + sum(map(len, contents.values())) > MOST_BYTES:
            yield part
            part = Part(part.number + 1)
        outcome = await context.database.outcomes.of(scan.id)
        await asyncio.to_thread(part.add, scan, contents, outcome)
    if part.scans:
        yield part


async def contents_of(context: BotContext, scan: Scan) -> dict[str, bytes]:
    """A scan's files by name; the report is drawn anew, in the person's language. Raises UnknownScanError."""
    scans = context.database.scans
    kept = await scans.pictures(scan.id)
    contents = {"picture.jpg": kept.original, "heat-map.jpg": kept.overlay}
    contents["TumorScan.pdf"] = await draw_report(context, scan, kept)
    for one in await scans.slices(scan.id):
        contents[f"slices/{one.number:03}.jpg"] = one.picture
        contents[f"slices/{one.number:03}-heat.png"] = one.heat
    return contents


async def all_scans(context: BotContext, after: int) -> AsyncIterator[Scan]:
    """This person's scans with numbers beyond ``after``, in their order."""
    while found := await context.database.scans.following(context.person.id, after, AT_ONCE):
        for scan in found:
            yield scan
        after = found[-1].number
