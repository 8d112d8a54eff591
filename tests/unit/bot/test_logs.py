"""The log never holds the token, wherever it comes from."""

import logging
from collections.abc import Iterator

import pytest

from bot.logs import WithoutTokens, configure

TOKEN = "123456:" + "t" * 35


def test_a_token_is_blanked_out_in_messages_and_tracebacks() -> None:
    formatter = WithoutTokens("%(message)s")
    error = RuntimeError(f"POST https://api.telegram.org/bot{TOKEN}/getMe failed")
    record = logging.LogRecord("x", 40, "x", 1, "url %s", (f"/bot{TOKEN}/x",), (type(error), error, None))
    line = formatter.format(record)
    assert TOKEN not in line
    assert line.count("<token>") == 2


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    """Put back what ``configure`` changes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("bot", "inference", "storage", "reports", "httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_that_log_addresses_and_messages_are_kept_quiet(level: str) -> None:
    configure(level)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.INFO)
    assert not logging.getLogger("telegram.ext.ExtBot").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiosqlite").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("bot.scan.pipeline").getEffectiveLevel() == getattr(logging, level)
