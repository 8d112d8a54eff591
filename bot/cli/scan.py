"""``tumorscan scan FILE|FOLDER...``: read pictures and studies offline, on all cores; write overlays and reports."""

import argparse
import asyncio
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bot.chat.languages import Language, open_models
from bot.cli.files import InputFile, find_inputs, is_odd, is_regular, printable, spelled_out
from bot.cli.spreadsheet import Spreadsheet
from bot.errors import StartError
from bot.scan import wording, worker_jobs
from bot.scan.cell_facts import draw_cell_strip
from bot.scan.dicom_files import ENDINGS, dicom_data
from bot.scan.report_data import Issuer, new_scan, paper_for, report_data
from bot.scan.study import StudyRead, draw_contacts, read_study, series_of
from bot.scan.study_facts import StudyFacts
from bot.settings import load_settings
from inference.analysis import Analysis, PictureError, Verdict
from inference.card import ModelError
from inference.decode.limits import MAX_FILE_BYTES
from inference.registry import Entry
from inference.study.reading import OPEN_TIMEOUT
from inference.study.study import Study
from inference.study.worker_jobs import analyse_folder, analyse_or_open
from inference.workers.executor import AnalysisTimeoutError, Executor, ExecutorError
from inference.workers.local import LocalExecutor
from reports.seal import Sealer
from storage.public_id import public_id_of
from storage.records import Scan

SOME_NOT_READ = 3
"""Exit status when at least one file could not be read."""
FOLDER_TIMEOUT = 300.0
"""Seconds for the pictures of a folder to be found and decoded: there is no limit on its bytes."""
MOST_ASKED = 20
"""Files of a folder that are asked for the identifiers of their study."""
AHEAD = 3
"""Files in work per core: enough to keep every worker busy, few enough to keep memory flat."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said about one file."""

    record: dict[str, Any]
    """The JSON line."""
    words: str
    """The same for people, in one line."""
    was_read: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare files and options."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="pictures, DICOM, ZIP or NIfTI of slices, or folders of these",
    )
    parser.add_argument("--study", action="store_true", help="a folder holds slices of one person: one answer for it")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write NAME.overlay.jpg, NAME.heatmap.png and NAME.report.pdf there"
    )
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="with --out, for files that are DICOM: also NAME.report.dcm (Encapsulated PDF) and NAME.heatmap.dcm "
        "(Secondary Capture), with the patient and study of that file",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line a file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write a spreadsheet, one line a file")
    parser.add_argument(
        "--organ", metavar="NAME", help="what all pictures show, such as brain_mri; skips the check for it"
    )
    parser.add_argument("--language", metavar="CODE", help="what words and reports are in (default en)")


def run(args: argparse.Namespace) -> int:
    """Read the files in their order; 0 when all were read, 3 when some were not. Raises StartError."""
    if args.dicom and args.out is None:
        raise StartError("--dicom: name with --out DIR the folder that the files go to")
    if args.out is not None:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"--out {args.out}: {error.strerror}; name a folder that can be written to") from None
    try:
        return asyncio.run(_run(args))
    except (ModelError, ExecutorError) as error:
        raise StartError(str(error)) from None


async def _run(args: argparse.Namespace) -> int:
    settings = load_settings()
    models, spoken = open_models(settings.models_dir)
    if args.organ is not None and args.organ not in models:
        raise StartError(f"--organ {args.organ}: no model reads that; there are {', '.join(models)}")
    language = spoken.default if args.language is None else spoken.named(args.language)
    if language is None:
        raise StartError(f"--language {printable(Path(args.language))}: there are {', '.join(spoken)}")
    files = find_inputs(args.files, study=args.study)
    if not files:
        named = ", ".join(map(printable, args.files))
        raise StartError(f"there is no file in {named}; name files, or a folder with some")
    has_studies = any(file.files is not None or begins_as_container(file.path) for file in files)
    workers = settings.workers if has_studies else min(settings.workers, len(files))
    readable = [file.path.absolute() for file in files if file.files is not None or is_large_container(file.path)]
    issuer = Issuer(Sealer(settings.report_keys), paper=paper_for(settings.paper, language.texts.locale))
    with _output(args, len(files)) as tell:
        async with LocalExecutor(
            workers,
            jobs=worker_jobs.MODULES,
            models_dir=settings.models_dir,
            backend=settings.model_backend,
            readable=readable,
        ) as executor:
            reader = Reader(executor, models, language, args.out, args.organ, workers, issuer, dicom=args.dicom)
            all_read = await reader.read_all(files, workers * AHEAD, tell)
    return 0 if all_read else SOME_NOT_READ


@contextmanager
def _output(args: argparse.Namespace, total: int) -> Iterator[Callable[[Finding], None]]:
    """Takes findings while the body runs: a line of each, a row of the spreadsheet, a step of the progress bar."""
    with ExitStack() as stack:
        bar = None
        if total > 1 and sys.stderr.isatty():
            bar = stack.enter_context(tqdm(total=total, unit="file", file=sys.stderr, dynamic_ncols=True))
        sheet = stack.enter_context(Spreadsheet(args.csv)) if args.csv is not None else None

        def tell(finding: Finding) -> None:
            line = as_json(finding.record) if args.json else finding.words
            if sheet is not None:
                sheet.write(finding.record)
            tqdm.write(line, file=sys.stdout)  # keeps the bar below the lines when both go to one terminal
            if bar is not None:
                bar.update()

        yield tell


