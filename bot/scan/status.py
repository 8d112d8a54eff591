"""The one status message of a scan: edited through the phases while the work goes on, then taken away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from telegram.constants import ChatAction
from telegram.error import BadRequest, TelegramError
from telegram.ext import ExtBot

from bot.chat.context import BotContext
from bot.delivery.background import running_in_background
from bot.delivery.inbox import STATUS
from bot.delivery.rate_limiter import Guarantee
from bot.delivery.receipts import sent_as

_log = logging.getLogger(__name__)
ACTION_EVERY = 4.0
"""Seconds: Telegram shows a chat action for 5 at most."""


class Status:
    """``show`` never waits: the latest text wins when edits take longer than phases. ``end`` has the last word.

    A phase is not shown at all when that would use up what the chat may still get: the answer comes first.
    """

    def __init__(self, bot: ExtBot[Guarantee], chat_id: int, message_id: int) -> None:
        self._bot = bot
        self._chat_id, self._message_id = chat_id, message_id
        self._shown = self._wanted = ""
        self._news = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._ended = False

    def show(self, text: str) -> None:
        """Have the message say this HTML soon."""
        self._wanted = text
        self._news.set()

    async def end(self, text: str | None = None) -> None:
        """Leave this HTML as the last word, or take the message away."""
        self._ended = True
        async with self._speaking:
            if text is None:
                await self._bot.delete_message(self._chat_id, self._message_id)
                return
            try:
                await self._bot.edit_message_text(text, self._chat_id, self._message_id)
            except BadRequest:  # the person has taken the status message away
                await self._bot.send_message(self._chat_id, text)

    async def keep_up(self) -> None:
        """Edit the message each time that something new is to be shown, until cancelled."""
        while await self._news.wait():
            self._news.clear()
            async with self._speaking:
                if self._ended or self._wanted == self._shown:
                    continue
                self._shown = self._wanted
                try:
                    await self._bot.edit_message_text(
                        self._shown, self._chat_id, self._message_id, rate_limit_args=Guarantee.BEST_EFFORT
                    )
                except TelegramError as error:
                    # A phase that is not shown is no reason to stop reading the picture.
                    _log.info("a status message could not be edited: %s", type(error).__name__)

    async def finish(self) -> None:
        """Take the message away unless ``end`` was called."""
        if not self._ended:
            with suppress(TelegramError):
                await self.end()


@asynccontextmanager
async def status_message(context: BotContext, text: str, reply_to: int) -> AsyncIterator[Status]:
    """Have a status message, and keep it and the chat action up to date while the body runs.

    One that an earlier attempt has sent is used again; so is this one when the body fails, by whoever tells of that.
    """
    status = Status(context.bot, context.person.chat_id, await _message_id(context, text, reply_to))
    async with running_in_background(status.keep_up()), running_in_background(_keep_busy(context)):
        yield status
        await status.finish()


async def take_away_status(context: BotContext) -> None:
    """Take away what an earlier attempt has left, when there is nothing more to do."""
    if (known := context.delivery.status) is not None:
        with suppress(TelegramError):
            await context.bot.delete_message(context.person.chat_id, known)


async def _message_id(context: BotContext, text: str, reply_to: int) -> int:
    delivery = context.delivery
    if (known := delivery.status) is not None:
        with suppress(BadRequest):  # the person has taken it away
            await context.bot.edit_message_text(text, context.person.chat_id, known)
            return known
    with sent_as(STATUS):
        message = await context.send(text, reply_to=reply_to)
    if delivery.status != message.message_id:  # an update that came past the inbox has no receipts
        await delivery.record(STATUS, message.message_id)
    return message.message_id


async def _keep_busy(context: BotContext) -> None:
    while True:
        try:
            await context.bot.send_chat_action(context.person.chat_id, ChatAction.UPLOAD_PHOTO)
        except TelegramError as error:
            _log.info("a chat action could not be sent: %s", type(error).__name__)
        await asyncio.sleep(ACTION_EVERY)
