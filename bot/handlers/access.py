"""/invite, /invites, /block and /unblock: administrators decide who may use the bot."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import InlineKeyboardButton, Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, button, column, says
from bot.handlers.admins import for_admins
from storage.records import Invitation

MOST_PEOPLE, MOST_DAYS = 1_000, 365
"""Of one invitation."""
PEOPLE, DAYS = 1, 7
"""When nothing else is asked for."""
MOST_SHOWN = 20
_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """Commands and the button of this subject."""
    return [
        CommandHandler("invite", invite),
        CommandHandler("invites", list_invitations),
        CommandHandler("block", block),
        CommandHandler("unblock", unblock),
        CallbackQueryHandler(withdraw_invitation, says(Action.WITHDRAW_INVITATION)),
    ]


@for_admins
async def invite(_: Update, context: BotContext) -> None:
    """Make a link that lets somebody in: for one person and a week, or as the words after the command say."""
    asked = _asked(context.args or [])
    if asked is None:
        await context.say("invite.usage", people=MOST_PEOPLE, days=MOST_DAYS)
        return
    people, days = asked
    invitation = await context.database.access.invite(people, datetime.now(UTC) + timedelta(days=days))
    text = context.texts("invite.made", count=people, when=invitation.expires_at, link=_link(invitation, context))
    if context.services.settings.access != "invite":
        text += "\n\n" + context.texts("invite.no_use")
    await context.send(text)


@for_admins
async def list_invitations(_: Update, context: BotContext) -> None:
    """Show the invitations that still let somebody in, each with a button to take it back."""
    invitations = await context.database.access.invitations(MOST_SHOWN)
    lines = [_entry(invitation, context) for invitation in invitations]
    buttons = [_withdraw_button(invitation, context) for invitation in invitations]
    await context.send("\n\n".join(lines) or context.texts("invite.none"), column(*buttons) if buttons else None)


@for_admins
async def withdraw_invitation(_: Update, context: BotContext) -> None:
    """Have a link let nobody in any more."""
    was_there = await context.database.access.withdraw(int(context.argument))
    await context.say("invite.withdrawn" if was_there else "invite.gone", number=context.argument)


@for_admins
async def block(_: Update, context: BotContext) -> None:
    """Close the bot to a person; what of theirs waits is dropped."""
    chat_id = _chat_id(context.argument)
    if chat_id is None:
        await context.say("block.usage", command="block")
    elif chat_id in context.services.settings.admin_ids:
        await context.say("block.admin")
    else:
        newly = await context.database.access.block(chat_id)
        await context.database.inbox.drop(chat_id, *context.services.chat_queues.cancel(chat_id))
        await context.say("block.done" if newly else "block.already", number=chat_id)


@for_admins
async def unblock(_: Update, context: BotContext) -> None:
    """Open the bot to a person again."""
    chat_id = _chat_id(context.argument)
    if chat_id is None:
        await context.say("block.usage", command="unblock")
    else:
        was_blocked = await context.database.access.unblock(chat_id)
        await context.say("block.undone" if was_blocked else "block.was_not", number=chat_id)


def _asked(words: list[str]) -> tuple[int, int] | None:
    """How many people, for how many days; None for what is neither."""
    if len(words) > 2 or not all(_ID.fullmatch(word) for word in words):
        return None
    people, days = (*map(int, words), *(PEOPLE, DAYS)[len(words) :])
    return (people, days) if people <= MOST_PEOPLE and days <= MOST_DAYS else None


def _chat_id(typed: str) -> int | None:
    return int(typed) if _ID.fullmatch(typed) else None


def _entry(invitation: Invitation, context: BotContext) -> str:
    left, total, when = invitation.uses_left, invitation.uses, invitation.expires_at
    link = _link(invitation, context)
    return context.texts("invite.entry", number=invitation.id, left=left, total=total, when=when, link=link)


def _withdraw_button(invitation: Invitation, context: BotContext) -> InlineKeyboardButton:
    words = context.texts.plain("button.withdraw_invitation", number=invitation.id)
    return button(words, Action.WITHDRAW_INVITATION, str(invitation.id))


def _link(invitation: Invitation, context: BotContext) -> str:
    return f"https://t.me/{context.bot.username}?start={invitation.code}"
