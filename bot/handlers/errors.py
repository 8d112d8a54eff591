"""When something goes wrong: log it without personal data, tell the person one sentence, and go on."""

import logging
from contextlib import suppress

from telegram import Update
from telegram.error import BadRequest, Forbidden, TelegramError
from telegram.ext import ApplicationHandlerStop, ExtBot

from bot.chat.context import BotContext, Services, replying
from bot.delivery.rate_limiter import Guarantee
from bot.delivery.storage_health import Apology
from bot.errors import UserFacingError
from inference.workers.executor import AnalysisTimeoutError, WorkerDiedError
from storage.errors import StorageDownError, UnknownPersonError

_log = logging.getLogger(__name__)


async def on_error(update: object, context: BotContext) -> None:
    """Handle what a handler let through; the log names the update by its id alone.

    No further handler is asked. Of what will be tried again nobody is told.
    """
    error = context.error
    if isinstance(error, StorageDownError):
        context.services.storage.failed(error)
        await context.services.storage.apologise(update, apology(context.bot, context.services))
    await _conclude(update, error, context)
    raise ApplicationHandlerStop


async def _conclude(update: object, error: Exception | None, context: BotContext) -> None:
    """By what it is: tried again, a block noted, or told; an edit that changes nothing is no error."""
    if error is not None and context.services.deliveries.failed(update, error):
        update_id = update.update_id if isinstance(update, Update) else None
        _log.info("update %s will be tried again: %s", update_id, type(error).__name__)
    elif isinstance(error, Forbidden):
        chat = update.effective_chat if isinstance(update, Update) else None
        await _mark_blocked(context, chat.id if chat else None)
    elif not isinstance(error, BadRequest) or "not modified" not in error.message.lower():
        _log_failure(update, error, context.services)
        if isinstance(update, Update):
            await _tell(context, update, _for_people(error))


def _log_failure(update: object, error: Exception | None, services: Services) -> None:
    update_id = update.update_id if isinstance(update, Update) else None
    if error is not None and services.deliveries.becomes_dead_letter(update, error):
        _log.error("update %s is a dead letter, with its traceback: %s", update_id, type(error).__name__)
    else:
        # The traceback holds code, never values; Telegram's own messages and texts of ours hold no personal data.
        _log.error("update %s could not be handled: %s", update_id, type(error).__name__, exc_info=error)


def apology(bot: ExtBot[Guarantee], services: Services) -> Apology:
    """Tells a chat that nothing can be written down just now, and that the answer will take a while."""

    async def apologise(update: Update, chat_id: int) -> None:
        await bot.send_message(chat_id, services.language_of(update).texts("error.storage"))

    return apologise


def _for_people(error: Exception | None) -> UserFacingError:
    """The sentence for the person."""
    if isinstance(error, UserFacingError):
        return error
    if isinstance(error, AnalysisTimeoutError | WorkerDiedError):
        return UserFacingError("error.busy")
    if isinstance(error, UnknownPersonError):
        return UserFacingError("error.gone")
    return UserFacingError("error.general")


async def _tell(context: BotContext, update: Update, problem: UserFacingError) -> None:
    """Say it in place of the status message that is still there, else in answer to the message."""
    chat, message = update.effective_chat, update.message
    if chat is None or chat.type != chat.PRIVATE:
        return
    sentence = context.services.language_of(update).texts(problem.key, **problem.values)
    delivery = context.services.deliveries.of(update)
    try:
        if delivery.status is not None and delivery.current == delivery.update_id:
            with suppress(BadRequest):
                await context.bot.edit_message_text(sentence, chat.id, delivery.status)
                return
        await context.bot.send_message(
            chat.id, sentence, reply_parameters=replying(message.message_id if message else None)
        )
    except Forbidden:
        await _mark_blocked(context, chat.id)
    except TelegramError as error:
        _log.warning("the person could not be told of an error: %s", type(error).__name__)


async def _mark_blocked(context: BotContext, chat_id: int | None) -> None:
    if chat_id is not None and await context.database.people.get(chat_id):
        await context.database.people.set_blocked(chat_id, blocked=True)
