"""What a scan becomes in the chat: the picture beside its heat map with a caption, and the PDF report."""

import html
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import fields, replace

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.constants import MessageLimit
from telegram.error import BadRequest, TelegramError

from bot.chat.context import BotContext, replying
from bot.chat.keyboards import Action, button, grid
from bot.chat.texts import Texts
from bot.delivery.rate_limiter import leaving
from bot.errors import MaybeSentError
from bot.knowledge.loader import DEFAULT_LANGUAGE
from bot.scan import study, wording, worker_jobs
from bot.scan.cell_facts import draw_cell_strip, told_cells
from bot.scan.report_data import Issuer, paper_for, report_data, topic_of
from bot.scan.study_facts import StudyFacts
from inference.analysis import OF_A_PART, PictureWords
from inference.registry import Entry
from storage.records import Pictures, Scan

PICTURE, REPORT = "picture", "report"
"""Steps of a scan's journey, as storage records them."""
SOURCE = "source"
"""Under this a scan has the file id of the DICOM file that was read."""
UNDER_WAY, NOT_SENT = 1, 0
"""Recorded of a file before it leaves, and when it is known that it did not."""
MAYBE_SENT = 0
"""Recorded in place of a message id, which Telegram counts from 1, when nobody knows whether there is a message."""
MOST_WORDS = 60
"""Of a caption, without the label: more is not read on a phone below a picture."""
_TAG = re.compile(r"<[^>]+>")
_log = logging.getLogger(__name__)


async def send_picture(
    context: BotContext, scan: Scan, *, chat_picture: bytes | None = None, earlier: Scan | None = None,
    reply_to: int | None = None, follow_up: bool = False,
) -> None:  # fmt: skip
    """Send the picture beside its heat map: by its file id where Telegram still has it, else ``chat_picture`` or drawn.

    ``earlier`` is a scan of the same picture, told and offered; ``follow_up`` adds the scan's buttons here, for when
    no PDF with buttons comes after it.
    """
    caption = picture_caption(scan, context.texts, context.services.models.values())
    buttons = scan_buttons(context, scan) if follow_up else _picture_buttons(context.texts, scan, earlier)
    known = scan.file_ids.get(_file_key(PICTURE, context))
    if await _left_before_a_kill(context, scan, PICTURE):
        return
    async with _doubt_told(context, scan, PICTURE):
        if known and await _sent_again(context, known, caption, buttons):
            return
        message = await context.bot.send_photo(
            context.person.chat_id,
            chat_picture or await _draw_chat_picture(context, scan),
            caption=caption,
            reply_markup=buttons,
            reply_parameters=replying(reply_to),
            filename=f"TumorScan-{scan.public_id}.jpg",
        )
        file_id, file_key = message.photo[-1].file_id, _file_key(PICTURE, context)
        await context.database.scans.record_message(scan.id, PICTURE, message.message_id, file_id, file_key)


def picture_words(texts: Texts) -> PictureWords:
    """What is written on the picture beside its heat map."""
    return PictureWords(**{field.name: texts.plain(f"figure.{field.name}") for field in fields(PictureWords)})


def slice_words(texts: Texts, number: int, total: int) -> PictureWords:
    """The same for one slice of a study, which is called by its number."""
    return replace(picture_words(texts), sent=texts.plain("study.named", number=number, total=total))


async def _draw_chat_picture(context: BotContext, scan: Scan) -> bytes:
    if facts := StudyFacts.told(scan):
        slices = await context.database.scans.slices(scan.id, facts.best, *study.contact_numbers(facts))
        words = slice_words(context.texts, facts.best, facts.judged)
        return await study.draw_chat_picture(context.services.executor, facts, slices, words, context.person.id)
    kept = await context.database.scans.pictures(scan.id)
    words = picture_words(context.texts)
    return await context.services.executor.run(
        worker_jobs.compose, kept.original, kept.overlay, words, list(told_cells(scan)), client=context.person.id
    )


async def draw_report(context: BotContext, scan: Scan, pictures: Pictures | None = None) -> bytes:
    """The PDF of a scan, drawn in a worker."""
    kept = pictures or await context.database.scans.pictures(scan.id)
    contacts = await draw_cell_strip(context.services.executor, scan, kept.original, context.person.id)
    series = ""
    if facts := StudyFacts.told(scan):
        slices = await context.database.scans.slices(scan.id, facts.best, *study.contact_numbers(facts))
        contacts = await study.draw_contacts(context.services.executor, facts, slices, context.person.id)
        series = study.series_of(facts, slices)
    models, issuer = context.services.models.values(), _issuer(context)
    data = report_data(scan, kept, context.language, models, contacts, issuer=issuer, series=series)
    drawn = await context.services.executor.run(worker_jobs.draw, data, client=context.person.id)
    return issuer.sealer.seal(drawn)


