"""Pictures: photos, documents and albums go on their journey; without consent they wait."""

from typing import Any

from telegram import Message, MessageOriginUser, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, MessageHandler, filters

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, button, grid, says
from bot.delivery.inbox import RED_FLAG
from bot.delivery.ordering import QueueKind
from bot.delivery.raw_update import message_of
from bot.handlers.knowledge import heed_red_flags, show_topic
from bot.handlers.onboarding import ask_consent
from bot.scan.incoming import Incoming
from bot.scan.maps import send_maps
from bot.scan.messages import send_picture, send_report
from bot.scan.pipeline import read_pictures, was_forgotten
from bot.scan.report_data import topic_of
from bot.scan.slice_view import send_slice
from bot.scan.study_facts import StudyFacts
from bot.scan.what_now import what_now_of, what_now_page
from storage.records import Scan

PICTURES = filters.PHOTO | filters.Document.MimeType("image/gif") | (filters.Document.ALL & ~filters.ANIMATION)
"""A GIF sent as a file is also an animation; where its bytes are still those of a picture its first one is read."""
MOST_HELD = 10
"""Pictures of one person that wait for their yes: an album holds no more."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """Pictures, and the buttons under an answer."""
    return [
        MessageHandler(filters.UpdateType.EDITED_MESSAGE & PICTURES, change),
        MessageHandler(PICTURES, receive),
        CallbackQueryHandler(open_scan, says(Action.OPEN)),
        CallbackQueryHandler(pdf_again, says(Action.PDF)),
        CallbackQueryHandler(show_slices, says(Action.SLICES)),
        CallbackQueryHandler(turn_slice, says(Action.SLICE)),
        CallbackQueryHandler(about, says(Action.ABOUT)),
        CallbackQueryHandler(what_now, says(Action.WHAT_NOW)),
        CallbackQueryHandler(what_now_of_forgotten, says(Action.WHAT_NOW_OF)),
        CallbackQueryHandler(maps, says(Action.MAPS)),
        CallbackQueryHandler(not_part, says(Action.NOT_PART)),
        CallbackQueryHandler(ask_delete, says(Action.ASK_DELETE_SCAN)),
        CallbackQueryHandler(delete, says(Action.DELETE_SCAN)),
        CallbackQueryHandler(undo_delete, says(Action.UNDO_DELETE)),
    ]


async def receive(update: Update, context: BotContext) -> None:
    """Start the journey of a picture or of the album that it belongs to."""
    message = message_of(update)
    if message is None:
        return
    if RED_FLAG not in context.delivery.sent() and await heed_red_flags(context, message.caption or ""):
        await context.delivery.record(RED_FLAG, message.message_id)
    if _is_own_answer(message, context):
        await context.say("other.own_answer")
    elif context.delivery.rejected:
        await _reject(message, context)
    elif not context.has_consented:
        await _let_wait(update, context)
    elif updates := await context.services.albums.gather(update):
        await read_pictures(context, updates)


async def change(update: Update, context: BotContext) -> None:
    """A caption that was corrected is the new label; a picture in another one's place is read like any other."""
    message = update.edited_message
    picture = Incoming.of(message) if message else None
    scan = await context.database.scans.by_source(context.person.id, picture.source_key) if picture else None
    if picture and scan is None and context.person.forgets and await was_forgotten(context, picture):
        return  # nothing is left that the new words could name
    if scan is None or picture is None:
        await receive(update, context)
    elif picture.label != scan.patient_label and (picture.label or not picture.is_of_album):
        await context.database.scans.relabel(scan.id, picture.label)
        key = "caption.renamed" if picture.label else "caption.unnamed"
        await context.say(key, number=scan.number, label=picture.label)


def _is_own_answer(message: Message, context: BotContext) -> bool:
    """Whether somebody forwards our heat map: reading that again would tell nothing. Of a report they want to know."""
    origin = message.forward_origin
    if message.document is not None and message.document.mime_type == "application/pdf":
        return False
    return isinstance(origin, MessageOriginUser) and origin.sender_user.id == context.bot.id


async def _reject(message: Message, context: BotContext) -> None:
    """Say once, of all of this person's pictures beyond the bound, that they have to be sent again."""
    chat_id, chat_queues, inbox = context.person.chat_id, context.services.chat_queues, context.database.inbox
    rejected = chat_queues.waiting(chat_id, QueueKind.REJECTED)
    sentence = context.texts("other.no_room", count=len(rejected))
    await context.send(sentence, reply_to=message.message_id)
    await inbox.done(*rejected)


async def _let_wait(update: Update, context: BotContext) -> None:
    """Keep the update without fetching its picture; ask for consent once."""
    inbox, chat_id = context.database.inbox, context.person.chat_id
    held = await inbox.awaiting_consent(chat_id)
    if held >= MOST_HELD:
        await context.say("consent.too_many")
        return
    if not held:
        await ask_consent(context, "consent.ask_first")
    await inbox.await_consent(update.update_id)


