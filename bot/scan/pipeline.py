"""A scan's whole journey, top to bottom: from the updates that bring pictures to the answers in the chat."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum

from telegram import Update
from telegram.constants import FileSizeLimit
from telegram.error import BadRequest

from bot.chat.context import BotContext
from bot.delivery.admission import LONG, AdmissionQueue
from bot.delivery.error_class import ErrorClass, classify
from bot.delivery.inbox import REFUSAL
from bot.delivery.raw_update import message_of
from bot.errors import UserFacingError
from bot.logs import unquoted
from bot.operations.metrics import Metrics, Phase
from bot.scan import worker_jobs
from bot.scan.fetching import fetch
from bot.scan.incoming import MAX_LABEL, Incoming, clean_line
from bot.scan.messages import (
    PICTURE,
    REPORT,
    SOURCE,
    draw_report,
    picture_words,
    send_picture,
    send_report,
    slice_words,
)
from bot.scan.plausibility import is_plausible
from bot.scan.report_data import new_scan
from bot.scan.status import Status, status_message, take_away_status
from bot.scan.study import StudyRead, draw_chat_picture, read_study
from bot.scan.verification import ReportSentBackError, check_report
from inference.analysis import Analysis, PictureError, Verdict
from inference.decode import dicom_signature
from inference.study.reading import OPEN_TIMEOUT, is_container
from inference.study.study import Kind, Study
from inference.study.worker_jobs import assemble_album
from inference.track_record import certainty
from inference.workers.executor import AnalysisTimeoutError, ExecutorError, WorkerDiedError
from reports.seal import is_report
from storage.records import Pictures, Scan

_log = logging.getLogger(__name__)


async def read_pictures(context: BotContext, updates: Sequence[Update]) -> None:
    """Read the picture of one message, or those of an album one after the other, under one status message."""
    delivery = context.delivery
    await delivery.gather(tuple(update.update_id for update in updates))
    messages = [(update.update_id, message) for update in updates if (message := message_of(update))]
    label = next((label for _, one in messages if (label := clean_line(one.caption, MAX_LABEL))), None)
    pictures = [(update_id, Incoming.of(message, label)) for update_id, message in messages]
    if len(pictures) > 1 and await _became_one_case(context, pictures[0][1]):
        pictures = pictures[:1]
    begun = [(*one, await _begun(context, *one)) for one in pictures]
    fresh = [one for one in begun if one[2] is not Progress.ANSWERED]
    if not fresh:
        await take_away_status(context)
        return
    cancel_generation = context.services.chat_queues.cancel_generation(context.person.chat_id)
    position = context.services.admission.outlook
    first_words = context.texts("status.line", place=position) if position else context.texts("status.received")
    async with status_message(context, first_words, fresh[0][1].message_id) as status:
        if len(fresh) > 1 and (album := await _album(context, [one for _, one, _ in fresh], status)):
            await ScanJob(context, *fresh[0], status, cancel_generation, 1, 1, album).run()
            return
        for number, (update_id, picture, before) in enumerate(fresh, start=1):
            await ScanJob(context, update_id, picture, before, status, cancel_generation, number, len(fresh)).run()


class Progress(Enum):
    """How far an earlier attempt came with a picture."""

    NOT = "not"
    KEPT = "kept"
    """Its scan is in the history."""
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a picture: the scan as it is kept, and what goes into the chat."""

    scan: Scan
    pictures: Pictures
    earlier: Scan | None = None
    """Another one of the same picture."""
    chat_picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Analysed:
    """What the models see, and the picture that shows it."""

    analysis: Analysis
    chat_picture: bytes | None
    study: StudyRead | None = None