def _issuer(context: BotContext) -> Issuer:
    services, locale = context.services, context.texts.locale
    paper = paper_for(services.settings.paper, locale, context.territory)
    return Issuer(services.sealer, context.bot.username, paper)


async def send_report(
    context: BotContext, scan: Scan, drawn: bytes | None = None, *, below_picture: bool = False
) -> None:
    """Send the PDF with the scan's buttons: by its file id where Telegram still has it, else ``drawn`` or drawn now.

    ``below_picture``: the scan's picture has just gone out, with buttons that are not offered twice.
    """
    caption = report_caption(scan, context.texts)
    buttons = scan_buttons(context, scan, below_picture=below_picture)
    known = scan.file_ids.get(_file_key(REPORT, context))
    if await _left_before_a_kill(context, scan, REPORT):
        return
    async with _doubt_told(context, scan, REPORT):
        if known and await _sent_again(context, known, caption, buttons, document=True):
            return
        message = await context.bot.send_document(
            context.person.chat_id,
            drawn or await draw_report(context, scan),
            caption=caption,
            reply_markup=buttons,
            filename=f"TumorScan-{scan.public_id}.pdf",
        )
        file_id = message.document.file_id if message.document else None
        file_key = _file_key(REPORT, context)
        await context.database.scans.record_message(scan.id, REPORT, message.message_id, file_id, file_key)


def picture_caption(scan: Scan, texts: Texts, models: Iterable[Entry]) -> str:
    """Telegram HTML of at most ``MOST_WORDS``: the result, what to do next, what it means, and that it is no diagnosis.

    Every language says all of it in so many words. Where an organ's own words are longer, what the report says too
    may be left out: how many cells look unusual or slices were set aside, then what such scores showed in tests or
    how many slices agree.
    """
    result = f"<b>{_safe(wording.result_words(scan, texts))}</b>"
    if scan.patient_label:
        result += "\n" + texts("caption.label", label=scan.patient_label)
    facts = StudyFacts.told(scan)
    known = tuple(models)
    parts = [
        (0, result),
        (0, _safe(wording.turned_words(scan, texts))),
        (0, _safe(wording.next_words(scan, texts))),
        (0, _safe(wording.brief_words(scan, texts, known))),
        (1, _safe(wording.brief_slice_words(facts, texts)) if facts else ""),
        (2, _safe(wording.brief_set_aside_words(facts, texts)) if facts else ""),
        (1, "" if facts else _safe(wording.record_words(scan, texts, known))),
        (2, _safe(wording.cell_words(scan, texts))),
        (0, texts("caption.program")),
        (0, texts("caption.name", number=scan.number, public_id=scan.public_id)),
    ]
    own_words = len((scan.patient_label or "").split())
    for most in (2, 1, 0):
        caption = "\n\n".join(part for dispensable, part in parts if part and dispensable <= most)
        words = count_words(caption) - own_words
        if words <= MOST_WORDS and _shown_length(caption) <= MessageLimit.CAPTION_LENGTH:
            break
    return caption


def count_words(markup: str) -> int:
    """Words as a reader counts them: what stands between blanks and holds a letter or a digit."""
    return sum(any(sign.isalnum() for sign in word) for word in html.unescape(_TAG.sub("", markup)).split())


def _shown_length(markup: str) -> int:
    """Characters as Telegram counts them: UTF-16 units of what is left when tags are taken away."""
    return len(html.unescape(_TAG.sub("", markup)).encode("utf-16-le")) // 2


def report_caption(scan: Scan, texts: Texts) -> str:
    """Telegram HTML under the PDF; the tip to send files comes once, with a person's first scan."""
    caption = texts("caption.report", number=scan.number)
    if scan.number == 1 and scan.received_as == "photo":
        caption += "\n\n" + texts("caption.tip_file")
    if scan.passes:
        caption += "\n\n" + texts("caption.forgotten")
    return caption


