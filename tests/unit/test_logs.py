"""The log never holds the token, wherever it comes from."""

import logging

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


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_that_log_addresses_and_messages_are_kept_quiet(level: str) -> None:
    root, handlers, old = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure(level)
        assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
        assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.INFO)
        assert not logging.getLogger("telegram.ext.ExtBot").isEnabledFor(logging.DEBUG)
        assert logging.getLogger("bot").isEnabledFor(getattr(logging, level))
    finally:
        root.handlers[:] = handlers
        root.setLevel(old)
