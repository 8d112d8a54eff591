"""/stats: how the bot fares, for administrators: a chart, the numbers, and how right the models are here."""

import asyncio
import html
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.statistics import DAYS, chart_data, overview_words
from bot.handlers.admins import for_admins
from bot.scan import worker_jobs
from bot.scan.outcome_words import outcome_lines
from bot.scan.outcomes import drifts, performances
from inference.card import GATE, load_card


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command."""
    return [CommandHandler("stats", stats)]


@for_admins
async def stats(update: Update, context: BotContext) -> None:
    """Send the chart, drawn in a worker, with the numbers below it, and what doctors found."""
    now, statistics = datetime.now(UTC), context.database.statistics
    since = now - timedelta(days=DAYS - 1)
    overview = await statistics.overview(since, besides=update.update_id)
    tallies = await statistics.tallies(since.date())
    data = chart_data(tallies, now.date(), context.texts)
    drawn = await context.services.executor.run(worker_jobs.draw_chart, data, client=context.person.id)
    words = overview_words(overview, context.texts)
    await context.bot.send_photo(context.person.chat_id, drawn, caption=words, filename="TumorScan-stats.png")
    models, counts = context.services.models, await context.database.outcomes.counts()
    found = performances(counts, models.values())
    gate = await asyncio.to_thread(load_card, context.services.settings.models_dir / GATE)
    lines = outcome_lines(found, drifts(tallies, models, gate), context.texts)
    await context.send(html.escape("\n".join(lines), quote=False))
