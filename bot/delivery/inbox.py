"""Nothing is lost: an update is kept before Telegram is told that it came, and worked on until it is answered.

What can't be closed is one gap: an answer that was sent, when the process is killed before its receipt is noted.
Pictures and PDFs are noted just before they leave, so one of which nobody knows whether it came is not sent again, but
offered. A status message in the gap stays in the chat, and an ordinary text is sent again when the kill comes before
its update is marked as done, a few milliseconds later.
"""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from inspect import iscoroutine
from typing import Any

from telegram import Update
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application

from bot.delivery.background import running_in_background
from bot.delivery.storage_health import StorageHealth
from bot.errors import MaybeSentError, UserFacingError
from inference.workers.executor import ExecutorError, NotRunningError
from storage.errors import StorageDownError, UnknownPersonError, UnknownScanError
from storage.inbox import Attempt, Inbox, PendingUpdate

MOST_ATTEMPTS = 3
"""An update whose handler fails so often is set aside."""
SHORT_PAUSE = 0.5
"""Seconds before the second attempt; the third waits twice as long."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before going on after what is not the update's fault, such as a network that is away: doubled each time."""
PATIENCE = timedelta(days=1)
"""After so long of that it is set aside all the same."""
COMPANY_KILLS = 3
"""What was working among others when that many processes ended is handled alone, to see whether it is the cause."""
BLAMED_FOR = 1.0
"""Seconds after which a handler is taken to wait for the network: what would end the process does so sooner."""
ALONE = 1.5
"""Seconds after the start for which others wait while such updates are handled one by one; then all go on together."""
DONE_KEPT, SET_ASIDE_KEPT = timedelta(days=2), timedelta(days=30)
"""Telegram delivers nothing again after a day."""
TIDY_EVERY = 3600.0
LONGEST_TRACEBACK = 20_000
_log = logging.getLogger(__name__)


STATUS, REFUSAL, RED_FLAG = "status", "refusal", "red flag"
"""Steps of a journey that have no scan yet to be recorded with."""


class KilledError(Exception):
    """The process ended during each attempt to handle an update."""

    def __init__(self) -> None:
        super().__init__(f"the process ended during each of {MOST_ATTEMPTS} attempts")


class Blame(Enum):
    """What an error says about the update in work."""

    ANSWERED = "answered"
    """It would end the same way again: the person is told, and that is all."""
    ELSEWHERE = "elsewhere"
    """Something is out of order that will be mended: it waits and is not counted."""
    HERE = "here"
    """A fault of ours that this update brings to light."""


ELSEWHERE = (NetworkError, RetryAfter, StorageDownError, NotRunningError)
"""What will be mended: the network, Telegram's patience, the database, workers that have not started yet."""


def blame(error: BaseException) -> Blame:
    """Read an error that a handler let through."""
    final = (UserFacingError, BadRequest, Forbidden, InvalidToken, MaybeSentError, ExecutorError)
    if isinstance(error, (*final, UnknownPersonError, UnknownScanError)):
        return Blame.ANSWERED
    return Blame.ELSEWHERE if isinstance(error, ELSEWHERE) else Blame.HERE


class DurableQueue(asyncio.Queue[object]):
    """Where the library puts updates: ``put`` returns when one is on the disk, and only then is it confirmed.

    One that is known already is passed over. Raises StorageDownError when it can't be kept; it is then not confirmed.
    After the library's sign that it takes nothing more, what comes is kept for the next start and not queued up: the
    library waits until the queue is worked off, and that would be for ever.
    """

    def __init__(self, rows: Inbox) -> None:
        super().__init__()
        self._rows = rows
        self._at_an_end = False

    async def put(self, item: object) -> None:
        """Keep an update and queue it up, both or neither, even if the caller is cancelled meanwhile."""
        if isinstance(item, Update):
            await asyncio.shield(self._keep(item))
        else:  # the library puts nothing else but that sign
            self._at_an_end = True
            await super().put(item)

    async def _keep(self, update: Update) -> None:
        chat = update.effective_chat
        fresh = await self._rows.put(update.update_id, chat.id if chat else None, update.to_json())
        if fresh and not self._at_an_end:
            self.put_nowait(update)


