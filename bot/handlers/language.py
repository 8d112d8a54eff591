"""/language: in which language a person is answered."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from bot.chat.access import register
from bot.chat.context import BotContext
from bot.chat.keyboards import Action, language_buttons, says
from bot.chat.languages import Language
from bot.chat.menu import show_menu


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
    chat_id = context.person.chat_id
    if context.person.is_kept:
        context.know(await context.database.people.set_language(chat_id, language.code))
    else:  # whoever may not use the bot is kept for this wish alone
        context.know(await register(chat_id, language.code, context.services))
    await show_menu(context.bot, chat_id, language.texts, admin=context.is_admin)
