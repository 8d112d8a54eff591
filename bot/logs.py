"""What the log shows, and what it never shows: the token, addresses with the token, what people wrote."""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from bot.operations import trace

Format = Literal["text", "json"]

_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,64}")
_QUOTED = re.compile(r'"[^"]*"')
_OURS = ("bot", "inference", "storage", "reports")
LONGEST_FOREIGN = 200
_TALKATIVE = ("httpx", "httpcore", "alembic")
"""Libraries that at INFO log the address of each request, or much of no use."""


class Discreet(logging.Formatter):
    """Blanks out whatever looks like a bot token, and what libraries say of the values that they were given.

    Telegram's library logs an answer that it can't read whole, with all that people wrote; asyncio names the exception
    of a task, with its words. Of both only what stands in their own code is shown, and the kind of the error.
    A traceback of ours shows lines of code; of an error that is not ours its words are left out, which may quote
    what somebody wrote ("invalid literal for int() with base 10: 'Anna'").
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines of a traceback, without tokens and without other people's words."""
        return without_tokens(super().format(_bare(record)))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """The lines of code that led to an error and to those that it came of, without other people's words."""
        return "\n".join(_lines_of(ei[1])) if ei[1] is not None else ""


def _lines_of(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _lines_of(cause)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield from "".join(traceback.format_tb(error.__traceback__)).rstrip().splitlines()
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}" + (f": {error}" if is_ours(kind.__module__) else "")
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _lines_of(one)


class JsonLines(Discreet):
    """As discreet, one JSON object a line; ``update`` is the same in all lines about one update, in every package."""

    def format(self, record: logging.LogRecord) -> str:
        """The object: time (UTC), level, logger, message, and where there are such update and traceback."""
        record = _bare(record)
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_tokens(record.getMessage()),
        }
        if (update := trace.update.get()) is not None:
            said["update"] = update
        if record.exc_info:
            said["traceback"] = without_tokens(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False)


def is_ours(module: str) -> bool:
    """Whether a logger or an error comes from code of ours, which quotes nobody."""
    return module.partition(".")[0] in _OURS


def without_tokens(text: str) -> str:
    """Blank out whatever looks like a bot token."""
    return _TOKEN.sub("<token>", text)


def unquoted(error: Exception) -> str:
    """What Telegram says of a request that it refuses, without what it quotes of it ("unsupported start tag ...")."""
    return _QUOTED.sub('"..."', str(error))


def discreet_message(record: logging.LogRecord) -> str:
    """What the log shows of a record, without its traceback."""
    return without_tokens(_bare(record).getMessage())


def _bare(record: logging.LogRecord) -> logging.LogRecord:
    """A record of ours as it is; of others' the words that stand in their code, and the kind of the error."""
    if is_ours(record.name):
        return record
    words = str(record.msg).partition("\n")[0][:LONGEST_FOREIGN]
    if record.exc_info and record.exc_info[0] is not None:
        words += f" ({record.exc_info[0].__name__})"
    return logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, words, None, None)


def configure(level: str, form: Format = "text") -> None:
    """Log to standard error from ``level`` on, in lines to read or in JSON.

    DEBUG is for our own code: libraries would log messages, names and database rows there.
    """
    handler = logging.StreamHandler()
    formatter = JsonLines() if form == "json" else Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(formatter)
    wanted = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=max(wanted, logging.INFO), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(wanted)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(wanted, logging.WARNING))
