"""/export: a copy of everything that is kept of a person, or of one scan, as ZIP files."""

from collections.abc import AsyncIterator
from typing import Any

from telegram import InputFile, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, says
from bot.delivery.rate_limiter import lend_slot
from bot.errors import MaybeSentError
from bot.scan.export import Part, all_scans, parts
from bot.scan.lookup import find_scan
from bot.scan.status import status_message
from storage.records import Scan

SENT = "export up to "
"""The step of a part that has left, by the number of its last scan: another attempt goes on behind it."""
UPLOAD_TIMEOUT = 600.0
"""Seconds that a part may take on a slow line."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command and its button."""
    return [CommandHandler("export", export), CallbackQueryHandler(export, says(Action.EXPORT))]


async def export(update: Update, context: BotContext) -> None:
    """Pack the scan that was named, or all of them, and send that."""
    asked = update.effective_message.message_id if update.effective_message else 0
    last = await context.database.scans.last(context.person.id)
    scan = await find_scan(context, context.argument) if context.argument else last
    if scan is None:
        await context.say("export.unknown" if context.argument else "history.empty")
    elif context.argument:
        await _send_all(context, _alone(scan), asked)
    else:
        await _send_all(context, all_scans(context, max(_sent(context), default=0)), asked)


async def _send_all(context: BotContext, scans: AsyncIterator[Scan], asked: int) -> None:
    """Send each part as soon as it is full; no command's slot is held meanwhile, and few exports are made at once."""
    number = len(_sent(context))
    words, may_begin = context.texts("export.packing"), context.services.exports
    async with status_message(context, words, asked), lend_slot.get()(), may_begin:
        async for part in parts(context, scans, number + 1):
            number = part.number
            await _send(context, part)
    if number > 1:
        await context.say("export.done", number=number)


def _sent(context: BotContext) -> list[int]:
    """Number of the last scan of each part that an earlier attempt has sent."""
    return [int(step.removeprefix(SENT)) for step in context.delivery.sent() if step.startswith(SENT)]


async def _send(context: BotContext, part: Part) -> None:
    file = part.finish(context.person, context.texts)
    message_id = 0
    try:
        message = await context.bot.send_document(
            context.person.chat_id,
            # Read from where it is, piece by piece: a copy of it would cost the same memory once more.
            InputFile(file, f"TumorScan-{part.number}.zip", read_file_handle=False),
            caption=context.texts("export.caption", number=part.number, count=len(part.scans)),
            protect_content=False,  # a copy that can't be saved is none
            write_timeout=UPLOAD_TIMEOUT,
            read_timeout=UPLOAD_TIMEOUT,
        )
        message_id = message.message_id
    except MaybeSentError:
        await context.say("export.doubt", number=part.number)
    await context.delivery.record(f"{SENT}{part.scans[-1].number}", message_id)


async def _alone(scan: Scan) -> AsyncIterator[Scan]:
    yield scan
