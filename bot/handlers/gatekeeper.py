"""Before every handler: who writes, may they, and which button was pressed. What is not for us ends here."""

import html
import logging
from contextlib import suppress
from typing import Any

from telegram import CallbackQuery, Update, User
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop, BaseHandler, TypeHandler

from bot.chat.context import BotContext
from bot.chat.keyboards import language_buttons, parse
from bot.scan.incoming import MAX_NAME, clean_line
from storage.records import Person

_log = logging.getLogger(__name__)
GATE = -1
"""The handler group that runs before all others."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The one handler of the gate."""
    return [TypeHandler(Update, let_in)]


async def let_in(update: Update, context: BotContext) -> None:
    """Let private chats in, with the person known; point groups to the private chat; stop everything else."""
    chat, user = update.effective_chat, update.effective_user
    if chat is None or user is None or chat.type != chat.PRIVATE:
        await _point_to_private(update, context)
        raise ApplicationHandlerStop
    if not (update.message or update.callback_query or update.my_chat_member):
        raise ApplicationHandlerStop
    if update.callback_query:
        await _answer_press(update.callback_query, context)
    context.admit(update, await _person(update, user, chat.id, context))


async def _answer_press(query: CallbackQuery, context: BotContext) -> None:
    """Read the button; Telegram shows a waiting circle until the press is answered, so that comes first."""
    context.press = parse(query.data)
    # A press that is too old to be answered is still obeyed.
    with suppress(TelegramError):
        await query.answer()


async def _person(update: Update, user: User, chat_id: int, context: BotContext) -> Person:
    """Who writes; somebody new is registered, somebody who had blocked the bot is back."""
    people = context.database.people
    person = await people.get(chat_id)
    if person is None:
        name = clean_line(user.first_name, MAX_NAME) or ""
        person = await people.register(chat_id, name, context.services.languages.of(user.language_code).code)
        await _greet(user, person, context)
        return person
    if person.blocked and update.message:
        return await people.set_blocked(chat_id, blocked=False)
    return person


async def _greet(user: User, person: Person, context: BotContext) -> None:
    """Say once to whoever uses Telegram in another language than ours which ones we speak."""
    languages = context.services.languages
    if sentence := languages.greeting(user.language_code):
        with suppress(TelegramError):
            await context.bot.send_message(
                person.chat_id, html.escape(sentence, quote=False), reply_markup=language_buttons(languages)
            )


async def _point_to_private(update: Update, context: BotContext) -> None:
    """In a group only commands are answered: medical pictures belong in a private chat."""
    message, chat = update.message, update.effective_chat
    if message is None or chat is None or chat.type not in (chat.GROUP, chat.SUPERGROUP):
        return
    if (message.text or "").startswith("/"):
        texts = context.services.language_of(update).texts
        await message.reply_text(texts("other.group", username=context.bot.username))
