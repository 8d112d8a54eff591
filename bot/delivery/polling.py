"""Fetching updates by long polling: one is confirmed only when it is kept, and the fetching never ends in silence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from telegram import Bot, Update
from telegram.constants import PollingLimit
from telegram.error import Conflict, EndPointNotFound, InvalidToken, RetryAfter, TelegramError

from bot.delivery.backoff import Backoff
from bot.delivery.raw_update import Raw, UnparsableUpdate, read
from bot.delivery.shutdown import Shutdown
from bot.delivery.storage_health import Apology, StorageHealth
from bot.errors import StartError
from bot.operations.metrics import Metrics
from storage.errors import StorageDownError

_log = logging.getLogger(__name__)
TOKEN_REFUSED = "TELEGRAM_BOT_TOKEN is refused by Telegram: copy it whole from @BotFather into .env"  # noqa: S105
TOKEN_SHARED = (
    "TELEGRAM_BOT_TOKEN: another program fetches updates with this token, or has set a webhook for it: "  # noqa: S105
    "stop that program, or get a token of its own for this one"
)
SENIORITY = 20.0
"""Seconds of patience in a contest for each second of peace before it. Who has just come hears of the contest only
when the other one tries again, ``contest_pause`` later; that must not make it look like the elder one."""


@dataclass(frozen=True, slots=True)
class PollingTimeouts:
    """How long to wait for what, in seconds."""

    poll: int = 10
    """How long Telegram may hold a request back until something happens."""
    silence: float = 15.0
    """How much longer an answer may take than that."""
    hang: float = 60.0
    """After this time a poll that neither answers nor fails is given up."""
    after_failure: Backoff = Backoff(1.0, 30.0)  # noqa: RUF009 - frozen
    contest_pause: float = 0.5
    quiet: float = 30.0
    """A contest for the token is over when nothing was heard of it for so long."""
    newcomer: float = 10.0
    """How long a contest may go on for a bot that has just started: one that is being replaced leaves by then."""
    incumbent: float = 60.0
    """The same for one that has long polled in peace: whoever was started by mistake gives up first."""
    webhook_check: float = 30.0
    """Between two checks whether the webhook's server still answers."""


class Poller:
    """Fetches updates and gives all of an answer to ``keep``; whatever that does not keep, Telegram sends again.

    ``apology`` tells a chat that its update can't be kept just now.
    """

    def __init__(
        self,
        bot: Bot,
        keep: Callable[[Sequence[Update | UnparsableUpdate]], Awaitable[None]],
        apology: Apology,
        storage: StorageHealth,
        kinds: Sequence[str],
        timeouts: PollingTimeouts | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._bot, self._storage, self._kinds = bot, storage, kinds
        self._keep, self._apology = keep, apology
        self._timeouts = timeouts or PollingTimeouts()
        self._metrics = metrics or Metrics()
        self._offset: int | None = None
        self._failures = 0
        self._contest = TokenConflict(self._timeouts)

    async def run(self) -> None:
        """Fetch until cancelled. Raises StartError when the token is refused, or is used by another program too."""
        self._contest.begin(asyncio.get_running_loop().time())
        while True:
            pause = await self._round()
            self._metrics.fetched(answered=not pause)
            if pause:
                await asyncio.sleep(pause)
            if not self._storage.is_well:
                await self._storage.mended()

    async def confirm(self, within: float) -> None:
        """Tell Telegram what is kept, as the last thing; otherwise it comes again, which does no harm."""
        if self._offset is None:
            return
        try:
            async with asyncio.timeout(within):
                await self._ask(limit=1, wait=0)
        except (TelegramError, TimeoutError) as error:
            _log.info("the last updates could not be confirmed (%s): they come again", type(error).__name__)

    async def _round(self) -> float:
        """Ask once, keep what comes; returns the seconds to wait before asking again."""
        try:
            async with asyncio.timeout(self._timeouts.hang):
                news = await self._ask(limit=PollingLimit.MAX_LIMIT, wait=self._timeouts.poll)
                self._answered()
                await self._keep_all([read(raw, self._bot) for raw in news])
        except Conflict:
            return self._contest.go_on(asyncio.get_running_loop().time())
        except (InvalidToken, EndPointNotFound):  # what the library makes of a 404
            raise StartError(TOKEN_REFUSED) from None
        except RetryAfter as error:
            return seconds_of(error.retry_after)
        except (TelegramError, TimeoutError) as error:
            return self._failed(error)
        return 0.0

    async def _ask(self, limit: int, wait: int) -> Sequence[Raw]:
        """Updates as they come: the library's own method refuses all of them when it can't read one."""
        asked = {"offset": self._offset, "limit": limit, "timeout": wait, "allowed_updates": list(self._kinds)}
        # Spelt so because the library warns of names for which it has a method; it makes getUpdates of this one.
        news: Any = await self._bot.do_api_request(
            "get_Updates",
            api_kwargs={name: value for name, value in asked.items() if value is not None},
            read_timeout=wait + self._timeouts.silence,
        )
        return news if isinstance(news, list) else ()

    async def _keep_all(self, updates: Sequence[Update | UnparsableUpdate]) -> None:
        if not updates:
            self._storage.nothing_failed()
            return
        with suppress(StorageDownError):  # said already; run() waits until that is mended
            await self._storage.keep(self._keep(updates), updates, self._apology)
            # The next request confirms them to Telegram, which forgets them then: not before they are kept.
            self._offset = updates[-1].update_id + 1

    def _answered(self) -> None:
        if self._failures:
            _log.warning("fetching updates works again")
            self._failures = 0

    def _failed(self, error: Exception) -> float:
        pause = self._timeouts.after_failure.pause(self._failures)
        self._failures += 1
        reason = error if isinstance(error, TelegramError) else f"nothing came for {self._timeouts.hang:.0f} s"
        _log.warning("fetching updates failed, trying again in %.0f s: %s", pause, reason)
        return pause


class TokenConflict:
    """Two programs that fetch with one token throw each other out, again and again; one of them has to leave."""

    def __init__(self, timeouts: PollingTimeouts) -> None:
        self._timeouts = timeouts
        self._peace_since = self._began = self._last = float("-inf")
        self._patience = 0.0

    def begin(self, now: float) -> None:
        """From this moment on this program fetches."""
        self._peace_since = now

    def go_on(self, now: float) -> float:
        """We were thrown out: returns the seconds to wait. Raises StartError when that has gone on for too long."""
        if now - self._last > self._timeouts.quiet:
            in_peace = now - max(self._peace_since, self._last)
            self._patience = min(self._timeouts.incumbent, self._timeouts.newcomer + SENIORITY * in_peace)
            self._began = now
            _log.warning(
                "TELEGRAM_BOT_TOKEN: another program fetches updates with this token; "
                "if that goes on for %.0f s, this one ends",
                self._patience,
            )
        self._last = now
        if now - self._began >= self._patience:
            raise StartError(TOKEN_SHARED)
        return self._timeouts.contest_pause


async def kept_fetching(poller: Poller, shutdown: Shutdown, pause: float = 1.0) -> None:
    """Run the poller until cancelled; one that dies of a mistake of ours is started again, and said in the log."""
    while True:
        run = asyncio.create_task(poller.run(), name="poller")
        try:
            await asyncio.wait({run})
        finally:
            run.cancel()
        error = run.exception()
        if isinstance(error, StartError):
            shutdown.fail(error)
            return
        _log.error("the fetching of updates died: starting it again", exc_info=error)
        await asyncio.sleep(pause)


def seconds_of(pause: int | timedelta) -> float:
    """A pause as the library gives it, in seconds."""
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)
