"""One slice of a study in the chat, with buttons to its neighbours and to the next ones that agree."""

from telegram import InlineKeyboardMarkup, InputMediaPhoto, Message
from telegram._message import MaybeInaccessibleMessage
from telegram.error import BadRequest

from bot.chat.context import BotContext
from bot.chat.direction import first_at_the_start
from bot.chat.keyboards import Action, button, grid
from bot.chat.texts import Texts
from bot.scan.messages import slice_words
from bot.scan.study_facts import StudyFacts
from bot.scan.worker_jobs import compose_slice
from inference.analysis import Verdict
from storage.records import KeptSlice, Scan

STEPS = (1, 10)
"""How far the buttons go."""


async def send_slice(
    context: BotContext, scan: Scan, facts: StudyFacts, number: int, instead_of: MaybeInaccessibleMessage | None = None
) -> None:
    """Send a slice above its heat map, or put it in place of a message that shows another."""
    found = await context.database.scans.slices(scan.id, number)
    if not found:
        await context.say("scan.not_found")
        return
    one = found[0]
    picture = await context.services.executor.run(
        compose_slice, one.picture, one.heat, slice_words(context.texts, number, facts.judged), client=context.person.id
    )
    caption, buttons = slice_caption(scan, facts, one, context.texts), slice_buttons(scan, facts, number, context.texts)
    if isinstance(instead_of, Message) and instead_of.photo:
        try:
            await instead_of.edit_media(InputMediaPhoto(picture, caption), reply_markup=buttons)
        except BadRequest as error:
            if "not modified" in error.message.lower():
                return
        else:
            return
    await context.bot.send_photo(context.person.chat_id, picture, caption=caption, reply_markup=buttons)


def slice_caption(scan: Scan, facts: StudyFacts, one: KeptSlice, texts: Texts) -> str:
    """Telegram HTML: which slice this is, and what is seen in it."""
    named = "study.named_series" if one.series else "study.named"
    if one.agrees:
        said = "study.slice_signs"
    else:
        said = "study.slice_alone" if one.verdict == Verdict.TUMOR_SIGNS else "study.slice_none"
    title = texts(named, number=one.number, total=facts.judged, series=one.series)
    return "\n\n".join((f"<b>{title}</b>", texts(said), texts("caption.program"), f"<i>{scan.public_id}</i>"))


def slice_buttons(scan: Scan, facts: StudyFacts, number: int, texts: Texts) -> InlineKeyboardMarkup:
    """To the slices before and after, and further."""
    rows = []
    for step in STEPS:
        before, after = max(1, number - step), min(facts.judged, number + step)
        row = []
        if before < number:
            there = f"{scan.public_id}/{before}"
            row.append(button(texts.plain("button.slice_before", number=before), Action.SLICE, there))
        if after > number:
            there = f"{scan.public_id}/{after}"
            row.append(button(texts.plain("button.slice_after", number=after), Action.SLICE, there))
        rows.append(first_at_the_start(row, texts.locale))
    return grid(*rows)
