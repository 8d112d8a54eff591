"""A report that somebody sends back: whether it is as this bot made it, and nothing of whose it is."""

import asyncio

from bot.chat.context import BotContext
from bot.errors import UserFacingError


class ReportSentBackError(UserFacingError):
    """What came is no picture but a report of this program; the sentence says whether it is unaltered."""


async def check_report(context: BotContext, report: bytes) -> ReportSentBackError:
    """What a file that says it is a report is found to be, as what ends its way as a picture."""
    sealer, texts = context.services.sealer, context.texts
    if not sealer:
        return ReportSentBackError("verify.unsigned")
    found = await asyncio.to_thread(sealer.check, report)
    return ReportSentBackError(f"verify.{found.state}", day=texts.day(found.day) if found.day else "")
