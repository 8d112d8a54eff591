"""Sends within Telegram's limits: what it refuses for now waits, what got lost is repeated, a file never comes twice.

Telegram's limits are not documented as numbers that hold; these are the ones it has spoken of, bursts included.
Every request passes here but the fetching of updates and of files.
"""

import logging
import os
import random
import re
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from itertools import islice
from typing import Any

import httpx
from telegram.constants import FloodLimit
from telegram.error import BadRequest, ChatMigrated, NetworkError, RetryAfter, TelegramError
from telegram.ext import BaseRateLimiter

from bot.delivery.backoff import Backoff
from bot.delivery.receipts import with_receipt
from bot.delivery.token_bucket import Allowance, Clock, LoopClock, PausedTooLongError, PriorityQueue, TokenBucket
from bot.errors import MaybeSentError
from bot.operations.metrics import Metrics

# The library's switch to times as timedelta; without it every RetryAfter warns that this will come.
os.environ.setdefault("PTB_TIMEDELTA", "true")

BURST = 7
"""Messages and edits that a private chat may get at once; a scan needs six. After that one a second."""
GROUP_BURST, GROUP_RATE = 5, (FloodLimit.MESSAGES_PER_MINUTE_PER_GROUP - 5) / 60
"""Together not more than the limit in any minute."""
FILLED_AFTER = max(BURST / FloodLimit.MESSAGES_PER_SECOND_PER_CHAT, GROUP_BURST / GROUP_RATE)
"""Seconds without a message after which any chat may get its whole burst again."""
SPARE = 2
"""What optional requests leave for an answer that may come: a picture and its report."""
FILES_SPARE = 1
"""What files leave of the limit over all chats: a short answer finds its place free."""
FILES_AFTER = 30.0
"""Seconds by which a file lets texts go first: they are not to wait behind a hundred pictures."""
BACKGROUND_SPARE = 1
"""The same for what is no answer to somebody who looks at the chat: such an answer finds its place free."""
AFTER_A_FAILURE = Backoff(0.5, 15.0)
"""Before something that failed is tried again."""
PATIENCE = 300.0
"""Seconds for which a request to a chat is tried, and waits; after that its error is raised."""
PATIENCE_WITHOUT_CHAT = {
    "getFile": 60.0,
    "answerCallbackQuery": 10.0,  # Telegram takes no answer later than 15 s after the press
    "setMyCommands": 10.0,
    "setMyDescription": 10.0,
    "setMyShortDescription": 10.0,
}
"""All others, such as getMe, are tried once: who starts the bot decides how often that is tried."""
DOUBTFUL_TEXTS = 2
"""How often a text is repeated that may have arrived: seen twice it does no harm, missing it would.

After that its error is raised: Telegram does not answer at all for now, and who sends may try again later.
"""

_FAILURE = re.compile(
    "|".join(
        status.phrase
        for status in HTTPStatus
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status is HTTPStatus.TOO_MANY_REQUESTS
    )
)
"""The library keeps an answer's phrase and drops its number; 413 and the like come as the same class."""

Answer = bool | dict[str, Any] | list[dict[str, Any]]
_log = logging.getLogger(__name__)


leaving: ContextVar[Callable[[], Coroutine[Any, Any, None]] | None] = ContextVar("leaving", default=None)
"""Awaited when a file is on the point of leaving, after all waiting."""


class Guarantee(Enum):
    """What matters most for a request; given to a method as ``rate_limit_args``, else told by the method."""

    AT_LEAST_ONCE = "at least once"
    """Repeated although it may have arrived. Texts are such, and what changes nothing when it is done twice."""
    AT_MOST_ONCE = "at most once"
    """Never repeated when it may have arrived: MaybeSentError is raised. Files are such."""
    BEST_EFFORT = "best effort"
    """Left out when it would have to wait, and tried once; for methods whose answer may be True, such as edits."""


class Priority(Enum):
    """What goes first when Telegram's limits make things wait."""

    ANSWER = "answer"
    """Somebody asked, and looks at the chat."""
    PICTURE = "picture"
    """About a picture, whose answer takes a while anyway."""
    GROUP = "group"
    """In a group, where nobody waits for us."""

    @property
    def lets_go_first(self) -> float:
        """Seconds by which it lets what is more urgent go first, at most; so it does not wait for ever.

        More than it takes to send all that may wait at once of its kind: 500 pictures bring a text each. Were it less,
        the oldest of a flood would be due before an answer that has just come.
        """
        return {Priority.ANSWER: 0.0, Priority.PICTURE: FILES_AFTER, Priority.GROUP: 8 * FILES_AFTER}[self]


priority: ContextVar[Priority] = ContextVar("priority", default=Priority.ANSWER)
"""That of all that is sent while one update is handled; set by whoever hands the update to its handler."""


lend_slot: ContextVar[Callable[[], AbstractAsyncContextManager[None]]] = ContextVar("lend_slot", default=nullcontext)
"""Gives up, while a request waits for its turn and for Telegram, what whoever sends it holds from others."""


