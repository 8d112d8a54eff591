"""How updates come in: Telegram is reached, however long that takes, and then asked, or told where to send them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from telegram import Update
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError
from telegram.ext import Application

from bot.delivery.background import running_in_background
from bot.delivery.backoff import Backoff
from bot.delivery.durable_queue import DurableQueue
from bot.delivery.polling import TOKEN_REFUSED, Poller, PollingTimeouts, kept_fetching, seconds_of
from bot.delivery.raw_update import Raw, read
from bot.delivery.shutdown import Shutdown
from bot.delivery.storage_health import Apology, StorageHealth
from bot.errors import StartError
from bot.operations.metrics import Metrics
from bot.settings import Settings
from storage.errors import StorageError

if TYPE_CHECKING:
    from bot.delivery.webhook import WebhookServer

UPDATES = (Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER)
"""What we ask Telegram for: channel posts, reactions and the like are not even sent to us."""
UNTIL_REACHED = Backoff(1.0, 30.0)
"""Before Telegram is tried again at the start."""
CONFIRM_WITHIN = 1.0
AnyApplication = Application[Any, Any, Any, Any, Any, Any]
_log = logging.getLogger(__name__)


async def connected(application: AnyApplication, settings: Settings) -> None:
    """Make sure that Telegram knows us. Raises StartError when it refuses the token."""
    try:
        await _reached(application.initialize, settings)
    except StorageError as error:  # what the last process left unfinished is read here
        raise StartError(str(error)) from error


@asynccontextmanager
async def listening(
    application: AnyApplication,
    queue: DurableQueue,
    storage: StorageHealth,
    settings: Settings,
    apology: Apology,
    shutdown: Shutdown,
    timeouts: PollingTimeouts | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[None]:
    """Updates come in while the body runs. What makes that impossible is told to ``shutdown``. Raises StartError."""
    receiving = (
        _webhook(application, queue, storage, settings, apology, timeouts or PollingTimeouts(), metrics)
        if settings.webhook_url
        else _polling(application, queue, storage, settings, apology, shutdown, timeouts, metrics)
    )
    async with receiving:
        yield


@asynccontextmanager
async def _polling(
    application: AnyApplication,
    queue: DurableQueue,
    storage: StorageHealth,
    settings: Settings,
    apology: Apology,
    shutdown: Shutdown,
    timeouts: PollingTimeouts | None,
    metrics: Metrics | None,
) -> AsyncIterator[None]:
    await _reached(application.bot.delete_webhook, settings)
    poller = Poller(application.bot, queue.put_all, apology, storage, UPDATES, timeouts, metrics)
    try:
        async with running_in_background(kept_fetching(poller, shutdown)):
            yield
    finally:
        await poller.confirm(CONFIRM_WITHIN)


@asynccontextmanager
async def _webhook(
    application: AnyApplication,
    queue: DurableQueue,
    storage: StorageHealth,
    settings: Settings,
    apology: Apology,
    timeouts: PollingTimeouts,
    metrics: Metrics | None,
) -> AsyncIterator[None]:
    from bot.delivery.webhook import kept_answering  # loads a server that polling does without

    secret = settings.webhook_secret
    if secret is None:
        raise RuntimeError("a webhook needs a secret")

    async def announce() -> None:
        await application.bot.set_webhook(
            settings.webhook_address, allowed_updates=UPDATES, secret_token=secret.get_secret_value()
        )

    server = _webhook_server(application, queue, storage, settings, apology, secret.get_secret_value())
    _start(server, settings)
    try:
        await _reached(announce, settings)
        async with (
            running_in_background(kept_answering(server, timeouts.webhook_check, metrics)),
            running_in_background(storage.look_after()),
        ):
            yield
    finally:
        await server.stop()


def _webhook_server(
    application: AnyApplication,
    queue: DurableQueue,
    storage: StorageHealth,
    settings: Settings,
    apology: Apology,
    secret: str,
) -> "WebhookServer":
    from bot.delivery.webhook import WebhookServer

    async def take(raw: Raw) -> None:
        update = read(raw, application.bot)
        # Posts come side by side; the writer commits those that wait for it together.
        await storage.keep(queue.put_all((update,)), (update,), apology)

    return WebhookServer(
        settings.webhook_port, secret, take, host=settings.webhook_host, path=settings.webhook_served_path
    )


def _start(server: "WebhookServer", settings: Settings) -> None:
    """Take the port. Raises StartError."""
    try:
        server.start()
    except OSError as error:
        raise StartError(
            f"WEBHOOK_PORT: {settings.webhook_host}:{settings.webhook_port} can't be used "
            f"({error.strerror or error}): choose another one, or another WEBHOOK_HOST"
        ) from error


async def _reached(ask: Callable[[], Awaitable[Any]], settings: Settings) -> None:
    """Ask Telegram until it answers. Raises StartError for an answer that will not change."""
    failures = 0
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
            wait = UNTIL_REACHED.pause(failures)
            failures += 1
            _log.warning(
                "TELEGRAM_API_URL: %s can't be reached (%s): check the address and the network; trying again in %.1f s",
                settings.telegram_api_url,
                type(error.__cause__ or error).__name__,
                wait,
            )
        else:
            return
        await asyncio.sleep(wait)
