"""Who may talk to the sandbox: programs on this machine, and its own page; not another web site."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from tornado.web import HTTPError, RequestHandler

from bot.sandbox.rules import Rules
from bot.sandbox.world import World


def host_allowed(host_header: str, served_as: str) -> bool:
    """Whether a Host header names this server itself.

    A web site that points its own name at this machine (DNS rebinding) sends that name; an address or
    ``localhost`` can't be pointed anywhere.
    """
    name = urlsplit(f"//{host_header}").hostname or ""
    if name in {"localhost", served_as.lower()}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(origin: str | None, host_header: str) -> bool:
    """Whether a request comes from the sandbox's own page, or from no page at all."""
    return origin is None or urlsplit(origin).netloc.lower() == host_header.lower()


class GuardedHandler(RequestHandler):
    """What every handler of the sandbox shares: the guard, and no caching."""

    world: World
    served_as: str

    def initialize(self, world: World, served_as: str) -> None:
        """Called by tornado with what the routes were given."""
        self.world = world
        self.served_as = served_as

    @property
    def rules(self) -> Rules:
        """The limits of this sandbox."""
        return self.world.rules

    def set_default_headers(self) -> None:
        """No hint at the server's version, and no guessing of types."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def prepare(self) -> None:
        """Turn away requests that another web site has made."""
        headers = self.request.headers
        if not host_allowed(self.request.host, self.served_as):
            raise HTTPError(403, reason="Host not allowed")
        if not origin_allowed(headers.get("Origin"), self.request.host):
            raise HTTPError(403, reason="Origin not allowed")
        if headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise HTTPError(403, reason="Cross-site request not allowed")

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is wrong with the sandbox, not what is wrong with a request."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)