class Reader:
    """Reads files through the workers and writes what ``--out`` asks for."""

    def __init__(
        self,
        executor: Executor,
        models: Mapping[str, Entry],
        language: Language,
        out: Path | None = None,
        organ: str | None = None,
        at_once: int = 2,
        issuer: Issuer | None = None,
        *,
        dicom: bool = False,
    ) -> None:
        self._executor = executor
        self._models = models
        self._language, self._texts = language, language.texts
        self._out = out
        self._organ = organ
        self._at_once = at_once
        self._issuer = issuer or Issuer()
        self._dicom = dicom

    async def read_all(self, files: Sequence[InputFile], ahead: int, tell: Callable[[Finding], None]) -> bool:
        """Tell the findings in the order of ``files``, with at most ``ahead`` files in work or waiting to be told.

        Returns whether all were read. Raises what a read or ``tell`` raises first.
        """
        waiting: deque[asyncio.Task[Finding]] = deque()
        were_read: list[bool] = []

        async def tell_next() -> None:
            finding = await waiting.popleft()
            tell(finding)
            were_read.append(finding.was_read)

        try:
            async with asyncio.TaskGroup() as group:
                for file in files:
                    waiting.append(group.create_task(self.read(file)))
                    if len(waiting) >= ahead:
                        await tell_next()
                while waiting:
                    await tell_next()
        except ExceptionGroup as several:
            raise several.exceptions[0] from None  # the first fault ended the others
        return all(were_read)

    async def read(self, file: InputFile) -> Finding:
        """Read one file; whatever is wrong with it is said in its finding."""
        if is_odd(file.path):
            return self._unread(file, "This is no file but a pipe or a device.")
        try:
            analysis, study = await self._analyse(file)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no file can have this name"
            return self._unread(file, f"This file can't be opened: {why}.")
        except PictureError as error:
            return self._unread(file, self._texts.plain(f"refusal.{error.reason}"))
        except ExecutorError as error:
            key = "refusal.timeout" if isinstance(error, AnalysisTimeoutError) else "refusal.worker_died"
            return self._unread(file, self._texts.plain(key))
        if analysis.verdict is Verdict.NOT_READABLE:
            return self._unread(file, self._texts.plain(f"refusal.{analysis.reason}"), analysis)
        scan = as_scan(file, analysis, study)
        outputs = await self._write(file, analysis, scan, study) if self._out is not None else NO_OUTPUTS
        reason = wording.result_words(scan, self._texts)
        explained = wording.explanation_words(scan, self._texts, self._models.values())
        aside = wording.set_aside_words(study.facts, self._texts) if study else ""
        words = f"{printable(file.path)}: {reason}. {explained} {aside}".rstrip()
        facts = study.facts if study else None
        return Finding(_record(file, analysis, reason, outputs, facts), words, was_read=True)

    async def _analyse(self, file: InputFile) -> tuple[Analysis, StudyRead | None]:
        """Read a picture, or open and judge what holds several. Raises OSError, PictureError, ExecutorError."""
        if file.files is not None:
            found = await self._executor.run(analyse_folder, list(file.files), self._organ, timeout=FOLDER_TIMEOUT)
        elif await asyncio.to_thread(is_large_container, file.path):
            files = [(file.path.name, file.path.absolute())]  # Telegram's limit does not hold here
            found = await self._executor.run(analyse_folder, files, self._organ, timeout=FOLDER_TIMEOUT)
        else:
            data = await asyncio.to_thread(_load, file.path)
            found = await self._executor.run(analyse_or_open, data, self._organ, timeout=OPEN_TIMEOUT)
        return await self._case(found)

    async def _case(self, found: Analysis | Study) -> tuple[Analysis, StudyRead | None]:
        """Judge what holds several slices."""
        if isinstance(found, Analysis):
            return found, None
        cards = {organ: entry.card for organ, entry in self._models.items()}
        read = await read_study(self._executor, found, cards, self._organ, at_once=self._at_once)
        return read.analysis, read

    def _unread(self, file: InputFile, sentences: str, analysis: Analysis | None = None) -> Finding:
        reason = without_commands(sentences)
        words = f"{printable(file.path)}: {reason}"
        return Finding(_record(file, analysis, reason, NO_OUTPUTS), words, was_read=False)

    async def _write(
        self, file: InputFile, analysis: Analysis, scan: Scan, study: StudyRead | None
    ) -> dict[str, str | None]:
        """Write the overlay, the heat map and the report of a picture that was read."""
        if self._out is None or analysis.overlay is None or analysis.heatmap is None:
            return NO_OUTPUTS
        pictures = new_scan(analysis, source_key="", patient_label=None, received_as="file").pictures
        contacts = await draw_cell_strip(self._executor, scan, pictures.original)
        if study:
            contacts = await draw_contacts(self._executor, study.facts, study.slices)
        series = series_of(study.facts, study.slices) if study else ""
        models, issuer = self._models.values(), self._issuer
        data = report_data(scan, pictures, self._language, models, contacts, issuer=issuer, series=series)
        report = issuer.sealer.seal(await self._executor.run(worker_jobs.draw, data))
        parts = {
            "overlay": (".overlay.jpg", analysis.overlay),
            "heatmap": (".heatmap.png", analysis.heatmap),
            "report": (".report.pdf", report),
        }
        if self._dicom:
            parts |= await self._as_dicom(file, scan, report, analysis.overlay)
        paths: dict[str, str | None] = {}
        for part, (ending, content) in parts.items():
            path = self._out / f"{file.name}{ending}"
            try:
                await asyncio.to_thread(path.write_bytes, content)
            except OSError as error:
                raise StartError(f"--out: {path} can't be written ({error.strerror})") from None
            paths[part] = str(path)
        return paths

    async def _as_dicom(
        self, file: InputFile, scan: Scan, report: bytes, overlay: bytes
    ) -> dict[str, tuple[str, bytes]]:
        """Both DICOM files with the identifiers of a DICOM file, or of the first one of a folder or archive.

        Empty for a file that has no such identifiers.
        """
        paths = [path for _, path in file.files] if file.files is not None else [file.path]
        for path in paths[:MOST_ASKED]:
            try:
                identity = await self._executor.run(worker_jobs.identity, await asyncio.to_thread(_load, path))
            except (PictureError, ExecutorError, OSError):
                continue
            data = dicom_data(scan, identity, report, overlay, self._texts)
            both = await self._executor.run(worker_jobs.as_dicom, data)
            return {
                key: (ending, content)
                for key, ending, content in zip(("dicom_report", "dicom_heatmap"), ENDINGS, both, strict=True)
            }
        return {}


