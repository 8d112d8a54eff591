"""``tumorscan run``: the bot, until it is told to stop."""

import argparse
import asyncio
import logging
from contextlib import AsyncExitStack

from bot.app import open_services, running
from bot.chat.languages import open_models
from bot.delivery.shutdown import Shutdown, StoppedError, signals_ask
from bot.garbage import kept_for_good
from bot.logs import configure
from bot.operations.sentry import telling_sentry
from bot.settings import Settings, load_settings
from storage import Database
from storage.vault import PLAIN

_log = logging.getLogger(__name__)


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Everything is set in the environment or in ``.env``."""


def run(_: argparse.Namespace) -> int:
    """Run the bot until SIGINT or SIGTERM. Raises StartError."""
    settings = load_settings()
    settings.require_token()
    configure(settings.log_level, settings.log_format)
    with telling_sentry(settings):
        asyncio.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Listen until a signal comes, then finish what is in work or put it back. Raises StartError."""
    shutdown = Shutdown()
    with signals_ask(shutdown):
        try:
            await _listen(settings, shutdown)
        except StoppedError:
            _log.info("told to stop before the start was done")
    _log.info("stopped")


async def _listen(settings: Settings, shutdown: Shutdown) -> None:
    async with AsyncExitStack() as stack:
        with kept_for_good():
            content = open_models(settings.models_dir)
        services = await shutdown.unless_asked(
            stack.enter_async_context(open_services(settings, shutdown=shutdown, content=content))
        )
        application = await shutdown.unless_asked(stack.enter_async_context(running(settings, services, shutdown)))
        await _tell_of_keys(settings, services.database)
        _log.info("@%s is listening", application.bot.username)
        await shutdown.wait()
        _log.info("stopping")


async def _tell_of_keys(settings: Settings, database: Database) -> None:
    """Say in one line what is kept as it came, or under a key that was to be left behind."""
    if settings.data_key is None:
        _log.warning("DATA_KEY is not set: what people send is kept unencrypted; 'tumorscan key' makes a key")
    elif others := await database.other_keys():
        named = ", ".join(f"key {known}" for known in sorted(others - {PLAIN}))
        state = " and ".join(filter(None, ("unencrypted" if PLAIN in others else "", named and f"under {named}")))
        _log.warning("DATA_KEY: part of what is kept may still be %s: run 'tumorscan db rekey'", state)
