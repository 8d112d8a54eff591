"""What the log shows, and what it never shows: the token, addresses with the token, what people wrote."""

import logging
import re

_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,64}")
_TALKATIVE = {
    "httpx": logging.WARNING, "httpcore": logging.WARNING, "telegram": logging.INFO, "asyncio": logging.INFO,
    "alembic": logging.WARNING,
}  # fmt: skip
"""Loggers that would write request addresses, messages or much of no use at their lower levels."""


class WithoutTokens(logging.Formatter):
    """Blanks out whatever looks like a bot token, in messages and tracebacks alike."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback, without tokens."""
        return _TOKEN.sub("<token>", super().format(record))


def configure(level: str) -> None:
    """Log to standard error from ``level`` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutTokens("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in _TALKATIVE.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level]))