async def open_scan(_: Update, context: BotContext) -> None:
    """Show an earlier scan with its picture, caption and buttons."""
    context.delivery.erases = context.person.forgets  # the caption above the button may hold a forgotten label
    if scan := await own_scan(context):
        await send_picture(context, scan, follow_up=True)


async def pdf_again(_: Update, context: BotContext) -> None:
    """Send the PDF of a scan once more."""
    if scan := await own_scan(context):
        await send_report(context, scan)


async def show_slices(_: Update, context: BotContext) -> None:
    """Show the most telling slice of a study, with buttons to the others."""
    if (scan := await own_scan(context)) and (facts := StudyFacts.told(scan)):
        await send_slice(context, scan, facts, facts.best)


async def turn_slice(update: Update, context: BotContext) -> None:
    """Show another slice in place of the one whose button was pressed."""
    public_id, _, number = context.argument.partition("/")
    scan = await context.database.scans.get(context.person.id, public_id)
    if scan is None or (facts := StudyFacts.told(scan)) is None or int(number) > facts.judged:
        await context.say("scan.not_found")
        return
    message = update.callback_query.message if update.callback_query else None
    await send_slice(context, scan, facts, int(number), instead_of=message)


async def about(_: Update, context: BotContext) -> None:
    """Explain what the scan shows."""
    if (scan := await own_scan(context)) and (topic := topic_of(scan, context.texts, context.knowledge)):
        await show_topic(context, topic)


async def what_now(_: Update, context: BotContext) -> None:
    """Say what to do after this scan's result."""
    if scan := await own_scan(context):
        models = context.services.models.values()
        await context.send(what_now_page(scan, context.texts, context.knowledge, models))


async def what_now_of_forgotten(_update: Update, context: BotContext) -> None:
    """Say what to do after a result of which nothing was kept: the button itself names verdict and organ."""
    context.delivery.erases = True  # the press brings the caption along, with the label
    verdict, _, organ = context.argument.partition("/")
    models = context.services.models
    await context.send(what_now_of(verdict, organ, context.texts, context.knowledge, models))


async def maps(_: Update, context: BotContext) -> None:
    """Show the heat map alone, and that of each kind which the model knows."""
    if scan := await own_scan(context):
        await send_maps(context, scan)


async def not_part(_: Update, context: BotContext) -> None:
    """Say how to send the right part, where the one that was cut out of a screenshot is another; offer to delete."""
    if scan := await own_scan(context):
        delete_it = button(context.texts.plain("button.delete_scan"), Action.ASK_DELETE_SCAN, scan.public_id)
        await context.say("scan.not_part", grid((delete_it,)), number=scan.number)


async def ask_delete(_: Update, context: BotContext) -> None:
    """Ask before a scan is deleted."""
    if scan := await own_scan(context):
        yes = button(context.texts.plain("button.yes_delete"), Action.DELETE_SCAN, scan.public_id)
        no = button(context.texts.plain("button.keep"), Action.KEEP)
        named = {"number": scan.number, "public_id": scan.public_id, "seconds": _undo_seconds(context)}
        await context.say("delete.ask_scan", grid((yes,), (no,)), **named)


async def delete(_: Update, context: BotContext) -> None:
    """Hide a scan, which goes for good a little later, and delete its answers where Telegram still allows that."""
    context.delivery.erases = True
    scan = await context.database.scans.hide(context.person.id, context.argument)
    if scan is None:
        await context.say("scan.not_found")
        return
    context.services.purge.note()
    named = {"number": scan.number, "public_id": scan.public_id, "seconds": _undo_seconds(context)}
    undo = button(context.texts.plain("button.undo"), Action.UNDO_DELETE, scan.public_id)
    await context.replace(context.texts("delete.scan_done", **named), grid((undo,)))
    await context.forget_messages(scan.messages.values())


async def undo_delete(_: Update, context: BotContext) -> None:
    """Bring back a scan that was just deleted."""
    scan = await context.database.scans.restore(context.person.id, context.argument)
    if scan is None:
        await context.replace(context.texts("delete.too_late"))
        return
    open_it = button(context.texts.plain("button.open", number=scan.number), Action.OPEN, scan.public_id)
    await context.replace(context.texts("delete.undone", number=scan.number), grid((open_it,)))


def _undo_seconds(context: BotContext) -> int:
    return round(context.services.purge.undo_for.total_seconds())


async def own_scan(context: BotContext) -> Scan | None:
    """The scan that a button names, if it is this person's; says so when it isn't there."""
    scan = await context.database.scans.get(context.person.id, context.argument)
    if scan is None:
        await context.say("scan.not_found")
    return scan
