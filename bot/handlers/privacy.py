"""/privacy and /delete: what is kept, taking the consent back, and deleting everything."""

from typing import Any

from telegram import Update
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
    state = texts("privacy.agreed" if context.has_consented else "privacy.not_agreed")
    kept = texts("privacy.kept", count=page.total) + " " + state
    parts = (texts("privacy.text"), kept, contact_line(context))
    await context.send("\n\n".join(filter(None, parts)), grid((consent,), (export,), (delete,)))


async def withdraw(_: Update, context: BotContext) -> None:
    """Take the consent back: no further picture is read; what is kept stays until it is deleted."""
    chat_id = context.person.chat_id
    await context.database.inbox.drop(chat_id, *context.services.chat_queues.cancel(chat_id))
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
