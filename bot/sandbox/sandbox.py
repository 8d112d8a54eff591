"""The stand-in for Telegram as one object: started, used, stopped."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from bot.sandbox import bot_api, page_site, people_api
from bot.sandbox.client import Person, SandboxClient
from bot.sandbox.errors import ApiError
from bot.sandbox.methods import call
from bot.sandbox.params import Parameters
from bot.sandbox.rules import Rules
from bot.sandbox.updates import Update, Webhook
from bot.sandbox.webhook import Deliverer
from bot.sandbox.world import World

LOOPBACK = "127.0.0.1"
_PERSON = r"/sandbox/api/people/(\d+)"


def new_token() -> str:
    """A token that looks like one of Telegram's and that nobody can guess."""
    return f"{secrets.randbelow(10**9) + 10**9}:AA{secrets.token_hex(16)}x"


def routes(world: World, host: str, fonts: Path | None = None) -> Application:
    """Every address that the sandbox answers; ``fonts`` is a folder for its page to take letters from."""
    shared = {"world": world, "served_as": host}
    return Application(
        [
            (r"/bot([^/]+)/([A-Za-z]+)", bot_api.MethodHandler, shared),
            (r"/file/bot([^/]+)/(.+)", bot_api.FileHandler, shared),
            (r"/", page_site.HomeHandler, shared),
            (r"/sandbox/?([\w.-]*)", page_site.PageHandler, shared),
            (r"/sandbox/fonts/([\w.-]+)", page_site.FontHandler, {**shared, "fonts": fonts}),
            (r"/sandbox/api/samples/?([\w.-]*)", page_site.SamplesHandler, shared),
            (r"/sandbox/api/live", page_site.LiveHandler, shared),
            (r"/sandbox/api/state", people_api.StateHandler, shared),
            (r"/sandbox/api/people", people_api.NewPersonHandler, shared),
            (_PERSON, people_api.ChatHandler, shared),
            (_PERSON + "/events", people_api.EventsHandler, shared),
            (_PERSON + "/text", people_api.TextHandler, shared),
            (_PERSON + "/files", people_api.FilesHandler, shared),
            (_PERSON + "/(press|edit|forward|block|react)", people_api.ActHandler, shared),
            (r"/sandbox/api/files/([\w-]+)", people_api.ShownFileHandler, shared),
            (r"/sandbox/api/updates", people_api.UpdatesHandler, shared),
            (r"/sandbox/api/clock", people_api.ClockHandler, shared),
            (r"/sandbox/api/faults", people_api.FaultsHandler, shared),
        ],
        log_function=lambda _handler: None,
    )


class Sandbox:
    """A running sandbox. Make one with ``async with Sandbox.start() as sandbox``."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        """Root address: what ``TELEGRAM_API_URL`` is set to."""
        self.base_url = f"{url}/bot"
        """For ``ApplicationBuilder.base_url``."""
        self.base_file_url = f"{url}/file/bot"
        """For ``ApplicationBuilder.base_file_url``."""
        self.page_url = f"{url}/sandbox/"
        self.client = SandboxClient(url)
        self._deliverer: Deliverer | None = None
        self._closing: list[Deliverer] = []
        world.updates.on_put = self._notice
        world.on_webhook = self._switch_webhook

    @property
    def token(self) -> str:
        """The bot's token."""
        return self.world.token

    async def person(self, name: str, language: str = "en") -> Person:
        """A new test person, driven over HTTP like everything else."""
        return await self.client.person(name, language)

    def _notice(self, update: Update) -> None:
        if self._deliverer is not None:
            self._deliverer.notice(update)

    def _switch_webhook(self, webhook: Webhook | None) -> None:
        if self._deliverer is not None:
            self._closing.append(self._deliverer)
            self._deliverer.stop()
        self._deliverer = Deliverer(self.world, webhook, self._call) if webhook else None

    async def _call(self, name: str, parameters: Parameters) -> object:
        return await call(self.world, name, parameters)

    async def _close(self) -> None:
        self._switch_webhook(None)
        for deliverer in self._closing:
            await deliverer.close()
        for callback in self.world.callbacks.values():
            callback.answer.cancel()
        await self.client.close()

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        port: int = 0,
        host: str = LOOPBACK,
        token: str | None = None,
        rules: Rules | None = None,
        fonts: Path | None = None,
    ) -> AsyncIterator["Sandbox"]:
        """Serve until the block ends; port 0 takes a free one. Raises OSError when the port is taken.

        ``fonts``: a folder with the files that ``page/fonts.css`` names; without, the page has the machine's own.
        """
        world = World(token or new_token(), rules or Rules())
        sockets = bind_sockets(port, host)
        taken_port = sockets[0].getsockname()[1]
        server = HTTPServer(routes(world, host, fonts), max_buffer_size=2 * world.rules.person_upload_bytes)
        server.add_sockets(sockets)
        reached_at = LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
        name = f"[{reached_at}]" if ":" in reached_at else reached_at
        sandbox = cls(world, f"http://{name}:{taken_port}")
        try:
            yield sandbox
        finally:
            server.stop()
            await sandbox._close()
            world.updates.stop_returning()
            world.updates.stop_poller(ApiError(502, "Bad Gateway"))
            await server.close_all_connections()