@dataclass(frozen=True, slots=True)
class ScanJob:
    """One picture's way, as picture ``number`` of ``total`` that came together."""

    context: BotContext
    update_id: int
    picture: Incoming
    before: Progress
    status: Status
    cancel_generation: int
    number: int
    total: int
    album: Study | None = None
    """The slices of an album that is one case, fetched already."""

    async def run(self) -> None:
        """Go the whole way. Of a picture that can't be read nothing is kept, and one sentence says why."""
        if not self._is_wanted() or not await self.context.delivery.take_up(self.update_id):
            return
        try:
            if self.before is Progress.NOT and self.album is None:
                await self.context.services.quota.check(self.context.person.id)
            await self._metrics.timed(Phase.WHOLE, self._go_the_way())
        except ReportSentBackError as told:
            self.context.delivery.outcome = told.key
            await self._tell(told)
        except UserFacingError as problem:
            reason = problem.key.rpartition(".")[2]
            self._metrics.refused(reason)
            self.context.delivery.outcome = f"refused: {reason}"
            await self._refuse(problem)

    @property
    def _metrics(self) -> Metrics:
        return self.context.services.metrics

    async def _go_the_way(self) -> None:
        async with AsyncExitStack() as slots:
            if read := await self._read(slots):
                await self._answer_once(read)

    async def _read(self, slots: AsyncExitStack) -> _Read | None:
        """The scan as it is kept, and what to show; None when not wanted any more.

        Leaves with a slot among the answers, taken before the one among the readers is given up.
        """
        services = self.context.services
        if not self.picture.may_be_dicom and not services.executor.is_slow(self.context.person.id):
            with suppress(_LongFileError):
                return await self._read_among(services.admission, slots)
        return await self._read_among(services.long_files, slots)

    async def _read_among(self, queue: AdmissionQueue, slots: AsyncExitStack) -> _Read | None:
        async with self._admitted(queue) as is_admitted:
            read = None
            if is_admitted:
                may_be_long = queue is self.context.services.long_files
                read = await self._kept_before() or await self._analyse_and_keep(may_be_long=may_be_long)
            if read:
                await slots.enter_async_context(self.context.services.admission.answers)
        return read

    async def _analyse_and_keep(self, *, may_be_long: bool) -> _Read | None:
        data = await self._metrics.timed(Phase.FETCHING, self._fetch()) if self.album is None else b""
        if not self._is_wanted() or not await self.context.delivery.take_up(self.update_id):
            return None
        if is_report(data):
            raise await check_report(self.context, data)
        if is_container(data) and not may_be_long:
            raise _LongFileError
        analysed = await self._metrics.timed(Phase.READING, self._analyse(data))
        if not self._is_wanted():
            return None
        scan, earlier = await self._metrics.timed(Phase.KEEPING, self._keep(analysed))
        self._metrics.scan_kept(scan.organ, scan.verdict)
        if dicom_signature.looks_like(data) and not scan.passes:
            await self.context.database.scans.note_file(scan.id, SOURCE, self.picture.file_id)
            scan = replace(scan, file_ids={**scan.file_ids, SOURCE: self.picture.file_id})
        analysis = analysed.analysis
        return _Read(scan, Pictures(analysis.shown, analysis.overlay or b""), earlier, analysed.chat_picture)

    @asynccontextmanager
    async def _admitted(self, queue: AdmissionQueue) -> AsyncIterator[bool]:
        """Wait to be admitted to reading; who waits for long is told their position in the queue."""
        slot, began = queue.enqueue(self.picture.size or 0), time.monotonic()
        try:
            if not await slot.wait(0):
                await self.context.delivery.park()
            while self._is_wanted() and not await slot.wait(LONG):
                if queue.may_remind():
                    self._show("line", place=slot.position)
            self._metrics.phase_took(Phase.WAITING, time.monotonic() - began)
            yield self._is_wanted() and await self.context.delivery.take_up(self.update_id)
        finally:
            slot.release()

    def _is_wanted(self) -> bool:
        """False once the person has said /cancel, withdrawn the consent or deleted everything."""
        return (
            self.context.services.chat_queues.cancel_generation(self.context.person.chat_id) == self.cancel_generation
        )

    async def _fetch(self) -> bytes:
        self._show("reading")
        return await fetch(self.context, self.picture)

    async def _kept_before(self) -> _Read | None:
        """The scan that an earlier attempt has kept, without having come to its end."""
        if self.before is Progress.NOT:
            return None
        scans = self.context.database.scans
        scan = await scans.by_source(self.context.person.id, self.picture.source_key)
        return _Read(scan, await scans.pictures(scan.id)) if scan else None

    async def _analyse(self, data: bytes) -> "_Analysed":
        """What the models see, and the chat_picture that shows it: read, classified and drawn in worker processes."""
        self._show("unpacking" if is_container(data) else "looking")
        timeout = OPEN_TIMEOUT if is_container(data) else None
        words, executor = picture_words(self.context.texts), self.context.services.executor
        found: Study | tuple[Analysis, bytes | None]
        try:
            if self.album is None:
                person = self.context.person.id
                found = await executor.run(worker_jobs.analyse_for_chat, data, words, timeout=timeout, client=person)
            else:
                found = self.album
            analysed = await self._judge(found) if isinstance(found, Study) else _Analysed(*found)
        except PictureError as error:
            raise UserFacingError(f"refusal.{error.reason}") from error
        except AnalysisTimeoutError as error:
            raise UserFacingError("refusal.timeout") from error
        except WorkerDiedError as error:
            raise UserFacingError("refusal.worker_died") from error
        if analysed.analysis.verdict is Verdict.NOT_READABLE:
            raise UserFacingError(f"refusal.{analysed.analysis.reason}")
        if not is_plausible(analysed.analysis, self.context.services.models, analysed.study):
            _log.error("what a worker says of a picture can't be true: nothing of it is kept")
            raise UserFacingError("refusal.worker_died")
        return analysed

    async def _judge(self, found: Study) -> "_Analysed":
        """Judge every slice of a study, telling how far that is; raises what the executor raises, and PictureError."""
        executor, models = self.context.services.executor, self.context.services.models
        cards = {organ: entry.card for organ, entry in models.items()}
        at_once = self.context.services.settings.workers
        read = await read_study(
            executor, found, cards, at_once=at_once, progress=self._show_slice, client=self.context.person.id
        )
        words = slice_words(self.context.texts, read.facts.best, read.facts.judged)
        chat_picture = await draw_chat_picture(executor, read.facts, read.slices, words, self.context.person.id)
        return _Analysed(read.analysis, chat_picture, read)

    def _show_slice(self, number: int, total: int) -> None:
        self._show("slice", number=number, total=total)

    async def _keep(self, analysed: "_Analysed") -> tuple[Scan, Scan | None]:
        """The scan as it is kept now, and an earlier one of the same picture."""
        new = new_scan(
            analysed.analysis,
            source_key=self.picture.source_key,
            patient_label=self.picture.label,
            received_as=self.picture.received_as,
            study=analysed.study.facts if analysed.study else None,
            slices=analysed.study.slices if analysed.study else (),
        )
        kept = await self.context.database.scans.add(self.context.person.id, new)
        await self._count_verdict(analysed.analysis)
        return kept

    async def _count_verdict(self, analysis: Analysis) -> None:
        """Count it for the operator's metrics: by organ and verdict, and how sure the model was; nothing else of it."""
        if (model := self.context.services.models.get(analysis.organ or "")) is not None:
            sure = certainty(analysis.probabilities, model.card)
            statistics = self.context.database.statistics
            await statistics.count("verdict", analysis.verdict.value, analysis.organ or "", sure)

    async def _answer_once(self, read: _Read) -> None:
        """Answer, and forget what was not to be kept, also when it can't be answered for good."""
        try:
            await self._answer(read)
        except Exception as error:
            if read.scan.passes and classify(error) is ErrorClass.FINAL:
                await self._forget(read.scan)
            raise
        if read.scan.passes:
            await self._forget(read.scan)

    async def _forget(self, scan: Scan) -> None:
        self.context.delivery.erases = True
        await self.context.database.retention.forget(scan)

    async def _answer(self, read: _Read) -> None:
        """The picture beside its heat map, then the PDF, which is drawn while the picture is on its way."""
        scan = read.scan
        self._show("writing")
        sent, drawn = await asyncio.gather(
            self._metrics.timed(Phase.SENDING_PICTURE, self._send_picture(read)),
            self._metrics.timed(Phase.DRAWING, draw_report(self.context, scan, read.pictures)),
            return_exceptions=True,
        )
        if isinstance(sent, BadRequest):
            # Refused for good; another picture of the same album may get through.
            _log.error("an answer could not be sent: %s", unquoted(sent))
            raise UserFacingError("refusal.not_sent", number=scan.number) from sent
        if sent is not None:
            raise sent
        if isinstance(drawn, BaseException):
            _log.error("a report could not be drawn: %s", type(drawn).__name__, exc_info=drawn)
            raise UserFacingError("refusal.report_failed", number=scan.number) from drawn
        if REPORT not in scan.messages:
            await self._metrics.timed(Phase.SENDING_REPORT, send_report(self.context, scan, drawn, below_picture=True))

    async def _send_picture(self, read: _Read) -> None:
        if PICTURE not in read.scan.messages:
            reply_to = self.picture.message_id
            await send_picture(
                self.context, read.scan, chat_picture=read.chat_picture, earlier=read.earlier, reply_to=reply_to
            )

    async def _refuse(self, problem: UserFacingError) -> None:
        """One sentence: in place of the status message, or as an answer to this picture of an album."""
        subject, _, reason = problem.key.partition(".")
        await self.context.database.statistics.count(subject, reason)
        await self._tell(problem)

    async def _tell(self, problem: UserFacingError) -> None:
        sentence = self.context.texts(problem.key, **problem.values)
        if self.total == 1:
            await self.status.end(sentence)
        else:
            message = await self.context.send(sentence, reply_to=self.picture.message_id)
            await self.context.delivery.record(REFUSAL, message.message_id, self.update_id)

    def _show(self, phase: str, **values: object) -> None:
        words = self.context.texts(f"status.{phase}", **values)
        if self.total > 1:
            words = self.context.texts("status.place", number=self.number, total=self.total) + "\n" + words
        self.status.show(words)


