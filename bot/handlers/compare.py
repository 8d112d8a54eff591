"""/compare: two scans side by side, and in words what that can't tell."""

import re
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from bot.chat.context import BotContext
from bot.scan.lookup import find_scan
from bot.scan.pairs import draw_pair, pair_caption
from storage.records import Scan

_BETWEEN = re.compile(r"[\s,;&+]+")
_TWO = 2
_LONGEST_NAME = 16


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command."""
    return [CommandHandler("compare", compare)]


async def compare(_: Update, context: BotContext) -> None:
    """Show the two scans that are named, or the last two, the older one first."""
    names = _named(context.argument) if context.argument.strip() else await _last_two(context)
    if not context.argument.strip() and len(names) < _TWO:
        await context.say("compare.nothing")
    elif len(names) != _TWO:
        await context.say("compare.how")
    else:
        await _show(context, names)


def _named(typed: str) -> list[str]:
    """The words with a digit, as numbers and ids have one: "3 and 5" names two scans."""
    return [name[:_LONGEST_NAME] for name in _BETWEEN.split(typed) if any(sign.isdigit() for sign in name)]


async def _last_two(context: BotContext) -> list[str]:
    newest = await context.database.scans.page(context.person.id, 1, _TWO)
    return [str(scan.number) for scan in newest.scans]


async def _show(context: BotContext, names: list[str]) -> None:
    """One picture, and a caption with both results; or which name is none of a scan."""
    pair: list[Scan] = []
    for name in names:
        scan = await find_scan(context, name, by_label=False)
        if scan is None:
            await context.say("compare.unknown", name=name)
            return
        pair.append(scan)
    older, newer = sorted(pair, key=lambda scan: scan.number)
    if older.id == newer.id:
        await context.say("compare.how")
        return
    picture, caption = await draw_pair(context, older, newer), pair_caption(context, older, newer)
    await context.bot.send_photo(context.person.chat_id, picture, caption=caption)
