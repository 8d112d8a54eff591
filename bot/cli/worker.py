"""``tumorscan worker``: read pictures for bots on other machines, as part of a Dask cluster."""

import argparse
import asyncio
import logging

from bot.delivery.shutdown import Shutdown, StoppedError, signals_ask
from bot.errors import StartError
from bot.logs import configure
from bot.operations.sentry import telling_sentry
from bot.scan.executors import local_executor, require_cluster, start_executor
from bot.settings import Settings, is_cluster, load_settings

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument; the rest is set in the environment or in ``.env``."""
    parser.add_argument(
        "scheduler", metavar="SCHEDULER", help="the address of dask scheduler, as in EXECUTOR of the bot"
    )


def run(args: argparse.Namespace) -> int:
    """Work until SIGINT or SIGTERM. Raises StartError."""
    if not is_cluster(args.scheduler):
        raise StartError("SCHEDULER: write the address of 'dask scheduler', such as tcp://scheduler:8786")
    require_cluster()
    settings = load_settings()
    configure(settings.log_level, settings.log_format)
    with telling_sentry(settings):
        asyncio.run(_serve(settings, args.scheduler))
    return 0


async def _serve(settings: Settings, scheduler: str) -> None:
    from inference.workers.cluster_worker import kind_of, serve

    shutdown = Shutdown()
    with signals_ask(shutdown):
        executor = local_executor(settings)
        try:
            await shutdown.unless_asked(start_executor(executor))
            kind = kind_of(settings.models_dir, settings.model_backend)
            await shutdown.unless_asked(serve(scheduler, executor, kind))
        except StoppedError:
            _log.info("told to stop")
        finally:
            await executor.close()
    _log.info("stopped")
