"""The button "As DICOM": a report and its heat map as files of the study of the person's own DICOM file."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, says
from bot.handlers.scans import own_scan
from bot.scan.dicom_files import ENDINGS, dicom_files


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The button."""
    return [CallbackQueryHandler(send_dicom, says(Action.DICOM))]


async def send_dicom(_: Update, context: BotContext) -> None:
    """Send both files; what the person's file says of them is read anew for that and kept nowhere."""
    if (scan := await own_scan(context)) is None:
        return
    caption = context.texts("dicom.caption", number=scan.number)
    for ending, data in zip(ENDINGS, await dicom_files(context, scan), strict=True):
        name = f"TumorScan-{scan.public_id}{ending}"
        await context.bot.send_document(context.person.chat_id, data, caption=caption, filename=name)
        caption = ""