class _LongFileError(Exception):
    """What was named a picture is a container: it gives up its place among the pictures, and is fetched anew later."""


async def _begun(context: BotContext, update_id: int, picture: Incoming) -> Progress:
    """How far this very message has come: a redelivered update makes no second scan and no second answer."""
    if REFUSAL in context.delivery.sent(update_id):
        return Progress.ANSWERED
    scan = await context.database.scans.by_source(context.person.id, picture.source_key)
    if scan is None:
        forgotten = context.person.forgets and await was_forgotten(context, picture)
        return Progress.ANSWERED if forgotten else Progress.NOT
    return Progress.ANSWERED if REPORT in scan.messages else Progress.KEPT


async def was_forgotten(context: BotContext, picture: Incoming) -> bool:
    """Whether this very message was answered for somebody who wants nothing kept."""
    return await context.database.retention.was_forgotten(context.person.id, picture.source_key)


async def _album(context: BotContext, pictures: Sequence[Incoming], status: Status) -> Study | None:
    """The slices of an album whose files are DICOM of one series; None for any other album.

    Only tags tell: slices of two people resemble each other as much as distant slices of one, and a finding of one
    person must not be weighed against another's. Pictures without tags are therefore read one by one.
    """
    try:
        await context.services.quota.check(context.person.id)
    except UserFacingError:  # each is told so, and none is fetched
        return None
    sizes = [picture.size or 0 for picture in pictures]
    if not all(picture.may_be_dicom for picture in pictures) or sum(sizes) > FileSizeLimit.FILESIZE_DOWNLOAD:
        return None
    status.show(context.texts("status.reading"))
    try:
        files = [await fetch(context, picture) for picture in pictures]
        return await context.services.executor.run(
            assemble_album, files, timeout=OPEN_TIMEOUT, client=context.person.id
        )
    except (UserFacingError, PictureError, ExecutorError):  # each is told what is wrong with its own picture
        return None


async def _became_one_case(context: BotContext, leader: Incoming) -> bool:
    """Whether an earlier attempt has kept an album as one scan, under the key of its first picture."""
    scan = await context.database.scans.by_source(context.person.id, leader.source_key)
    return scan is not None and scan.study is not None and scan.study.get("kind") == Kind.ALBUM
