"""Telegram as a rate limiter meets it: a clock in our hands, requests noted, failures on order."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
    TimedOut,
)

from bot.delivery.rate_limiter import (
    Answer,
    Guarantee,
    RateLimiter,
)
from bot.operations.metrics import Metrics
from tests.clock import HandClock

PRIVATE, OTHER, GROUP = 7, 8, -100


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    """An error as the library raises it: with what happened below as its cause."""
    error.__cause__ = cause
    return error


def timed_out(cause: httpx.TimeoutException) -> TelegramError:
    return caused(TimedOut(), cause)


def broken(cause: httpx.HTTPError) -> TelegramError:
    return caused(NetworkError(f"httpx.{type(cause).__name__}: {cause}"), cause)


def unreadable(message: str) -> TelegramError:
    """An answer that is no JSON, such as a gateway's page."""
    return caused(NetworkError(message), TelegramError("Invalid server response"))


NOT_ARRIVED = [
    lambda: broken(httpx.ConnectError("refused")),
    lambda: timed_out(httpx.ConnectTimeout("")),
    lambda: timed_out(httpx.PoolTimeout("")),
    lambda: NetworkError("Bad Gateway"),
    lambda: unreadable("Bad Gateway (502). Parsing the server response b'<html>' failed"),
    lambda: NetworkError("Internal Server Error: restart"),
    lambda: NetworkError("Service Unavailable (503)"),
    lambda: NetworkError("Too Many Requests"),
]
MAYBE_ARRIVED = [
    lambda: timed_out(httpx.ReadTimeout("")),
    lambda: timed_out(httpx.WriteTimeout("")),
    lambda: broken(httpx.ReadError("")),
    lambda: broken(httpx.WriteError("")),
    lambda: broken(httpx.RemoteProtocolError("Server disconnected without sending a response.")),
    lambda: unreadable("Gateway Timeout (504). Parsing the server response b'<html>' failed"),
    lambda: TelegramError("Invalid server response"),
]
FINAL = [
    lambda: BadRequest("Chat not found"),
    lambda: Forbidden("bot was blocked by the user"),
    lambda: InvalidToken("Unauthorized"),
    lambda: Conflict("terminated by other getUpdates request"),
    lambda: NetworkError("Request Entity Too Large"),
    lambda: caused(NetworkError("Unknown error in HTTP implementation"), RuntimeError("not initialized")),
]
Failure = Callable[[], TelegramError]


class Causes(Metrics):
    """Why something was sent again."""

    def __init__(self) -> None:
        self.causes: list[str] = []

    def send_repeated(self, cause: str) -> None:
        self.causes.append(cause)


class Telegram:
    """What a sender sends to: notes each request and its moment, and fails as often as it was told to."""

    def __init__(self, per_second: int = 30) -> None:
        self.clock = HandClock()
        self.metrics = Causes()
        self.sender = RateLimiter(per_second, self.clock, lambda _, longest: longest, self.metrics)
        self.got: list[tuple[str, Any, float]] = []
        self.failures: list[TelegramError | None] = []

    def ask(
        self, endpoint: str, chat: int | str | None = PRIVATE, guarantee: Guarantee | None = None, **data: Any
    ) -> "asyncio.Task[Answer]":
        if chat is not None:
            data["chat_id"] = chat
        return asyncio.create_task(
            self.sender.process_request(self._take, (endpoint, data), {}, endpoint, data, guarantee)
        )

    async def _take(self, endpoint: str, data: dict[str, Any]) -> Answer:
        self.got.append((endpoint, data.get("chat_id"), self.clock.now()))
        await asyncio.sleep(0)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        return {"message_id": len(self.got)}

    def times(self, chat: int | None = None) -> list[float]:
        return [when for _, target, when in self.got if chat in (None, target)]


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most moments that lie in any span of this length."""
    return max(sum(begin <= other < begin + seconds - 1e-6 for other in times) for begin in times)
