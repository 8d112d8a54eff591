"""What leaves for Sentry tells of errors, and of nobody."""

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bot.errors import StartError
from bot.logs import configure
from bot.operations import sentry, trace
from bot.operations.sentry import SentryHandler, event_of, telling_sentry
from bot.settings import Settings, load_settings

pytestmark = pytest.mark.usefixtures("logging_as_before")

TOKEN = "123456789:" + "t" * 35
NAME, CHAT = "Zwirbel", 987654321987
DSN = "http://abc123@127.0.0.1:{port}/7"


class Mailbox(BaseHTTPRequestHandler):
    """Takes envelopes as Sentry does."""

    envelopes: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.envelopes.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Not a word."""


@pytest.fixture
def mailbox() -> Iterator[HTTPServer]:
    Mailbox.envelopes = []
    with HTTPServer(("127.0.0.1", 0), Mailbox) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(**given: object) -> Settings:
    return load_settings(_env_file=None, telegram_bot_token=TOKEN, **given)


def handle_badly(name: str, chat_id: int) -> None:
    """As a handler that meets what it does not expect: values in variables, in words, in its cause."""
    text = f"I am {name} in {chat_id}"
    try:
        int(text)
    except ValueError as error:
        raise KeyError(f"{name} in {chat_id}") from error


def test_envelope_holds_error_without_name_token_or_chat(mailbox: HTTPServer) -> None:
    given = settings(sentry_dsn=DSN.format(port=mailbox.server_port))
    configure("INFO")
    told = trace.update.set(4711)
    with telling_sentry(given):
        logging.getLogger("bot.x").info("somebody wrote")
        try:
            handle_badly(NAME, CHAT)
        except KeyError:
            logging.getLogger("bot.x").exception("an update failed at /bot%s/getFile", TOKEN)
        logging.getLogger("telegram.ext").error("answer %r of %s in %s makes no sense", {"name": NAME}, TOKEN, CHAT)
    trace.update.reset(told)
    sent = b"\n".join(Mailbox.envelopes).decode()
    assert len(Mailbox.envelopes) == 2
    for needed in ("an update failed at /bot<token>/getFile", "handle_badly", "ValueError", "KeyError", "4711"):
        assert needed in sent
    for secret in (TOKEN, "t" * 35, NAME, str(CHAT), "somebody wrote"):
        assert secret not in sent
    events = [json.loads(envelope.splitlines()[2]) for envelope in Mailbox.envelopes]
    assert all(set(event) <= set(sentry._KEPT) for event in events)
    assert all(not frame.get("vars") for frame in events[0]["exception"]["values"][0]["stacktrace"]["frames"])


def test_what_ends_the_program_is_told(mailbox: HTTPServer) -> None:
    given = settings(sentry_dsn=DSN.format(port=mailbox.server_port))
    configure("INFO")
    with pytest.raises(KeyError), telling_sentry(given):
        handle_badly(NAME, CHAT)
    (envelope,) = Mailbox.envelopes
    assert b'"fatal"' in envelope
    assert NAME.encode() not in envelope


def test_without_a_dsn_nothing_is_loaded_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentry_sdk", None)  # importing it would fail
    before = logging.getLogger().handlers[:]
    with telling_sentry(settings()):
        assert logging.getLogger().handlers == before


def test_missing_extra_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentry, "find_spec", lambda _: None)
    given = settings(sentry_dsn="https://abc@sentry.example.org/1")
    with (
        pytest.raises(StartError, match=r"^SENTRY_DSN: .*-r requirements-extras\.lock\b"),
        telling_sentry(given),
    ):
        pass


@pytest.mark.parametrize("wrong", ["sentry.example.com/1", "https://sentry.example.com/1", "https://abc@host", "x yz"])
def test_wrong_dsn_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(StartError, match=r"^SENTRY_DSN: ") as refused:
        settings(sentry_dsn=wrong)
    assert wrong not in str(refused.value)


def test_same_line_is_told_once_a_minute() -> None:
    now: list[float] = [0.0]
    sent: list[object] = []
    handler = SentryHandler(sent.append, lambda: now[0])
    record = logging.LogRecord("storage.x", logging.ERROR, "x.py", 5, "the database is away", None, None)
    for now[0] in (0.0, 1.0, 59.0, 61.0, 62.0):
        handler.handle(record)
    assert len(sent) == 2
    handler.handle(logging.LogRecord("urllib3.x", logging.ERROR, "y.py", 5, "can't send", None, None))
    assert len(sent) == 2


def test_causes_come_first_as_sentry_wants_them() -> None:
    try:
        handle_badly(NAME, CHAT)
    except KeyError as error:
        record = logging.LogRecord("bot.x", logging.ERROR, "x.py", 1, "failed", None, (KeyError, error, None))
    assert [one["type"] for one in event_of(record)["exception"]["values"]] == ["ValueError", "KeyError"]
