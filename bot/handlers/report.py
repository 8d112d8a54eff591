"""/report: the PDF of the last scan, or of the one that is named by number or id."""

import re
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.scan.messages import send_report
from storage.records import Scan

_NUMBER = re.compile(r"#?([0-9]{1,9})", re.ASCII)


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


async def find_scan(context: BotContext, typed: str) -> Scan | None:
    """This person's scan by its number or by its id as people type it: ``3``, ``A7K2-Q9``, ``a7k2 q9``."""
    typed = typed.strip()
    scan = None
    if number := _NUMBER.fullmatch(typed):
        scan = await context.database.scans.by_number(context.person.id, int(number[1]))
    return scan or await context.database.scans.get(context.person.id, typed)
