"""``tumorscan run``: the bot, until it is told to stop."""

import argparse
import asyncio
import gc
import logging
from contextlib import AsyncExitStack

from bot.app import open_services, running
from bot.delivery.shutdown import Shutdown, StoppedError, signals_ask
from bot.logs import configure
from bot.settings import Settings, load_settings

_log = logging.getLogger(__name__)


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Everything is set in the environment or in ``.env``."""


def run(_: argparse.Namespace) -> int:
    """Run the bot until SIGINT or SIGTERM. Raises StartError."""
    settings = load_settings()
    settings.require_token()
    configure(settings.log_level)
    gc.freeze()  # what the imports made stays: there is no use in looking through it again and again
    asyncio.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Listen until a signal comes, then finish what is in work or put it back. Raises StartError."""
    stop = Shutdown()
    with signals_ask(stop):
        try:
            await _listen(settings, stop)
        except StoppedError:
            _log.info("told to stop before the start was done")
    _log.info("stopped")


async def _listen(settings: Settings, stop: Shutdown) -> None:
    async with AsyncExitStack() as stack:
        services = await stop.unless_asked(stack.enter_async_context(open_services(settings, stop=stop)))
        application = await stop.unless_asked(stack.enter_async_context(running(settings, services, stop)))
        _log.info("@%s is listening", application.bot.username)
        await stop.wait()
        _log.info("stopping")
