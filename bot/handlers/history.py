"""/history: a person's scans, newest first, page by page."""

from typing import Any

from telegram import InlineKeyboardMarkup, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, button, grid, says
from bot.chat.texts import Texts
from bot.scan import wording
from storage.records import Scan, ScanPage

PAGE_SIZE = 5


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command and its paging buttons."""
    return [CommandHandler("history", first_page), CallbackQueryHandler(turn_page, says(Action.HISTORY))]


async def first_page(_: Update, context: BotContext) -> None:
    """Show the newest scans."""
    page = await context.database.scans.page(context.person.id, 1, PAGE_SIZE)
    await context.send(page_text(page, context.texts), page_buttons(page, context.texts))


async def turn_page(_: Update, context: BotContext) -> None:
    """Show another page in place of the one whose button was pressed."""
    page = await context.database.scans.page(context.person.id, int(context.argument), PAGE_SIZE)
    await context.replace(page_text(page, context.texts), page_buttons(page, context.texts))


def page_text(page: ScanPage, texts: Texts) -> str:
    """Telegram HTML: one line or two for each scan."""
    if not page.scans:
        return texts("history.empty")
    title = texts("history.title", count=page.total)
    if page.pages > 1:
        title += "\n" + texts("history.page", page=page.page, pages=page.pages)
    return "\n\n".join([title, *(_entry(scan, texts) for scan in page.scans)])


def page_buttons(page: ScanPage, texts: Texts) -> InlineKeyboardMarkup | None:
    """A button to open each scan, and those to the pages beside this one."""
    if not page.scans:
        return None
    opening = [
        (button(texts.plain("button.open_named", name=wording.name_of(scan, texts)), Action.OPEN, scan.public_id),)
        for scan in page.scans
    ]
    turning = []
    if page.page > 1:
        turning.append(button(texts.plain("button.newer"), Action.HISTORY, str(page.page - 1)))
    if page.page < page.pages:
        turning.append(button(texts.plain("button.older"), Action.HISTORY, str(page.page + 1)))
    return grid(*opening, tuple(turning))


def _entry(scan: Scan, texts: Texts) -> str:
    return texts(
        "history.entry",
        name=wording.name_of(scan, texts),
        public_id=scan.public_id,
        when=texts.moment(scan.created_at),
        organ=wording.organ_words(scan.organ, texts),
        result=wording.result_words(scan, texts),
    )
