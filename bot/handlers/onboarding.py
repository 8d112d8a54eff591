"""The first steps: /start, the question of consent, /help, /scan and /cancel."""

from typing import Any

from telegram import InlineKeyboardMarkup, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.access import contact_line
from bot.chat.context import CONSENT_VERSION, BotContext
from bot.chat.keyboards import Action, button, grid, says
from bot.chat.menu import help_lines
from bot.chat.texts import Texts
from bot.delivery.ordering import QueueKind
from bot.scan.incoming import MAX_NAME, clean_line


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """Commands and buttons of this subject."""
    return [
        CommandHandler("start", start),
        CommandHandler("help", show_help),
        CommandHandler("scan", how_to_scan),
        CommandHandler("cancel", cancel),
        CallbackQueryHandler(agree, says(Action.AGREE)),
        CallbackQueryHandler(decline, says(Action.DECLINE)),
        CallbackQueryHandler(keep, says(Action.KEEP)),
    ]


async def start(update: Update, context: BotContext) -> None:
    """Say what the bot does and doesn't, and ask for consent where it is not given."""
    user = update.effective_user
    name = clean_line(user.first_name if user else None, MAX_NAME)  # every message brings it, so it is not kept
    await context.say("start.welcome", name=name or context.texts.plain("start.friend"))
    if context.has_consented:
        await context.say("start.again")
    else:
        await ask_consent(context)


async def ask_consent(context: BotContext, key: str = "consent.ask") -> None:
    """Ask whether pictures may be read and kept; who said yes to an earlier wording is told that it has changed."""
    asked = "consent.ask_again" if context.person.has_consented else key
    await context.say(asked, consent_buttons(context.texts))


async def agree(_: Update, context: BotContext) -> None:
    """Note the yes, and read what has waited for it."""
    services, chat_id = context.services, context.person.chat_id
    if not context.has_consented:
        # A picture that came just before is put with those that wait, not forgotten between the two.
        async with services.chat_queues.turn(chat_id, QueueKind.PICTURES):
            await context.database.people.give_consent(chat_id, CONSENT_VERSION)
    waited = await services.deliveries.release(chat_id)
    await context.replace(context.texts("consent.yes_and_reading" if waited else "consent.yes"))


async def decline(_: Update, context: BotContext) -> None:
    """A no is a fine answer: drop what waits, and a yes to an earlier wording."""
    await context.database.inbox.drop(context.person.chat_id)
    if context.has_consented:
        await context.replace(context.texts("consent.kept"))
        return
    if context.person.has_consented:
        await context.database.people.withdraw_consent(context.person.chat_id)
    await context.replace(context.texts("consent.no"))


async def show_help(_: Update, context: BotContext) -> None:
    """All commands, and how to send a picture in one sentence."""
    parts = context.texts("help.intro"), help_lines(context.texts, admin=context.is_admin), contact_line(context)
    await context.send("\n\n".join(filter(None, parts)))


async def how_to_scan(_: Update, context: BotContext) -> None:
    """How to send a picture; asks for consent where it is still missing."""
    how = context.texts("scan.how")
    if (most := context.services.settings.scans_per_day) is not None:
        how += "\n\n" + context.texts("quota.told", count=most)
    await context.send(how)
    if not context.has_consented:
        await ask_consent(context)


async def cancel(_: Update, context: BotContext) -> None:
    """Drop pictures that wait: for their turn, or for a yes."""
    chat_id = context.person.chat_id
    waiting = context.services.chat_queues.cancel(chat_id)
    dropped = len(waiting) + await context.database.inbox.drop(chat_id, *waiting)
    await context.say("cancel.dropped" if dropped else "cancel.nothing", count=dropped)


async def keep(_: Update, context: BotContext) -> None:
    """The answer "no" to any question whether to delete."""
    await context.replace(context.texts("delete.kept"))


def consent_buttons(texts: Texts) -> InlineKeyboardMarkup:
    """Yes or no."""
    return grid(
        (button(texts.plain("button.agree"), Action.AGREE),), (button(texts.plain("button.decline"), Action.DECLINE),)
    )
