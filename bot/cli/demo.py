"""``tumorscan demo``: the very same bot, with a chat page in the browser in place of Telegram."""

import argparse
import asyncio
import os
import sys
import tempfile
import webbrowser
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import reports
from bot.app import open_services, running
from bot.delivery.shutdown import Shutdown, StoppedError, signals_ask
from bot.errors import StartError
from bot.logs import configure
from bot.sandbox import Sandbox
from bot.settings import Settings, load_settings

PORT = 8080
HOST = "127.0.0.1"
FONTS = Path(reports.__file__).parent / "fonts"
"""What reports are set in, the page may use too."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the page is served."""
    parser.add_argument("--port", type=int, default=PORT, help=f"port of the chat page (default {PORT}; 0: a free one)")
    parser.add_argument("--host", default=HOST, help=f"address to listen on (default {HOST}: this machine alone)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")


def run(args: argparse.Namespace) -> int:
    """Run the bot with its chat page until SIGINT or SIGTERM. Raises StartError."""
    asyncio.run(serve(args.port, args.host, browser=not args.no_browser))
    return 0


def demo_settings(sandbox: Sandbox, folder: Path) -> Settings:
    """The operator's settings, but with the sandbox in Telegram's place, and with nothing that is the real bot's.

    The chats of the page live in memory, and so must what the bot remembers of them: in the operator's own database
    a new test person would find an earlier one's history, among the scans of real people. Copies of the demo among
    real ones would push these out (``BACKUP_KEEP``), and a report that anybody makes here must not have the seal of
    the real bot, so the keys stay away too.
    """
    return load_settings(
        telegram_bot_token=sandbox.token,
        telegram_api_url=sandbox.url,
        webhook_url=None,
        webhook_secret=None,
        replicas=False,
        database_url=f"sqlite+aiosqlite:///{folder / 'demo.db'}",
        data_key=None,
        report_key=None,
        backup_every=None,
        backup_dir=folder / "backups",
        audit_dir=None,
        status_port=None,
    )


async def serve(port: int, host: str, *, browser: bool) -> None:
    """Serve until a signal comes, then finish what is in work. Raises StartError."""
    past_proxies(host)
    shutdown = Shutdown()
    with signals_ask(shutdown), suppress(StoppedError):
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tumorscan-demo-"))
            try:
                sandbox = await stack.enter_async_context(Sandbox.start(port, host, fonts=FONTS))
            except OSError as error:
                reason = error.strerror or error
                raise StartError(f"can't listen on {host}:{port} ({reason}): choose another with --port") from error
            settings = demo_settings(sandbox, Path(folder))
            level = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
            configure(level, settings.log_format)
            services = await shutdown.unless_asked(
                stack.enter_async_context(open_services(settings, shutdown=shutdown))
            )
            await shutdown.unless_asked(stack.enter_async_context(running(settings, services, shutdown)))
            print(f"The chat page is open at {sandbox.page_url} (Ctrl+C stops it)", flush=True)
            if browser and has_screen():
                await asyncio.to_thread(webbrowser.open, sandbox.page_url)
            await shutdown.wait()


def past_proxies(host: str) -> None:
    """Let the bot reach the sandbox directly, whatever proxy the environment names for the internet."""
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, (known, HOST, host)))


def has_screen() -> bool:
    """Whether a browser would show up in a window, not inside this terminal."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