def scan_buttons(context: BotContext, scan: Scan, *, below_picture: bool = False) -> InlineKeyboardMarkup:
    """What one can do with a scan; with one that is forgotten at once, read what to do and of its kind.

    What stands at the picture, beside the result, is left out where this comes right ``below_picture``.
    """
    texts = context.texts
    about: tuple[InlineKeyboardButton, ...] = ()
    if topic := topic_of(scan, texts, context.knowledge):
        opens = (Action.TOPIC, topic.slug) if scan.passes else (Action.ABOUT, scan.public_id)
        about = (button(texts.plain("button.about", topic=topic.title), *opens),)
    at_picture = () if below_picture else _at_picture(texts, scan)
    if scan.passes:
        return grid(*at_picture, about)
    slices = (button(texts.plain("button.slices"), Action.SLICES, scan.public_id),) if scan.study else ()
    return grid(
        slices,
        *at_picture,
        (
            button(texts.plain("button.pdf"), Action.PDF, scan.public_id),
            *(() if scan.study else (button(texts.plain("button.maps"), Action.MAPS, scan.public_id),)),
        ),
        (button(texts.plain("button.dicom"), Action.DICOM, scan.public_id),) if SOURCE in scan.file_ids else (),
        about,
        (button(texts.plain("button.outcome"), Action.OUTCOME, scan.public_id),),
        (
            button(texts.plain("button.history"), Action.HISTORY, "1"),
            button(texts.plain("button.delete_scan"), Action.ASK_DELETE_SCAN, scan.public_id),
        ),
    )


@asynccontextmanager
async def _doubt_told(context: BotContext, scan: Scan, step: str) -> AsyncIterator[None]:
    """A file that may have arrived counts as sent, so that it never comes twice; one sentence says how to see it.

    That it is on the point of leaving is noted before it does, for nobody else would know after a kill.
    """
    delivery, update_id, key = context.delivery, context.delivery.current, _under_way(scan, step)

    async def note() -> None:
        await delivery.record(key, UNDER_WAY, update_id)

    before = leaving.set(note)
    try:
        yield
    except MaybeSentError as error:
        _log.warning("%s", error)
        await _tell_doubt(context, scan, step)
    except TelegramError:
        await delivery.record(key, NOT_SENT, update_id)
        raise
    finally:
        leaving.reset(before)


async def _left_before_a_kill(context: BotContext, scan: Scan, step: str) -> bool:
    """Whether an earlier attempt was about to send this; then the person is told of the doubt, and that is all."""
    if context.delivery.sent(context.delivery.current).get(_under_way(scan, step)) != UNDER_WAY:
        return False
    await _tell_doubt(context, scan, step)
    return True


async def _tell_doubt(context: BotContext, scan: Scan, step: str) -> None:
    action = Action.OPEN if step == PICTURE else Action.PDF
    again = button(context.texts.plain("button.show_again"), action, scan.public_id)
    await context.say(f"doubt.{step}", grid((again,)), number=scan.number)
    if step not in scan.messages:
        await context.database.scans.record_message(scan.id, step, MAYBE_SENT)


def _file_key(step: str, context: BotContext) -> str:
    """What a file is kept under: there is one of each step in each language, for both hold words."""
    code = context.language.code
    return step if code == DEFAULT_LANGUAGE else f"{step}.{code}"


def _under_way(scan: Scan, step: str) -> str:
    return f"{step} of {scan.public_id} under way"


def _picture_buttons(texts: Texts, scan: Scan, earlier: Scan | None) -> InlineKeyboardMarkup:
    rows = _at_picture(texts, scan)
    if earlier is not None:
        same = texts.plain("button.same_picture", number=earlier.number)
        rows.append((button(same, Action.OPEN, earlier.public_id),))
    return grid(*rows)


def _at_picture(texts: Texts, scan: Scan) -> list[tuple[InlineKeyboardButton, ...]]:
    """What is asked of the result itself: what to do now, and whether the part that was read is the right one."""
    asks = (Action.WHAT_NOW_OF, f"{scan.verdict}/{scan.organ}") if scan.passes else (Action.WHAT_NOW, scan.public_id)
    rows: list[tuple[InlineKeyboardButton, ...]] = [(button(texts.plain("button.what_now"), *asks),)]
    if scan.reason in OF_A_PART and not scan.passes:
        rows.append((button(texts.plain("button.not_part"), Action.NOT_PART, scan.public_id),))
    return rows


async def _sent_again(
    context: BotContext, file_id: str, caption: str, buttons: InlineKeyboardMarkup | None, *, document: bool = False
) -> Message | None:
    """Send a file that Telegram has; None when it has it no more."""
    chat_id = context.person.chat_id
    try:
        if document:
            return await context.bot.send_document(chat_id, file_id, caption=caption, reply_markup=buttons)
        return await context.bot.send_photo(chat_id, file_id, caption=caption, reply_markup=buttons)
    except BadRequest:
        return None


def _safe(plain: str) -> str:
    return html.escape(plain, quote=False)
