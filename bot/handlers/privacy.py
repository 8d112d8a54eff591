"""/privacy and /delete: what is kept, taking the consent back, and deleting everything."""

import math
from collections.abc import Iterator
from typing import Any

from telegram import InlineKeyboardButton, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.access import contact_line
from bot.chat.context import BotContext
from bot.chat.keyboards import Action, button, grid, says
from bot.delivery.ordering import QueueKind


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """Commands and buttons of this subject."""
    return [
        CommandHandler("privacy", privacy),
        CommandHandler("delete", ask_delete_all),
        CallbackQueryHandler(forget, says(Action.FORGET)),
        CallbackQueryHandler(remember, says(Action.REMEMBER)),
        CallbackQueryHandler(withdraw, says(Action.WITHDRAW)),
        CallbackQueryHandler(ask_delete_all, says(Action.ASK_DELETE_ALL)),
        CallbackQueryHandler(delete_all, says(Action.DELETE_ALL)),
    ]


async def privacy(_: Update, context: BotContext) -> None:
    """What is kept and why, and the two ways out."""
    texts = context.texts
    consent = (
        button(texts.plain("button.withdraw"), Action.WITHDRAW)
        if context.has_consented
        else button(texts.plain("button.agree"), Action.AGREE)
    )
    export = button(texts.plain("button.export"), Action.EXPORT)
    delete = button(texts.plain("button.delete_all"), Action.ASK_DELETE_ALL)
    page = await context.database.scans.page(context.person.id, 1, 1)
    state = " ".join((texts("privacy.kept", count=page.total), *_state(context)))
    buttons = grid((consent,), (_forgetting(context),), (export,), (delete,))
    parts = (texts("privacy.text"), state, contact_line(context))
    await context.send("\n\n".join(filter(None, parts)), buttons)


def _state(context: BotContext) -> Iterator[str]:
    """What holds for this person, and in this bot."""
    texts, settings = context.texts, context.services.settings
    if context.person.forgets:
        yield texts("privacy.forgetting")
    if settings.retention_days:
        yield texts("privacy.retention", count=math.ceil(settings.retention_days))
    if settings.data_key:
        yield texts("privacy.encrypted")
    if context.has_consented:
        yield texts("privacy.agreed")
    else:
        yield texts("privacy.outdated" if context.person.has_consented else "privacy.not_agreed")


def _forgetting(context: BotContext) -> InlineKeyboardButton:
    """The other choice than the present one."""
    if context.person.forgets:
        return button(context.texts.plain("button.remember"), Action.REMEMBER)
    return button(context.texts.plain("button.forget"), Action.FORGET)


async def forget(_: Update, context: BotContext) -> None:
    """From now on nothing is kept of what this person sends but a receipt."""
    context.know(await context.database.people.set_forgets(context.person.chat_id, forgets=True))
    delete = button(context.texts.plain("button.delete_all"), Action.ASK_DELETE_ALL)
    await context.replace(context.texts("privacy.forgets"), grid((_forgetting(context),), (delete,)))


async def remember(_: Update, context: BotContext) -> None:
    """From now on scans are kept again."""
    context.know(await context.database.people.set_forgets(context.person.chat_id, forgets=False))
    await context.replace(context.texts("privacy.remembers"), grid((_forgetting(context),)))


async def withdraw(_: Update, context: BotContext) -> None:
    """Take the consent back: no further picture is read; what is kept stays until it is deleted."""
    chat_id = context.person.chat_id
    await context.database.inbox.drop(chat_id, *context.services.chat_queues.cancel(chat_id))
    if context.person.is_kept:
        await context.database.people.withdraw_consent(chat_id)
    delete = button(context.texts.plain("button.delete_all"), Action.ASK_DELETE_ALL)
    await context.replace(context.texts("consent.withdrawn"), grid((delete,)))


async def ask_delete_all(_: Update, context: BotContext) -> None:
    """Ask before everything is deleted."""
    page = await context.database.scans.page(context.person.id, 1, 1)
    yes = button(context.texts.plain("button.yes_delete_all"), Action.DELETE_ALL)
    no = button(context.texts.plain("button.keep"), Action.KEEP)
    text = context.texts("delete.ask_all", count=page.total)
    if context.services.settings.access == "invite" and not context.is_admin:
        text += " " + context.texts("access.not_invited_again")
    await context.send(text, grid((yes,), (no,)))


async def delete_all(_: Update, context: BotContext) -> None:
    """Delete the person with all scans; a scan in work is waited for, so that it leaves nothing behind."""
    chat_id, services = context.person.chat_id, context.services
    context.delivery.erases = True
    await context.database.inbox.drop(chat_id, *services.chat_queues.cancel(chat_id))
    async with services.chat_queues.turn(chat_id, QueueKind.PICTURES):
        await services.quota.spend_before_deletion(chat_id, context.person.id)
        total = await context.database.people.delete(chat_id)
    await context.replace(context.texts("delete.all_done", count=total))