class Delivery:
    """An update in its handler's hands, with the others of its album: which is in work, and what was sent for each."""

    def __init__(self, update_id: int, rows: Inbox | None = None) -> None:
        self.update_id = self.current = update_id
        self.members: tuple[int, ...] = (update_id,)
        self.turned_away = False
        """There were too many before it: its sender is to be told, and nothing else."""
        self.failed = self.failed_elsewhere = 0
        """Attempts; the latter were not its fault, and are counted in this process alone."""
        self.error: Exception | None = None
        self.deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        self._rows = rows
        self._sent: dict[int, dict[str, int]] = {}
        self._resting = False

    def sent(self, update_id: int | None = None) -> Mapping[str, int]:
        """What has been sent for an update: step -> message id."""
        return self._sent.get(self.update_id if update_id is None else update_id, {})

    @property
    def status(self) -> int | None:
        """The status message, by whichever update of the album it was sent."""
        return next((sent[STATUS] for sent in self._sent.values() if STATUS in sent), None)

    async def begin(self) -> bool:
        """Note that the handler begins; False when the update is finished. Raises KilledError."""
        if self._rows is None:
            return True
        return self._begun(self.update_id, await self._rows.begin(self.update_id))

    async def gather(self, update_ids: tuple[int, ...]) -> None:
        """Take note of the whole album, and of what earlier attempts have sent for it."""
        self.members = update_ids
        if self._rows is not None and len(update_ids) > 1:
            for update_id, messages in (await self._rows.recorded(*update_ids)).items():
                self._sent.setdefault(update_id, {}).update(messages)

    async def take_up(self, update_id: int) -> bool:
        """Go on with an update of the album; False when that one is finished. Raises KilledError."""
        if self._rows is None or (update_id == self.current and not self._resting):
            return True
        if update_id == self.current:
            return self._begun(update_id, await self._rows.begin(update_id))
        return self._begun(update_id, await self._rows.move_on(self.current, update_id))

    def _begun(self, update_id: int, attempt: Attempt | None) -> bool:
        if attempt is None:
            return False
        self.current, self.failed, self._resting = update_id, attempt.failed, False
        self._sent.setdefault(update_id, {}).update(attempt.messages)
        if attempt.failed >= MOST_ATTEMPTS:
            raise KilledError
        return True

    async def rest(self) -> None:
        """What is in work only waits from now on, until it is taken up again."""
        if self._rows is not None and not self._resting:
            self._resting = True
            await self._rows.rest(self.current)

    async def rest_soon(self) -> None:
        """Rest whenever something has been in work for so long that it must be waiting, until cancelled."""
        while True:
            current = self.current
            await asyncio.sleep(BLAMED_FOR)
            if current == self.current:
                with suppress(StorageDownError):
                    await self.rest()

    async def record(self, step: str, message_id: int, update_id: int | None = None) -> None:
        """Note which message a step has become, so that a further attempt edits it or leaves it."""
        update_id = self.update_id if update_id is None else update_id
        self._sent.setdefault(update_id, {})[step] = message_id
        if self._rows is not None:
            await self._rows.record(update_id, step, message_id)


