"""An HTTP server with bounds on all that strangers can use up: connections, bytes, time."""

from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

MOST_HEADER_BYTES = 16 << 10
PATIENCE = 15.0
"""Seconds that a connection may take for all its headers, for its body, and between two requests."""
FROM_STRANGERS = ("tornado.general", "tornado.application", "tornado.access")
"""What the library logs here is caused by whoever connects, and can be as much as they like."""


class BoundedServer(HTTPServer):
    """Closes at once what would be one connection too many, so that descriptors never run out."""

    most_connections = 256

    @classmethod
    def made(cls, routes: Any, most_connections: int, most_bytes: int) -> "BoundedServer":
        """A server for these routes, not yet listening, whose requests have bodies of ``most_bytes`` at most."""
        server = cls(
            routes,
            max_body_size=most_bytes,
            max_buffer_size=max(most_bytes, 2 * MOST_HEADER_BYTES),
            max_header_size=MOST_HEADER_BYTES,
            idle_connection_timeout=PATIENCE,
            body_timeout=PATIENCE,
        )
        server.most_connections = most_connections
        return server

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Take a connection in, if there is room."""
        if len(self._connections) >= self.most_connections:
            stream.close()
        else:
            super().handle_stream(stream, address)

    @property
    def is_full(self) -> bool:
        """Whether there is no room."""
        return len(self._connections) >= self.most_connections
