"""Everything else that can arrive in a private chat: a kind hint, or silence where a hint would disturb."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, ChatMemberHandler, MessageHandler, filters

from bot.chat.context import BotContext

HINTS = (
    (filters.COMMAND, "other.command"),
    (filters.VOICE | filters.AUDIO | filters.VIDEO_NOTE, "other.voice"),
    (filters.VIDEO | filters.ANIMATION, "other.video"),
    (filters.Sticker.ALL, "other.sticker"),
    (filters.CONTACT | filters.LOCATION | filters.VENUE, "other.personal"),
)
"""What is answered with which sentence; the first that fits."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """These come last: they take what no other handler wants."""
    return [
        ChatMemberHandler(note_blocking, ChatMemberHandler.MY_CHAT_MEMBER),
        MessageHandler(filters.UpdateType.MESSAGE & ~filters.StatusUpdate.ALL, hint),
    ]


async def note_blocking(update: Update, context: BotContext) -> None:
    """Remember that a person blocked the bot, or let it in again."""
    if (change := update.my_chat_member) and context.person.is_kept:
        blocked = change.new_chat_member.status in (change.new_chat_member.BANNED, change.new_chat_member.LEFT)
        await context.database.people.set_blocked(context.person.chat_id, blocked=blocked)


async def hint(update: Update, context: BotContext) -> None:
    """Say what the bot can do with what was sent."""
    key = next((key for kind, key in HINTS if kind.check_update(update)), "other.anything")
    await context.say(key)
