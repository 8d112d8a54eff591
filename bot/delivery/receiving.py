"""How updates come in: Telegram is reached, however long that takes, and then asked, or told where to send them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import SystemRandom
from typing import Any

from telegram import Update
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError

from bot.chat.context import BotApplication, Services
from bot.delivery.background import running_in_background
from bot.delivery.polling import TOKEN_REFUSED, Poller, PollingTimeouts, kept_fetching, seconds_of
from bot.delivery.raw_update import Raw, UnparsableUpdate, read, set_aside
from bot.delivery.shutdown import Shutdown
from bot.errors import StartError
from bot.knowledge.loader import DEFAULT_LANGUAGE
from bot.settings import Settings
from storage.errors import StorageDownError, StorageError

UPDATES = (Update.MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)
"""What we ask Telegram for: edits, channel posts and the like are not even sent to us."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before Telegram is tried again at the start: doubled each time, and less by chance."""
CONFIRM_WITHIN = 1.0
_log = logging.getLogger(__name__)


async def connected(application: BotApplication, settings: Settings) -> None:
    """Make sure that Telegram knows us. Raises StartError when it refuses the token."""
    try:
        await _reached(application.initialize, settings)
    except StorageError as error:  # what the last process left unfinished is read here
        raise StartError(str(error)) from error


@asynccontextmanager
async def listening(
    application: BotApplication,
    settings: Settings,
    services: Services,
    stop: Shutdown,
    pace: PollingTimeouts | None = None,
) -> AsyncIterator[None]:
    """Updates come in while the body runs. What makes that impossible is told to ``stop``. Raises StartError."""
    apologise = services.texts[DEFAULT_LANGUAGE]("error.storage")

    async def say(chat_id: int) -> None:
        await application.bot.send_message(chat_id, apologise)

    comes_in = (
        _webhook(application, settings, services, say, pace or PollingTimeouts())
        if settings.webhook_url
        else _polling(application, settings, services, say, stop, pace)
    )
    async with comes_in:
        yield


Say = Callable[[int], Awaitable[object]]


@asynccontextmanager
async def _polling(
    application: BotApplication,
    settings: Settings,
    services: Services,
    say: Say,
    stop: Shutdown,
    pace: PollingTimeouts | None,
) -> AsyncIterator[None]:
    await _reached(application.bot.delete_webhook, settings)
    poller = Poller(
        application.bot, application.update_queue.put, _set_aside(services), say, services.storage, UPDATES, pace
    )
    try:
        async with running_in_background(kept_fetching(poller, stop)):
            yield
    finally:
        await poller.confirm(CONFIRM_WITHIN)


@asynccontextmanager
async def _webhook(
    application: BotApplication, settings: Settings, services: Services, say: Say, pace: PollingTimeouts
) -> AsyncIterator[None]:
    from bot.delivery.webhook import PATH, WebhookServer, kept_answering  # loads a server that polling does without

    secret, storage = settings.webhook_secret, services.storage
    if secret is None:
        raise RuntimeError("a webhook needs a secret")

    async def take(raw: Raw) -> None:
        update = read(raw, application.bot)
        try:
            await (
                _set_aside(services)(update)
                if isinstance(update, UnparsableUpdate)
                else application.update_queue.put(update)
            )
        except StorageDownError as error:
            storage.failed(error)
            await storage.apologise(update, say)
            raise
        storage.worked()

    async def announce() -> None:
        await application.bot.set_webhook(
            f"{settings.webhook_url}/{PATH}", allowed_updates=UPDATES, secret_token=secret.get_secret_value()
        )

    server = WebhookServer(settings.webhook_port, secret.get_secret_value(), take)
    try:
        server.start()
    except OSError as error:
        raise StartError(
            f"WEBHOOK_PORT: port {settings.webhook_port} can't be used ({error.strerror or error}): choose another one"
        ) from error
    try:
        await _reached(announce, settings)
        async with (
            running_in_background(kept_answering(server, pace.look)),
            running_in_background(storage.look_after()),
        ):
            yield
    finally:
        await server.stop()


def _set_aside(services: Services) -> Callable[[UnparsableUpdate], Awaitable[None]]:
    return partial(set_aside, rows=services.deliveries.rows)


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