class RequestOutcome(Enum):
    """What an error tells of the request."""

    REFUSED = "refused"
    """It will be refused again."""
    NOTHING_DONE = "nothing done"
    """It did not arrive, or Telegram says that it failed to handle it."""
    UNKNOWN = "unknown"
    """It may have taken effect."""


def request_outcome(error: TelegramError) -> RequestOutcome:
    """Read an error of the library by what caused it: its classes alone don't tell these apart."""
    cause = error.__cause__
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return RequestOutcome.NOTHING_DONE
    if isinstance(cause, httpx.HTTPError) or type(error) is TelegramError:  # the latter: a 200 that can't be read
        return RequestOutcome.UNKNOWN
    if type(error) is NetworkError and (failure := _FAILURE.search(error.message)):
        # A gateway that gave up waiting does not know what became of the request.
        timed_out = failure[0] == HTTPStatus.GATEWAY_TIMEOUT.phrase
        return RequestOutcome.UNKNOWN if timed_out else RequestOutcome.NOTHING_DONE
    return RequestOutcome.REFUSED


@dataclass(slots=True)
class _Request:
    endpoint: str
    data: dict[str, Any]
    guarantee: Guarantee
    priority: Priority
    began: float
    doubts: int = 0
    """How many times it may have arrived without our knowing."""
    failures: int = 0
    migrated: bool = False

    @property
    def key(self) -> int | str:
        """Whose allowance it uses: the chat's, or that of all requests of this name."""
        chat_id: int | str = self.data.get("chat_id", self.endpoint)
        with suppress(ValueError):
            chat_id = int(chat_id)
        return chat_id

    @property
    def cost(self) -> int:
        """Messages that it counts as: an edit is one, a chat action or a deletion none."""
        if self.endpoint == "sendChatAction" or "chat_id" not in self.data:
            return 0
        media = self.data.get("media")
        if self.endpoint.startswith("send") and isinstance(media, list | tuple):
            return len(media)
        return int(self.endpoint.startswith(("send", "edit", "copy", "forward")))

    @property
    def due(self) -> float:
        if self.guarantee is Guarantee.AT_MOST_ONCE:
            return self.began + FILES_AFTER
        return self.began + self.priority.lets_go_first

    @property
    def spare(self) -> int:
        """What it leaves of the limit over all chats."""
        if self.guarantee is Guarantee.AT_MOST_ONCE:
            return FILES_SPARE
        return 0 if self.priority is Priority.ANSWER else BACKGROUND_SPARE

    @property
    def latest(self) -> float:
        """When patience ends."""
        if self.guarantee is Guarantee.BEST_EFFORT:
            return self.began
        return self.began + (PATIENCE if "chat_id" in self.data else PATIENCE_WITHOUT_CHAT.get(self.endpoint, 0.0))

    @property
    def is_doubtful_enough(self) -> bool:
        """Whether it may have arrived so many times that it is not to be repeated now."""
        return self.endpoint == "sendMessage" and self.doubts > DOUBTFUL_TEXTS

    def has_its_effect(self, error: BadRequest) -> bool:
        """Whether the refusal says that everything is as wanted already."""
        words = error.message.lower()
        if self.endpoint.startswith("edit"):
            return "not modified" in words
        return self.endpoint == "deleteMessage" and self.doubts > 0 and "not found" in words


def guarantee_of(endpoint: str) -> Guarantee:
    """What matters most when the caller says nothing."""
    if endpoint == "sendChatAction":
        return Guarantee.BEST_EFFORT
    makes_messages = endpoint.startswith(("send", "copy", "forward"))
    return Guarantee.AT_MOST_ONCE if makes_messages and endpoint != "sendMessage" else Guarantee.AT_LEAST_ONCE


class _Chat:
    """What one chat may still get."""

    def __init__(self, key: int | str, clock: Clock) -> None:
        private = isinstance(key, int) and key > 0
        self._bucket = TokenBucket(BURST, FloodLimit.MESSAGES_PER_SECOND_PER_CHAT) if private else group_bucket()
        self._clock = clock
        self.queue = PriorityQueue(self._bucket, clock)

    def passes_at_once(self, cost: int) -> bool:
        """Whether an optional request may go without waiting."""
        return self.queue.is_idle and self._bucket.has(self._clock.now(), cost + SPARE)

    def spend(self, cost: int) -> None:
        self._bucket.spend(self._clock.now(), cost)

    def pause(self, seconds: float) -> None:
        self._bucket.begin_anew(self.queue.pause(seconds))

    @property
    def is_idle(self) -> bool:
        """Whether a new one would be just the same; one that is paused or waited for has no full bucket."""
        return self._bucket.left(self._clock.now()) >= self._bucket.burst


def group_bucket() -> TokenBucket:
    """The allowance of a group or channel."""
    return TokenBucket(GROUP_BURST, GROUP_RATE)


