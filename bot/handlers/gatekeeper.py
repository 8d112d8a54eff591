"""Before every handler: who writes, may they, and which button was pressed. What is not for us ends here."""

import html
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any

from telegram import CallbackQuery, Update, User
from telegram.error import TelegramError
from telegram.ext import ApplicationHandlerStop, BaseHandler, TypeHandler

from bot.chat import menu
from bot.chat.access import newcomer
from bot.chat.context import BotContext
from bot.chat.keyboards import language_buttons, parse
from bot.delivery.raw_update import brings_picture, command_of, message_of
from bot.handlers.entry import may_go_on
from storage.records import Person

_log = logging.getLogger(__name__)
_COMMAND = re.compile(r"/(\w{1,32})(?:@(\w{1,64}))?(?!\S)", re.ASCII)
Callback = Callable[[Any, BotContext], Coroutine[Any, Any, Any]]
GROUP = -1
"""The handler group that runs before all others."""


def handlers() -> list[BaseHandler[Any, BotContext, Any]]:
    """The one handler of the gatekeeper."""
    return [TypeHandler(Update, let_in)]


class NotLetInError(RuntimeError):
    """A handler was given an update that the gatekeeper has not let in: a mistake in how handlers are registered."""


def behind_gatekeeper(
    handlers: Sequence[BaseHandler[Any, BotContext, Any]],
) -> Sequence[BaseHandler[Any, BotContext, Any]]:
    """The same handlers, each of which does nothing, and raises NotLetInError, for what has not come through here."""
    for handler in handlers:
        handler.callback = _only_let_in(handler.callback)
    return handlers


def _only_let_in(callback: Callback) -> Callback:
    @wraps(callback)
    async def guarded(update: Any, context: BotContext) -> object:
        if not context.is_let_in:
            raise NotLetInError(callback.__name__)
        return await callback(update, context)

    return guarded


async def let_in(update: Update, context: BotContext) -> None:
    """Let private chats in, with the person known; point groups to the private chat; stop everything else."""
    chat, user = update.effective_chat, update.effective_user
    if chat is None or user is None or chat.type != chat.PRIVATE:
        await _point_to_private(update, context)
        raise ApplicationHandlerStop
    is_ours = message_of(update) or update.callback_query or update.my_chat_member
    if user.id != chat.id or not is_ours:  # a private chat has its person's number: nobody else speaks in it
        raise ApplicationHandlerStop
    if update.callback_query:
        await _answer_press(update.callback_query, context)
    context.admit(update, await _person(update, user, chat.id, context))
    context.delivery.what = _what(update, context)
    await _stop_what_no_handler_may_see(update, context)
    if not await may_go_on(update, context):
        raise ApplicationHandlerStop
    context.is_let_in = True


def _what(update: Update, context: BotContext) -> str:
    """What somebody does, for the audit log: a command or button of ours, never their words."""
    if context.press:
        return f"button: {context.press.action.name.lower()}"
    message = message_of(update)
    if message is None:
        return "press" if update.callback_query else "membership"
    if brings_picture(update):
        return "picture"
    command = command_of(message)
    return f"command: {command}" if command in menu.commands_for(admin=True) else "text"


async def _stop_what_no_handler_may_see(update: Update, context: BotContext) -> None:
    """A press that says nothing of ours must not reach a handler: the library gives one without data to the first."""
    if update.callback_query and context.press is None:
        await context.say("other.button")
        raise ApplicationHandlerStop
    if context.delivery.rejected and not brings_picture(update):
        await context.say("other.too_many")
        raise ApplicationHandlerStop


async def _answer_press(query: CallbackQuery, context: BotContext) -> None:
    """Read the button; Telegram shows a waiting circle until the press is answered, so that comes first."""
    context.press = parse(query.data)
    if context.press and (language := context.services.languages.get(context.press.language)):
        context.answer_in(language)
    # A press that is too old to be answered is still obeyed.
    with suppress(TelegramError):
        await query.answer()


async def _person(update: Update, user: User, chat_id: int, context: BotContext) -> Person:
    """Who writes; somebody new who may use the bot is registered, somebody who had blocked the bot is back."""
    people = context.database.people
    person = await people.get(chat_id)
    if person is None:
        language = context.services.languages.of(user.language_code)
        person = await newcomer(chat_id, language.code, context.services)
        if chat_id in context.services.settings.admin_ids:
            await menu.show_menu(context.bot, chat_id, language.texts, admin=True)
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
    """In a group only our commands are answered: medical pictures belong in a private chat."""
    message, chat = update.message, update.effective_chat
    if message is None or chat is None or chat.type not in (chat.GROUP, chat.SUPERGROUP):
        return
    if _is_our_command(message.text or message.caption or "", context.bot.username):
        texts = context.services.language_of(update).texts
        await message.reply_text(texts("other.group", username=context.bot.username))


def _is_our_command(words: str, username: str) -> bool:
    """Whether this is a command of ours, not addressed to another bot."""
    command = _COMMAND.match(words)
    if command is None or command[1].lower() not in menu.COMMANDS:
        return False
    return command[2] is None or command[2].lower() == username.lower()
