"""What the log shows, and what it never shows: the token, addresses with the token, what people wrote."""

import logging
import re

_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,64}")
_OURS = ("bot", "inference", "storage", "reports")
_TALKATIVE = ("httpx", "httpcore", "alembic")
"""Libraries that at INFO log the address of each request, or much of no use."""


class WithoutTokens(logging.Formatter):
    """Blanks out whatever looks like a bot token, in messages and tracebacks alike."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback, without tokens."""
        return _TOKEN.sub("<token>", super().format(record))


def configure(level: str) -> None:
    """Log to standard error from ``level`` on.

    DEBUG is for our own code: libraries would log messages, names and database rows there.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutTokens("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    wanted = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=max(wanted, logging.INFO), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(wanted, logging.WARNING))