def overall_bucket(per_second: int) -> TokenBucket:
    """The allowance over all chats: the burst and what comes after it stay within the limit together."""
    burst = max(1 + SPARE + FILES_SPARE, per_second // 4)
    return TokenBucket(burst, max(per_second - burst, per_second / 2))


class RateLimiter(BaseRateLimiter[Guarantee]):
    """Limits for each chat and over all, pauses that Telegram asks for, and repetition.

    ``per_second`` is Telegram's limit over all chats, unless ``overall`` keeps that. A request raises: RetryAfter when
    Telegram asks for more patience than there is; MaybeSentError when it is unknown whether a message was sent and it
    is not to come twice; else what the library raises. An edit that changes nothing is no error.
    """

    def __init__(
        self,
        per_second: int = FloodLimit.MESSAGES_PER_SECOND,
        clock: Clock | None = None,
        uniform: Callable[[float, float], float] | None = None,
        metrics: Metrics | None = None,
        overall: Allowance | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._clock = clock or LoopClock()
        self._uniform = uniform or random.SystemRandom().uniform
        self._overall = PriorityQueue(overall or overall_bucket(per_second), self._clock)
        self._chats: OrderedDict[int | str, _Chat] = OrderedDict()

    @property
    def chats(self) -> int:
        """How many chats are remembered: those that got something in the last seconds."""
        return len(self._chats)

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
        data: dict[str, Any],
        rate_limit_args: Guarantee | None,
    ) -> Answer:
        """Send a request when its turn has come, as often as its guarantee allows."""
        request = _Request(endpoint, data, rate_limit_args or guarantee_of(endpoint), priority.get(), self._clock.now())
        send = with_receipt(callback, endpoint, data)
        if not callable(send):
            return send
        async with lend_slot.get()():
            return await self._send(request, send, args, kwargs)

    async def _send(
        self,
        request: _Request,
        callback: Callable[..., Coroutine[Any, Any, Answer]],
        args: Any,
        kwargs: dict[str, Any],
    ) -> Answer:
        while await self._admit(request):
            try:
                if request.guarantee is Guarantee.AT_MOST_ONCE and (note := leaving.get()):
                    await note()
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                if self._pause_chat(request, error):
                    raise
            except ChatMigrated as error:
                if request.migrated:
                    raise
                request.migrated, request.data["chat_id"] = True, error.new_chat_id
            except TelegramError as error:
                if isinstance(error, BadRequest) and request.has_its_effect(error):
                    break
                pause = self._pause(request, error)
                if pause is None:
                    raise
                await self._clock.sleep(pause)
        return True

    async def _admit(self, request: _Request) -> bool:
        """Wait for the request's turn; False when it is left out."""
        cost = request.cost
        if request.guarantee is Guarantee.BEST_EFFORT:
            return await self._pass_at_once(request, cost)
        try:
            while True:
                queue = self._chat(request.key).queue
                if not cost:
                    await queue.wait_until_open(request.latest)
                    return True
                await queue.acquire(request.due, request.latest, cost)
                await self._overall.acquire(request.due, request.latest, cost, request.spare)
                if not self._chat(request.key).queue.paused_for:  # by another request to this chat, in the meantime
                    return True
        except PausedTooLongError as error:
            raise RetryAfter(timedelta(seconds=error.seconds)) from None

    async def _pass_at_once(self, request: _Request, cost: int) -> bool:
        chat = self._chat(request.key)
        if not chat.passes_at_once(cost) or not await self._overall.pass_at_once(cost, SPARE + FILES_SPARE):
            return False
        chat.spend(cost)
        return True

    def _pause_chat(self, request: _Request, error: RetryAfter) -> bool:
        """Let this chat alone wait; True when the request's patience does not last so long."""
        asked = error.retry_after
        seconds = asked.total_seconds() if isinstance(asked, timedelta) else float(asked)
        self._chat(request.key).pause(seconds)
        self._metrics.send_repeated("limit")
        _log.info("%s: Telegram asks for a pause of %.0f s in this chat", request.endpoint, seconds)
        return self._clock.now() + seconds > request.latest

    def _pause(self, request: _Request, error: TelegramError) -> float | None:
        """Seconds until the next try; None when there is to be none. Raises MaybeSentError."""
        outcome = request_outcome(error)
        if outcome is RequestOutcome.REFUSED:
            return None
        if outcome is RequestOutcome.UNKNOWN:
            if request.guarantee is Guarantee.AT_MOST_ONCE:
                raise MaybeSentError(request.endpoint) from error
            request.doubts += 1
            if request.is_doubtful_enough:
                return None
        pause = AFTER_A_FAILURE.pause(request.failures, self._uniform)
        request.failures += 1
        if self._clock.now() + pause > request.latest:
            return None
        self._metrics.send_repeated("failure")
        _log.info("%s failed (%s), trying again in %.1f s", request.endpoint, error, pause)
        return pause

    def _chat(self, key: int | str) -> _Chat:
        """What this chat may get; on the way the two that were asked for longest ago are forgotten if idle."""
        chat = self._chats.get(key)
        if chat is None:
            for oldest in list(islice(self._chats, 2)):
                if self._chats[oldest].is_idle:
                    del self._chats[oldest]
                else:
                    self._chats.move_to_end(oldest)
            chat = self._chats[key] = _Chat(key, self._clock)
        return chat
