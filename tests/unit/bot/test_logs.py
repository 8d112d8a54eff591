"""The log never holds the token, wherever it comes from."""

import logging
import sys

import pytest
from telegram.error import TelegramError
from telegram.request import BaseRequest

from bot.errors import StartError
from bot.logs import Discreet, JsonLines, configure

TOKEN = "123456:" + "t" * 35


def test_a_token_is_blanked_out_in_messages_and_tracebacks() -> None:
    formatter = Discreet("%(message)s")
    error = StartError(f"POST https://api.telegram.org/bot{TOKEN}/getMe failed")
    record = logging.LogRecord("bot.x", 40, "x", 1, "url %s", (f"/bot{TOKEN}/x",), (type(error), error, None))
    line = formatter.format(record)
    assert TOKEN not in line
    assert line.count("<token>") == 2


@pytest.mark.parametrize("form", [Discreet, JsonLines])
def test_traceback_quotes_nobody_and_shows_the_lines_of_code(form: type[Discreet]) -> None:
    try:
        try:
            int("Anna " + "Zwirbel")
        except ValueError as error:
            raise KeyError("Zwir" + "bel") from error
    except KeyError:
        record = logging.LogRecord("bot.x", 40, "x", 1, "update %s", (7,), sys.exc_info())
    line = form("%(message)s").format(record)
    assert "Anna Zwirbel" not in line
    assert "'Zwirbel'" not in line
    for shown in ("update 7", "ValueError", "KeyError", "test_logs.py", "which led to"):
        assert shown in line


@pytest.mark.usefixtures("logging_as_before")
@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_that_log_addresses_and_messages_are_kept_quiet(level: str) -> None:
    configure(level)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.INFO)
    assert not logging.getLogger("telegram.ext.ExtBot").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiosqlite").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("bot.scan.pipeline").getEffectiveLevel() == getattr(logging, level)


@pytest.mark.usefixtures("logging_as_before")
def test_library_log_omits_what_people_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO")
    with pytest.raises(TelegramError):
        BaseRequest.parse_json_payload(b'{"ok": true, "result": [{"text": "my secret"')
    said = capsys.readouterr().err
    assert "secret" not in said
    assert said.count("\n") == 1
    assert "Can not load invalid JSON data" in said
    assert "(JSONDecodeError)" in said


def test_a_task_that_failed_is_named_without_its_words() -> None:
    error = RuntimeError("Anna has a headache")
    words = f"Task exception was never retrieved\nfuture: <Task exception={error!r}>"
    record = logging.LogRecord("asyncio", 40, "x", 1, words, None, (type(error), error, None))
    assert Discreet("%(message)s").format(record) == "Task exception was never retrieved (RuntimeError)"
