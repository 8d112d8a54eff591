"""Errors to Sentry, where an operator wants that: what the log says of them at ERROR, and nothing beside it."""

import linecache
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

from bot.errors import StartError
from bot.logs import discreet_message, is_ours, without_tokens
from bot.operations import trace
from bot.settings import Settings
from storage.errors import INSTALL_EXTRAS

AGAIN_AFTER: Final = 60.0
"""Seconds until the same line of code is told of again: a database that is away would fill anybody's quota."""
FLUSH: Final = 2.0
"""Seconds that the last events have to leave at the end."""
_KEPT: Final = (
    "event_id",
    "timestamp",
    "platform",
    "level",
    "logger",
    "logentry",
    "exception",
    "release",
    "tags",
    "sdk",
)
"""What leaves of an event; the library adds the machine's name and more."""
_SENDERS: Final = ("sentry_sdk", "urllib3")
"""Whose own troubles with sending are not sent."""


@contextmanager
def telling_sentry(settings: Settings) -> Iterator[None]:
    """Have errors told while the body runs, what it raises among them; a SENTRY_DSN that is empty: nothing.

    Raises StartError where the package is missing.
    """
    if settings.sentry_dsn is None:
        yield
        return
    if find_spec("sentry_sdk") is None:
        raise StartError(f"SENTRY_DSN: Sentry needs one more package: {INSTALL_EXTRAS}")
    import sentry_sdk

    # That the library sends personal data of its own is off unless asked for; what leaves is listed in _KEPT anyway.
    sentry_sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        release=f"tumorscan-bot@{version('tumorscan-bot')}",
        default_integrations=False,  # they listen to each request, log line and exception
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        before_send=_stripped,
    )
    handler = SentryHandler(sentry_sdk.capture_event)
    logging.getLogger().addHandler(handler)
    try:
        yield
    except StartError:  # a setting is wrong: that is for the terminal
        raise
    except Exception:
        logging.getLogger(__name__).critical("the program failed", exc_info=True)
        raise
    finally:
        logging.getLogger().removeHandler(handler)
        sentry_sdk.get_client().close(timeout=FLUSH)


class SentryHandler(logging.Handler):
    """Makes an event of each record at ERROR or above, of the same words as the log shows. For any thread."""

    def __init__(self, send: Callable[[Any], object], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.ERROR)
        self._send, self._clock = send, clock
        self._told: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, unless the same line of code was told of just now."""
        place, now = (record.pathname, record.lineno), self._clock()
        if record.name.partition(".")[0] in _SENDERS or now - self._told.get(place, -AGAIN_AFTER) < AGAIN_AFTER:
            return
        self._told[place] = now
        try:
            self._send(event_of(record))
        except Exception:  # noqa: BLE001 - it is what tells of errors, and must not make any
            self.handleError(record)


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """An event as Sentry reads it: message, kinds of errors and lines of code; no values and no words of others."""
    event: dict[str, Any] = {
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "logentry": {"formatted": discreet_message(record)},
    }
    if (update := trace.update.get()) is not None:
        event["tags"] = {"update": str(update)}
    if record.exc_info and record.exc_info[1] is not None:
        event["exception"] = {"values": list(_exceptions(record.exc_info[1]))}
    return event


def _exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    """The innermost cause first, as Sentry wants them."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _exceptions(cause)
    kind = type(error)
    frames = [
        {
            "filename": frame.filename,
            "function": frame.name,
            "lineno": frame.lineno,
            "context_line": linecache.getline(frame.filename, frame.lineno or 0).strip(),
            "in_app": _is_app(frame.filename),
        }
        for frame in traceback.extract_tb(error.__traceback__, limit=-50)
    ]
    told = {"value": without_tokens(str(error))} if is_ours(kind.__module__) else {}
    yield {"type": kind.__qualname__, "module": kind.__module__, **told, "stacktrace": {"frames": frames}}


def _is_app(filename: str) -> bool:
    return any(f"/{part}/" in filename for part in ("bot", "inference", "storage", "reports"))


def _stripped(event: Mapping[str, Any], _hint: object) -> Any:
    return {name: value for name, value in event.items() if name in _KEPT}
