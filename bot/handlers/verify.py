"""/verify: whether this bot made a report, by its code; its file is sent like a picture (see ``scan.pipeline``)."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler, filters

from bot.chat.context import BotContext
from bot.scan.report_data import VERIFY_START
from reports.seal import EXAMPLE


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command, and /start as the square code of a report says it."""
    by_square_code = filters.Regex(rf"^/start {VERIFY_START}")
    return [CommandHandler("verify", verify), CommandHandler("start", verify, by_square_code)]


async def verify(_: Update, context: BotContext) -> None:
    """Say when a report with this code was made: nothing of whose it is, or what it says."""
    typed, sealer = context.argument.removeprefix(VERIFY_START), context.services.sealer
    if not sealer:
        await context.say("verify.unsigned")
    elif not typed.strip():
        await context.say("verify.how", example=EXAMPLE)
    elif (day := sealer.day_of(typed)) is None:
        await context.say("verify.code_unknown")
    else:
        await context.say("verify.code_known", day=context.texts.day(day))
