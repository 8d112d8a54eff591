"""/history and what one does with it: filter, rename, thumbnails, a table, and the person's clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import InlineKeyboardMarkup, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.direction import first_at_the_start
from bot.chat.keyboards import Action, button, grid, says
from bot.chat.texts import Texts
from bot.scan import wording
from bot.scan.incoming import MAX_LABEL, clean_line
from bot.scan.lookup import find_scan
from bot.scan.pairs import draw_thumbnails
from bot.scan.table import as_table
from storage.records import Scan, ScanPage

PAGE_SIZE = 5
MOST_FOUND = 10
"""Scans that a search for a name shows; their buttons lead to the rest of each."""
CLOCKS = (
    *(-720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -120, -60, 0, 60, 120, 180, 210, 240),
    *(270, 300, 330, 345, 360, 390, 420, 480, 540, 570, 600, 630, 660, 720, 765, 780, 840),
)
"""Minutes ahead of UTC of every clock that is in use somewhere."""
Moment = Callable[[datetime], str]


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The commands and the buttons below a history."""
    return [
        CommandHandler("history", show),
        CommandHandler("rename", rename),
        CallbackQueryHandler(turn_page, says(Action.HISTORY)),
        CallbackQueryHandler(thumbnails, says(Action.THUMBNAILS)),
        CallbackQueryHandler(table, says(Action.TABLE)),
        CallbackQueryHandler(ask_clock, says(Action.CLOCK)),
        CallbackQueryHandler(set_clock, says(Action.SET_CLOCK)),
    ]


async def show(_: Update, context: BotContext) -> None:
    """Show the newest scans, or those with the words after the command in their label."""
    if label := clean_line(context.argument, MAX_LABEL):
        await show_named(context, label)
    else:
        await first_page(context)


async def first_page(context: BotContext) -> None:
    """The newest scans."""
    page = await context.database.scans.page(context.person.id, 1, PAGE_SIZE)
    await context.send(page_text(page, context.texts, context.moment), page_buttons(page, context.texts))


async def show_named(context: BotContext, label: str) -> None:
    """The newest scans with that in their label."""
    page = await context.database.scans.page(context.person.id, 1, MOST_FOUND, label)
    if not page.scans:
        await context.say("history.not_found")
        return
    title = context.texts("history.found", label=label, count=page.total)
    entries = (_entry(scan, context.texts, context.moment) for scan in page.scans)
    await context.send("\n\n".join((title, *entries)), grid(*_opening(page, context.texts)))


async def turn_page(_: Update, context: BotContext) -> None:
    """Show another page in place of the one whose button was pressed."""
    page = await context.database.scans.page(context.person.id, int(context.argument), PAGE_SIZE)
    await context.replace(page_text(page, context.texts, context.moment), page_buttons(page, context.texts))


async def rename(_: Update, context: BotContext) -> None:
    """Give a scan another label: ``/rename 3 Anna``."""
    name, _space, words = context.argument.partition(" ")
    label = clean_line(words, MAX_LABEL)
    scan = await find_scan(context, name, by_label=False) if label else None
    if label is None:
        await context.say("rename.how")
    elif scan is None:
        await context.say("report.unknown")
    else:
        await context.database.scans.relabel(scan.id, label)
        await context.say("caption.renamed", number=scan.number, label=label)


async def table(_: Update, context: BotContext) -> None:
    """Send all scans as a table."""
    page = await context.database.scans.page(context.person.id, 1, 2**31 - 1)
    if not page.scans:
        await context.say("history.empty")
        return
    caption = context.texts("table.done", count=page.total)
    file = as_table(page.scans, context.texts)
    await context.bot.send_document(context.person.chat_id, file, caption=caption, filename="TumorScan-history.csv")


async def thumbnails(_: Update, context: BotContext) -> None:
    """Send the pictures of a page of the history as one small sheet."""
    page = await context.database.scans.page(context.person.id, int(context.argument), PAGE_SIZE)
    if not page.scans:
        await context.say("history.empty")
        return
    titles = [wording.name_of(scan, context.texts) for scan in page.scans]
    await context.bot.send_photo(context.person.chat_id, await draw_thumbnails(context, page.scans, titles))


async def ask_clock(_: Update, context: BotContext) -> None:
    """Ask what time it is where the person is: that tells their zone without a list of cities."""
    now = datetime.now(UTC)
    times = [button(f"{now + timedelta(minutes=minutes):%H:%M}", Action.SET_CLOCK, str(minutes)) for minutes in CLOCKS]
    await context.say("clock.ask", grid(*(tuple(times[at : at + 5]) for at in range(0, len(times), 5))))


async def set_clock(_: Update, context: BotContext) -> None:
    """Note the person's clock, and show times by it from now on."""
    minutes = int(context.argument)
    if minutes not in CLOCKS:
        await context.say("other.button")
        return
    context.know(await context.database.people.set_utc_offset(context.person.chat_id, minutes))
    await context.replace(context.texts("clock.chosen", when=context.moment(datetime.now(UTC))))


def page_text(page: ScanPage, texts: Texts, moment: Moment | None = None) -> str:
    """Telegram HTML: one line or two for each scan; ``moment`` writes times, in UTC by default."""
    if not page.scans:
        return texts("history.empty")
    title = texts("history.title", count=page.total)
    if page.pages > 1:
        title += "\n" + texts("history.page", page=page.page, pages=page.pages)
    entries = (_entry(scan, texts, moment or texts.moment) for scan in page.scans)
    return "\n\n".join((title, *entries, texts("history.hint")))


def page_buttons(page: ScanPage, texts: Texts) -> InlineKeyboardMarkup | None:
    """A button to open each scan, those to the pages beside this one, its thumbnails, the table, and the clock."""
    if not page.scans:
        return None
    turning = []
    if page.page > 1:
        turning.append(button(texts.plain("button.newer"), Action.HISTORY, str(page.page - 1)))
    if page.page < page.pages:
        turning.append(button(texts.plain("button.older"), Action.HISTORY, str(page.page + 1)))
    return grid(
        *_opening(page, texts),
        first_at_the_start(turning, texts.locale),
        (button(texts.plain("button.thumbnails"), Action.THUMBNAILS, str(page.page)),),
        (button(texts.plain("button.table"), Action.TABLE),),
        (button(texts.plain("button.clock"), Action.CLOCK),),
    )


def _opening(page: ScanPage, texts: Texts) -> list[tuple[Any, ...]]:
    return [
        (button(texts.plain("button.open_named", name=wording.name_of(scan, texts)), Action.OPEN, scan.public_id),)
        for scan in page.scans
    ]


def _entry(scan: Scan, texts: Texts, moment: Moment) -> str:
    return texts(
        "history.entry",
        name=wording.name_of(scan, texts),
        public_id=scan.public_id,
        when=moment(scan.created_at),
        organ=wording.organ_words(scan.organ, texts),
        result=wording.result_words(scan, texts),
    )
