"""``tumorscan run``: the bot, until it is told to stop."""

import argparse
import asyncio
import logging
import signal

from bot.application import open_services, running
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
    asyncio.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Listen until a signal comes, then finish what is in work. Raises StartError."""
    async with open_services(settings) as services, running(settings, services) as application:
        _log.info("@%s is listening", application.bot.username)
        await stop_signal()
        _log.info("stopping: finishing what is in work")
    _log.info("stopped")


async def stop_signal() -> None:
    """Wait for SIGINT or SIGTERM; a second one ends the program at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    for one in signals:
        loop.add_signal_handler(one, stop.set)
    await stop.wait()
    for one in signals:
        loop.remove_signal_handler(one)
