"""When Telegram says "slow down": the request that was refused waits as long as it is told, and no other."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from telegram.error import RetryAfter
from telegram.ext import BaseRateLimiter

# The library's switch to times as timedelta; without it every RetryAfter warns that this will come.
os.environ.setdefault("PTB_TIMEDELTA", "true")

LONGEST = timedelta(minutes=2)
"""All pauses of one request together; after that its error is raised."""
NOT_WORTH_WAITING = frozenset({"sendChatAction"})
Answer = bool | dict[str, Any] | list[dict[str, Any]]


class Patience(BaseRateLimiter[None]):
    """Obeys RetryAfter."""

    async def initialize(self) -> None:
        """Nothing to set up."""

    async def shutdown(self) -> None:
        """Nothing to take down."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, Answer]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],  # noqa: ARG002 - the library's signature
        rate_limit_args: None,  # noqa: ARG002 - the library's signature
    ) -> Answer:
        """Send a request, again after each pause that Telegram asks for."""
        waited = timedelta()
        while True:
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                pause = _as_timedelta(error.retry_after)
                waited += pause
                if waited > LONGEST or endpoint in NOT_WORTH_WAITING:
                    raise
                await asyncio.sleep(pause.total_seconds())


def _as_timedelta(pause: int | timedelta) -> timedelta:
    return pause if isinstance(pause, timedelta) else timedelta(seconds=pause)