class Deliveries:
    """Everything between the receipt of an update and its end."""

    def __init__(self, rows: Inbox, storage: StorageHealth) -> None:
        self.rows = rows
        self.queue = DurableQueue(rows)
        self._storage = storage
        self._application: Application[Any, Any, Any, Any, Any, Any] | None = None
        self._in_work: dict[int, Delivery] = {}
        self._taken_in: set[int] = set()
        self._suspects: set[int] = set()
        self._one_suspect = asyncio.Semaphore(1)
        self._open = asyncio.Event()
        self._open.set()

    def attend(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Say who handles the updates."""
        self._application = application

    @property
    def application(self) -> Application[Any, Any, Any, Any, Any, Any]:
        """Who handles the updates."""
        if self._application is None:
            raise RuntimeError("nobody attends to the deliveries")
        return self._application

    async def refill(self) -> None:
        """At the start: queue up what the process before has left, oldest first."""
        left = await self.rows.recover()
        if left:
            _log.info("%d updates were left unfinished: they come first", len(left))
        self._suspects = {kept.update_id for kept in left if kept.attempts or kept.kills >= COMPANY_KILLS}
        if self._suspects:
            self._open.clear()
            asyncio.get_running_loop().call_later(ALONE, self._let_all_in)
        for kept in left:
            await self._queue_up(kept)

    async def release(self, chat_id: int) -> int:
        """Queue up what was held for this chat; returns how many updates that is."""
        released = await self.rows.release(chat_id)
        for kept in released:
            await self._queue_up(kept)
        return len(released)

    async def _queue_up(self, kept: PendingUpdate) -> None:
        try:
            update = Update.de_json(json.loads(kept.payload), self.application.bot)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # written by another version of the library
            _log.error("update %s can't be read any more and is set aside", kept.update_id)
            await self.rows.set_aside(kept.update_id, _traceback(error))
            self._clear(kept.update_id)
        else:
            self._taken_in.add(kept.update_id)
            self.queue.put_nowait(update)

    def was_taken_in(self, update: Update) -> bool:
        """Whether it was once promised that this update will be handled."""
        return update.update_id in self._taken_in

    def of(self, update: Update | None) -> Delivery:
        """The delivery of an update; for one that did not come through the queue, one that keeps nothing."""
        update_id = update.update_id if update else 0
        return self._in_work.get(update_id) or Delivery(update_id)

    def failed(self, update: object, error: Exception) -> bool:
        """Note that a handler failed; True when the update will be handled again, so that there is nothing to tell."""
        delivery = self._in_work.get(update.update_id) if isinstance(update, Update) else None
        if delivery is None:
            return False
        delivery.error = error
        return self._again(delivery, error)

    def sets_aside(self, update: object, error: Exception) -> bool:
        """Whether an update that came through the queue is kept for the operator because of this error."""
        return isinstance(update, Update) and update.update_id in self._in_work and blame(error) is not Blame.ANSWERED

    @asynccontextmanager
    async def in_turn(self, update: Update) -> AsyncIterator[None]:
        """Wait while a suspect is handled alone; a suspect waits for its own time alone."""
        if update.update_id not in self._suspects:
            await self._open.wait()
            yield
            return
        async with self._one_suspect:
            try:
                yield
            finally:
                self._clear(update.update_id)

    def _clear(self, update_id: int) -> None:
        self._suspects.discard(update_id)
        if not self._suspects:
            self._let_all_in()

    def _let_all_in(self) -> None:
        self._open.set()
        for _ in self._suspects:
            self._one_suspect.release()

    async def handle(
        self,
        update: Update,
        coroutine: Awaitable[Any],
        *,
        place: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
        is_wanted: Callable[[], bool] = lambda: True,
        turned_away: bool = False,
    ) -> None:
        """Handle an update until it is answered, set aside, or not wanted any more.

        ``coroutine`` is the first go at it; each go needs a ``place``.
        """
        delivery = self._in_work[update.update_id] = Delivery(update.update_id, self.rows)
        delivery.turned_away = turned_away
        try:
            while is_wanted():
                async with place():
                    pause = await self._go(update, delivery, coroutine)
                if pause is None:
                    return
                await asyncio.sleep(pause)
                coroutine = self.application.process_update(update)
            await self._storage.persist(lambda: self.rows.done(*delivery.members))
        finally:
            leave_out(coroutine)
            self._taken_in.discard(update.update_id)
            if self._in_work.get(update.update_id) is delivery:
                del self._in_work[update.update_id]

    async def _go(self, update: Update, delivery: Delivery, coroutine: Awaitable[Any]) -> float | None:
        """One go at an update; returns the seconds until the next one, None when it has come to its end."""
        delivery.error = None
        try:
            if not await self._storage.persist(delivery.begin):
                return None
            async with running_in_background(delivery.rest_soon()):
                await coroutine
        except KilledError as error:
            await self.application.process_error(update, error)
        except asyncio.CancelledError:
            with suppress(StorageDownError):
                await delivery.rest()
            raise
        pause: float | None = await self._storage.persist(lambda: self._end_of(delivery))
        return pause

    async def _end_of(self, delivery: Delivery) -> float | None:
        error, current = delivery.error, delivery.current
        if error is None:
            await self.rows.done(*delivery.members)
            return None
        if self._again(delivery, error):
            if blame(error) is Blame.HERE:
                return SHORT_PAUSE * await self.rows.fail(current)
            await delivery.rest()
            delivery.failed_elsewhere += 1
            return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (delivery.failed_elsewhere - 1))
        if blame(error) is Blame.ANSWERED:
            await self.rows.done(current)
        else:
            await self.rows.set_aside(current, _traceback(error))
        # The others of its album go on without it, led by this one or, if it was the leader, by the next.
        return None if current == delivery.update_id else 0.0

    def _again(self, delivery: Delivery, error: Exception) -> bool:
        if blame(error) is Blame.HERE:
            return delivery.failed + 1 < MOST_ATTEMPTS
        return blame(error) is Blame.ELSEWHERE and asyncio.get_running_loop().time() < delivery.deadline

    async def keep_tidy(self) -> None:
        """Forget, every hour, what was finished long ago."""
        while True:
            now = datetime.now(UTC)
            with suppress(StorageDownError):
                await self.rows.prune(now - DONE_KEPT, now - SET_ASIDE_KEPT)
            await asyncio.sleep(TIDY_EVERY)


def leave_out(coroutine: Awaitable[Any]) -> None:
    """Drop a handler that is not to run; nothing happens to one that has run."""
    if iscoroutine(coroutine):
        coroutine.close()


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
