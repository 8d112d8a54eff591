"""How updates come in: Telegram is reached, however long that takes, and then asked, or told where to send them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import Any

from telegram import Update
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError

from bot.context import BotApplication, Services
from bot.errors import StartError
from bot.life import Stop
from bot.polling import TOKEN_REFUSED, Pace, Poller, kept_fetching, seconds_of
from bot.settings import Settings
from bot.texts import DEFAULT_LANGUAGE

UPDATES = (Update.MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)
"""What we ask Telegram for: edits, channel posts and the like are not even sent to us."""
WEBHOOK_PATH = "telegram"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before Telegram is tried again at the start: doubled each time, and less by chance."""
CONFIRM_WITHIN = 1.0
TELL_WITHIN = 5.0
_log = logging.getLogger(__name__)


async def connected(application: BotApplication, settings: Settings) -> None:
    """Make sure that Telegram knows us. Raises StartError when it refuses the token."""
    await _reached(application.initialize, settings)


@asynccontextmanager
async def listening(
    application: BotApplication, settings: Settings, services: Services, stop: Stop, pace: Pace | None = None
) -> AsyncIterator[None]:
    """Updates come in while the body runs. What makes that impossible is told to ``stop``. Raises StartError."""
    if settings.webhook_url:
        async with _webhook(application, settings):
            yield
        return
    await _reached(application.bot.delete_webhook, settings)
    excuse = services.texts[DEFAULT_LANGUAGE]("error.storage")

    async def tell(chat_id: int) -> None:
        async with asyncio.timeout(TELL_WITHIN):
            await application.bot.send_message(chat_id, excuse)

    poller = Poller(application.bot, application.update_queue.put, tell, services.storage, UPDATES, pace)
    fetching = asyncio.create_task(kept_fetching(poller, stop), name="fetching updates")
    try:
        yield
    finally:
        fetching.cancel()
        await asyncio.wait({fetching})
        await poller.confirm(CONFIRM_WITHIN)


@asynccontextmanager
async def _webhook(application: BotApplication, settings: Settings) -> AsyncIterator[None]:
    updater, secret = application.updater, settings.webhook_secret
    if updater is None or secret is None:
        raise RuntimeError("a webhook needs the library's updater and a secret")

    async def start() -> None:
        await updater.start_webhook(
            listen="0.0.0.0",  # noqa: S104 - Telegram, or the proxy before us, must be able to reach it
            port=settings.webhook_port,
            url_path=WEBHOOK_PATH,
            webhook_url=f"{settings.webhook_url}/{WEBHOOK_PATH}",
            secret_token=secret.get_secret_value(),
            allowed_updates=UPDATES,
        )

    try:
        await _reached(start, settings)
    except OSError as error:
        raise StartError(
            f"WEBHOOK_PORT: port {settings.webhook_port} can't be used ({error.strerror or error}): choose another one"
        ) from error
    try:
        yield
    finally:
        await updater.stop()


async def _reached(ask: Callable[[], Awaitable[Any]], settings: Settings) -> None:
    """Ask Telegram until it answers. Raises StartError for an answer that will not change."""
    pause = FIRST_PAUSE
    while True:
        try:
            await ask()
        except InvalidToken:
            raise StartError(TOKEN_REFUSED) from None
        except BadRequest as error:
            raise StartError(f"WEBHOOK_URL: Telegram refuses this webhook ({error.message}): change it") from None
        except RetryAfter as error:
            wait = seconds_of(error.retry_after)
            _log.warning("Telegram asks to wait for %.0f s", wait)
        except TelegramError as error:
            wait = SystemRandom().uniform(pause / 2, pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
            _log.warning(
                "TELEGRAM_API_URL: %s can't be reached (%s): check the address and the network; trying again in %.1f s",
                settings.telegram_api_url,
                type(error.__cause__ or error).__name__,
                wait,
            )
        else:
            return
        await asyncio.sleep(wait)