def without_commands(text: str) -> str:
    """Leave out sentences such as "/scan tells more.", which make sense in a chat alone."""
    return " ".join(sentence for sentence in re.split(r"(?<=[.!?]) ", text) if not sentence.startswith("/"))


NO_OUTPUTS: dict[str, str | None] = {"overlay": None, "heatmap": None, "report": None}


def as_scan(file: InputFile, analysis: Analysis, study: StudyRead | None = None) -> Scan:
    """Build the scan that this would be in a chat, for the words and the report; nothing is stored."""
    label = spelled_out(os.fsencode(file.path.name).decode("utf-8", "replace"))
    facts = study.facts if study else None
    kept = new_scan(analysis, source_key=str(file.number), patient_label=label, received_as="file", study=facts)
    fields = {
        name: getattr(kept, name) for name in type(kept).__dataclass_fields__ if name not in ("pictures", "slices")
    }
    return Scan(
        id=0,
        person_id=0,
        public_id=_public_id(analysis.picture_sha256),
        number=file.number,
        created_at=datetime.now(UTC),
        **fields,
    )


def as_json(record: dict[str, Any]) -> str:
    """One line, in which nothing commands a terminal."""
    line = json.dumps(record, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


_UNSEEN = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _record(
    file: InputFile,
    analysis: Analysis | None,
    reason: str,
    outputs: dict[str, str | None],
    study: StudyFacts | None = None,
) -> dict[str, Any]:
    name = os.fsencode(file.path).decode("utf-8", "replace")
    if analysis is None:
        said: dict[str, Any] = {
            "organ": None, "verdict": Verdict.NOT_READABLE.value, "label": None, "confidence": None,
            "probabilities": {}, "withheld": {}, "prediction_set": [], "gate": None, "model": None,
        }  # fmt: skip
    else:
        said = {
            "organ": analysis.organ,
            "verdict": analysis.verdict.value,
            "label": analysis.label,
            "confidence": analysis.confidence,
            "probabilities": dict(analysis.probabilities),
            "withheld": dict(analysis.withheld),
            "prediction_set": list(analysis.prediction_set),
            "gate": dict(analysis.gate) if analysis.gate else None,
            "model": f"{analysis.model.name} {analysis.model.version}" if analysis.model else None,
        }
    told = study.to_json() if study else None
    return {"file": name, **said, "study": told, "reason": reason, "outputs": outputs}


def _load(path: Path) -> bytes:
    """Read at most one byte more than the limit, so that a film of 4 GB costs nothing."""
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def is_large_container(path: Path) -> bool:
    """Whether a file is larger than a picture may be, and an archive. Raises OSError, ValueError."""
    return begins_as_container(path) and path.stat().st_size > MAX_FILE_BYTES


def begins_as_container(path: Path) -> bool:
    """Whether a file begins as a ZIP, gzip or TAR does; False for what can't be opened."""
    if not is_regular(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    return head.startswith((b"PK\3\4", b"\x1f\x8b")) or head[257:262] == b"ustar"


def _public_id(sha256: str) -> str:
    """Name a scan by its picture, in the letters of scan ids: the same file gets the same report again."""
    return public_id_of(int(sha256, 16))
