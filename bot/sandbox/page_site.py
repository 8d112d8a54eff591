"""The chat page: its files, its sample pictures, and the WebSocket that keeps it up to date."""

import asyncio
import json
from pathlib import Path

from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from bot.sandbox.guard import GuardedHandler, host_allowed, origin_allowed
from bot.sandbox.world import World

HERE = Path(__file__).parent
PAGE = HERE / "page"
SAMPLES = HERE / "samples"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PICTURES = {".jpg": "image/jpeg", ".png": "image/png", ".dcm": "application/dicom"}
_PING_S = 25.0


class HomeHandler(GuardedHandler):
    """The bare address."""

    def get(self) -> None:
        """Lead to the page."""
        self.redirect("/sandbox/")


class PageHandler(GuardedHandler):
    """The page and its files; nothing in it may load from elsewhere or run from text."""

    def get(self, name: str) -> None:
        """Send one file of the page."""
        path = PAGE / (name or "index.html")
        if path.parent != PAGE or path.suffix not in _TYPES or not path.is_file():
            raise HTTPError(404)
        host = self.request.host
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
            f"connect-src 'self' ws://{host} wss://{host}; frame-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.set_header("Content-Security-Policy", policy)
        self.set_header("Content-Type", f"{_TYPES[path.suffix]}; charset=utf-8")
        self.finish(path.read_bytes())


class FontHandler(GuardedHandler):
    """Fonts of scripts that not every machine has."""

    fonts: Path | None

    def initialize(self, world: World, served_as: str, fonts: Path | None = None) -> None:
        """Called by tornado with what the routes were given."""
        super().initialize(world, served_as)
        self.fonts = fonts

    def get(self, name: str) -> None:
        """Send one of them."""
        path = self.fonts / name if self.fonts else None
        if path is None or path.parent != self.fonts or path.suffix != ".ttf" or not path.is_file():
            raise HTTPError(404)
        self.set_header("Content-Type", "font/ttf")
        self.finish(path.read_bytes())


class SamplesHandler(GuardedHandler):
    """Pictures to try the bot with."""

    def get(self, name: str) -> None:
        """One of them, or the list when there is no name."""
        if not name:
            self.write({"samples": json.loads((SAMPLES / "samples.json").read_text("utf-8"))})
            return
        path = SAMPLES / name
        if path.parent != SAMPLES or path.suffix not in _PICTURES or not path.is_file():
            raise HTTPError(404)
        self.set_header("Content-Type", _PICTURES[path.suffix])
        self.finish(path.read_bytes())


class LiveHandler(WebSocketHandler):
    """Every event of every chat, as it happens, from the number in ``after`` on."""

    world: World
    served_as: str
    _task: "asyncio.Task[None] | None" = None

    def initialize(self, world: World, served_as: str) -> None:
        """Called by tornado with what the routes were given."""
        self.world = world
        self.served_as = served_as

    def prepare(self) -> None:
        """Turn away other names for this machine."""
        if not host_allowed(self.request.host, self.served_as):
            raise HTTPError(403, reason="Host not allowed")

    def check_origin(self, origin: str) -> bool:
        """Only the sandbox's own page may listen."""
        return origin_allowed(origin, self.request.host)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to send."""
        del args, kwargs
        asked = self.get_query_argument("after", "0")
        after = int(asked) if asked.isdecimal() else 0
        self._task = asyncio.create_task(self._send_from(after), name="live-events")

    async def _send_from(self, seq: int) -> None:
        try:
            while True:
                events = await self.world.feed.after(seq, None, _PING_S)
                seq = events[-1]["seq"] if events else seq
                await self.write_message(json.dumps({"events": events, "seq": seq}))
        except WebSocketClosedError:
            return

    def on_message(self, message: str | bytes) -> None:
        """The page only listens here; it speaks through the JSON API."""
        del message

    def on_close(self) -> None:
        """The page is gone."""
        if self._task is not None:
            self._task.cancel()
