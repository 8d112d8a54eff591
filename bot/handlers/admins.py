"""Handlers for administrators alone: to everybody else what they answer looks like nothing at all."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from telegram import Update

from bot.chat.context import BotContext

Handler = Callable[[Update, BotContext], Coroutine[Any, Any, None]]


def for_admins(handler: Handler) -> Handler:
    """Give updates to ``handler`` when an administrator sends them; others get what any unknown command gets."""

    @wraps(handler)
    async def guarded(update: Update, context: BotContext) -> None:
        if context.is_admin:
            await handler(update, context)
        else:
            await context.say("other.button" if context.press else "other.command")

    return guarded
