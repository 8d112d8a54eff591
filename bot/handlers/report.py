"""/report: the PDF of the last scan, or of the one that is named by number, id or label."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.scan.lookup import find_scan
from bot.scan.messages import send_report


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command."""
    return [CommandHandler("report", report)]


async def report(_: Update, context: BotContext) -> None:
    """Send the PDF of the scan that was named, or of the last one."""
    if context.argument:
        scan, problem = await find_scan(context, context.argument), "report.unknown"
    else:
        scan, problem = await context.database.scans.last(context.person.id), "history.empty"
    if scan is None:
        await context.say(problem)
    else:
        await send_report(context, scan)
