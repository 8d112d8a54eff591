"""/compare: two scans side by side, and in words what that can't tell."""

import re
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.scan import wording
from bot.scan.finding import find_scan
from bot.scan.pairs import draw_pair
from storage.records import Scan

_BETWEEN = re.compile(r"[\s,;&+]+")
_TWO = 2


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command."""
    return [CommandHandler("compare", compare)]


async def compare(_: Update, context: BotContext) -> None:
    """Show the two scans that are named, or the last two, the older one first."""
    names = [name for name in _BETWEEN.split(context.argument) if any(sign.isdigit() for sign in name)]
    if not context.argument.strip():
        newest = await context.database.scans.page(context.person.id, 1, _TWO)
        names = [str(scan.number) for scan in newest.scans]
        if len(names) < _TWO:
            await context.say("compare.nothing")
            return
    if len(names) != _TWO:
        await context.say("compare.how")
        return
    found = [await find_scan(context, name[:16], by_label=False) for name in names]
    for name, scan in zip(names, found, strict=True):
        if scan is None:
            await context.say("compare.unknown", name=name[:16])
            return
    await _show(context, sorted(filter(None, found), key=lambda scan: scan.number))


async def _show(context: BotContext, pair: list[Scan]) -> None:
    """One picture, and a caption with both results."""
    older, newer = pair
    if older.id == newer.id:
        await context.say("compare.how")
        return
    entries = [
        context.texts(
            "compare.entry",
            name=wording.name_of(scan, context.texts),
            when=context.moment(scan.created_at),
            result=wording.result_words(scan, context.texts),
        )
        for scan in pair
    ]
    kinds = [context.texts("compare.kinds")] if older.organ != newer.organ else []
    caption = "\n\n".join(("\n".join(entries), *kinds, context.texts("compare.limits")))
    titles = [wording.name_of(scan, context.texts) for scan in pair]
    days = [context.moment(scan.created_at, short=True) for scan in pair]
    picture = await draw_pair(context, (older, newer), tuple(zip(titles, days, strict=True)))
    await context.bot.send_photo(context.person.chat_id, picture, caption=caption)
