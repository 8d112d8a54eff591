"""/stats: how the bot fares, for administrators: a chart and the numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.statistics import DAYS, chart_data, overview_words
from bot.handlers.admins import for_admins
from bot.scan import worker_jobs


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command."""
    return [CommandHandler("stats", stats)]


@for_admins
async def stats(_: Update, context: BotContext) -> None:
    """Send the chart, drawn in a worker, and the numbers below it."""
    now, statistics = datetime.now(UTC), context.database.statistics
    since = now - timedelta(days=DAYS - 1)
    overview, tallies = await statistics.overview(since), await statistics.tallies(since.date())
    data = chart_data(tallies, now.date(), context.texts)
    drawn = await context.services.executor.run(worker_jobs.draw_chart, data, client=context.person.id)
    words = overview_words(overview, context.texts)
    await context.bot.send_photo(context.person.chat_id, drawn, caption=words, filename="TumorScan-stats.png")
