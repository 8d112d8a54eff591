"""/language: in which language a person is answered."""

import logging
from typing import Any

from telegram import BotCommandScopeChat, Update
from telegram.error import TelegramError
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import Action, language_buttons, says
from bot.chat.languages import Language
from bot.chat.menu import bot_commands

_log = logging.getLogger(__name__)


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The command and its buttons."""
    return [CommandHandler("language", choose), CallbackQueryHandler(chosen, says(Action.LANGUAGE))]


async def choose(_: Update, context: BotContext) -> None:
    """Offer the languages, or take the one that was named."""
    languages, typed = context.services.languages, context.argument
    if not typed:
        await context.say("language.choose", language_buttons(languages))
    elif language := languages.named(typed):
        await speak(context, language)
        await context.say("language.chosen")
    else:
        spoken = ", ".join(language.name for language in languages.values())
        await context.say("language.unknown", language_buttons(languages), languages=spoken)


async def chosen(_: Update, context: BotContext) -> None:
    """Take the language whose button was pressed."""
    language = context.services.languages.get(context.argument)
    if language is None:
        await context.say("other.button")
        return
    await speak(context, language)
    await context.replace(context.texts("language.chosen"))


async def speak(context: BotContext, language: Language) -> None:
    """Answer in this language from now on; the menu of this chat follows, whatever language Telegram itself is in."""
    context.know(await context.database.people.set_language(context.person.chat_id, language.code))
    try:
        scope = BotCommandScopeChat(context.person.chat_id)
        await context.bot.set_my_commands(bot_commands(language.texts), scope=scope)
    except TelegramError as error:
        _log.warning("the command menu of a chat could not be set: %s", type(error).__name__)
