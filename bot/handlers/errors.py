"""When something goes wrong: log it without personal data, tell the person one sentence, and go on."""

import logging

from telegram import Update
from telegram.error import BadRequest, Forbidden, TelegramError

from bot.context import BotContext
from bot.errors import UserFacingError
from bot.texts import DEFAULT_LANGUAGE
from inference.executor import AnalysisTimeoutError, WorkerDiedError
from storage.errors import UnknownPersonError

_log = logging.getLogger(__name__)


async def on_error(update: object, context: BotContext) -> None:
    """Handle what a handler let through; the log names the update by its id alone."""
    error = context.error
    update_id = update.update_id if isinstance(update, Update) else None
    chat = update.effective_chat if isinstance(update, Update) else None
    if isinstance(error, Forbidden):
        await _mark_blocked(context, chat.id if chat else None)
        return
    if isinstance(error, BadRequest) and "not modified" in error.message.lower():
        return
    # The traceback holds code, never values; Telegram's own messages and texts of ours hold no personal data.
    _log.error("update %s could not be handled: %s", update_id, type(error).__name__, exc_info=error)
    if chat is not None and chat.type == chat.PRIVATE:
        await _tell(context, chat.id, _for_people(error))


def _for_people(error: Exception | None) -> UserFacingError:
    """The sentence for the person."""
    if isinstance(error, UserFacingError):
        return error
    if isinstance(error, AnalysisTimeoutError | WorkerDiedError):
        return UserFacingError("error.busy")
    if isinstance(error, UnknownPersonError):
        return UserFacingError("error.gone")
    return UserFacingError("error.general")


async def _tell(context: BotContext, chat_id: int, problem: UserFacingError) -> None:
    sentence = context.services.texts[DEFAULT_LANGUAGE](problem.key, **problem.values)
    try:
        await context.bot.send_message(chat_id, sentence)
    except Forbidden:
        await _mark_blocked(context, chat_id)
    except TelegramError as error:
        _log.warning("the person could not be told of an error: %s", type(error).__name__)


async def _mark_blocked(context: BotContext, chat_id: int | None) -> None:
    if chat_id is not None and await context.database.people.get(chat_id):
        await context.database.people.set_blocked(chat_id, blocked=True)
