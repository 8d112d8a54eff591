"""Nothing is lost: an update is kept before Telegram is told that it came, and handled until it is answered.

What can't be closed is one gap: an answer that was sent, when the process is killed before its receipt is noted.
Pictures and PDFs are noted just before they leave, so one of which nobody knows whether it came is not sent again, but
offered. A status message in the gap stays in the chat, and an ordinary text is sent again when the kill comes before
its update is marked as done, a few milliseconds later.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from enum import Enum
from inspect import iscoroutine
from typing import Any

from telegram import Update
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application

from bot.delivery.background import running_in_background
from bot.delivery.backoff import Backoff
from bot.delivery.raw_update import UnparsableUpdate, as_received, brings_picture, message_of, traceback_of
from bot.delivery.storage_health import StorageHealth
from bot.errors import MaybeSentError, UserFacingError
from inference.workers.executor import ExecutorError, NotRunningError
from storage.database import Database
from storage.errors import StorageDownError, UnknownPersonError, UnknownScanError
from storage.inbox import Attempt, Inbox, PendingUpdate

MOST_ATTEMPTS = 3
"""An update whose handler fails so often becomes a dead letter."""
AFTER_A_BUG = Backoff(0.5, 2.0)
"""Before the next attempt after a mistake of ours."""
AFTER_TROUBLE = Backoff(1.0, 60.0)
"""Before going on after what is not the update's fault, such as a network that is away."""
PATIENCE = timedelta(days=1)
"""After so long of that it becomes a dead letter all the same."""
KILLS_TO_QUARANTINE = 3
"""What was in work among others when that many processes ended is handled alone, to see whether it is the cause."""
PARK_AFTER = 1.0
"""Seconds after which a handler is taken to wait for the network: what would end the process does so sooner."""
QUARANTINE_FOR = 1.5
"""Seconds after the start for which others wait while such updates are handled one by one; then all go on together."""
CONSENT_WAIT = timedelta(days=7)
"""For so long what somebody sent waits for their yes."""
MOST_COMMANDS_OF_CHAT = 30
"""Texts and presses of one chat that may wait; Telegram lets us answer one a second. Those beyond share one answer."""
DONE_KEPT, DEAD_KEPT = timedelta(days=2), timedelta(days=30)
"""Telegram delivers nothing again after a day."""
TIDY_EVERY = 3600.0
_log = logging.getLogger(__name__)


STATUS, REFUSAL, RED_FLAG = "status", "refusal", "red flag"
"""Steps of a journey that have no scan yet to be recorded with."""


class KilledError(Exception):
    """The process ended during each attempt to handle an update."""

    def __init__(self) -> None:
        super().__init__(f"the process ended during each of {MOST_ATTEMPTS} attempts")


class ErrorClass(Enum):
    """What an error says about the update in work."""

    FINAL = "final"
    """It would end the same way again: the person is told, and that is all."""
    TRANSIENT = "transient"
    """Something is out of order that will be mended: the update waits, and the attempt is not counted."""
    BUG = "bug"
    """A fault of ours that this update brings to light."""


TRANSIENT = (NetworkError, RetryAfter, InvalidToken, StorageDownError, NotRunningError)
"""What will be mended: the network, Telegram's patience, a token that was taken back, the database, the workers."""


def classify(error: BaseException) -> ErrorClass:
    """Read an error that a handler let through."""
    final = (UserFacingError, BadRequest, Forbidden, MaybeSentError, ExecutorError)
    if isinstance(error, (*final, UnknownPersonError, UnknownScanError)):
        return ErrorClass.FINAL
    return ErrorClass.TRANSIENT if isinstance(error, TRANSIENT) else ErrorClass.BUG


class DurableQueue(asyncio.Queue[object]):
    """Where updates wait for their handlers: ``put`` returns when they are on the disk; only then are they confirmed.

    One that is known already is passed over. Raises StorageDownError when nothing can be kept; nothing is then to be
    confirmed. After the library's sign that it takes nothing more, what comes is kept for the next start and not queued
    up: the library waits until the queue is worked off, and that would be for ever.
    """

    def __init__(self, rows: Inbox) -> None:
        super().__init__()
        self._rows = rows
        self._has_ended = False
        self._commands: Counter[int] = Counter()
        """Of each chat, those that wait or are in work."""
        self._excess: dict[int, int] = {}
        """Chats that sent too many -> the update that tells them so, for itself and all that come until its turn."""

    async def put(self, item: object) -> None:
        """Keep and queue up one update."""
        if isinstance(item, Update):
            await self.put_all((item,))
        else:  # the library puts nothing else but that sign
            self._has_ended = True
            await super().put(item)

    async def put_all(self, updates: Sequence[Update | UnparsableUpdate]) -> None:
        """Keep all in one transaction, and queue up those that can be read: all or none."""
        # Shielded: were the caller cancelled between the commit and the queue, they would wait for the next start.
        await asyncio.shield(self._keep(updates))

    async def _keep(self, updates: Sequence[Update | UnparsableUpdate]) -> None:
        admitted = [self._admit(update) for update in updates]
        try:
            fresh = set(
                await self._rows.put(
                    *(
                        as_received(update, is_merged=not is_admitted)
                        for update, is_admitted in zip(updates, admitted, strict=True)
                    )
                )
            )
        except BaseException:
            for update, is_admitted in zip(updates, admitted, strict=True):
                if is_admitted:
                    self.finished(update)
            raise
        readable: list[Update] = []
        for update, is_admitted in zip(updates, admitted, strict=True):
            if not is_admitted:
                continue
            if update.update_id not in fresh:
                self.finished(update)
                continue
            fresh.discard(update.update_id)
            if isinstance(update, UnparsableUpdate):
                # Only the kind of the error: its words may be a person's.
                kind = type(update.error).__name__
                _log.error("update %d can't be read by this version: a dead letter (%s)", update.update_id, kind)
            else:
                readable.append(update)
        if not self._has_ended:
            for update in _questions_first(readable):
                self.put_nowait(update)

    def put_again(self, update: Update) -> None:
        """Queue up what an earlier process has kept, however many there are of a chat."""
        if (chat_id := _commanding_chat(update)) is not None:
            self._commands[chat_id] += 1
        self.put_nowait(update)

    def finished(self, update: Update | UnparsableUpdate) -> None:
        """An update that was queued up has come to its end."""
        if (chat_id := _commanding_chat(update)) is None:
            return
        self._commands[chat_id] -= 1
        if not self._commands[chat_id]:
            del self._commands[chat_id]
        if self._excess.get(chat_id) == update.update_id:
            del self._excess[chat_id]

    def is_excess(self, update: Update) -> bool:
        """Whether this update's answer is to be that there were too many."""
        chat_id = _commanding_chat(update)
        return chat_id is not None and self._excess.get(chat_id) == update.update_id

    def _admit(self, update: Update | UnparsableUpdate) -> bool:
        """Count an update in; False when another one's answer does for it. Done before anything is awaited."""
        if (chat_id := _commanding_chat(update)) is None:
            return True
        if self._commands[chat_id] >= MOST_COMMANDS_OF_CHAT:
            if chat_id in self._excess:
                return False
            self._excess[chat_id] = update.update_id
        self._commands[chat_id] += 1
        return True


def _questions_first(updates: Sequence[Update]) -> Sequence[Update]:
    """Put what is quickly answered before the pictures of others, so that it does not wait while those begin.

    Within a chat that sent pictures nothing changes places: a /cancel must find what was sent before it.
    """
    with_pictures = {_chat_id(update) for update in updates if brings_picture(update)}
    return sorted(updates, key=lambda update: _chat_id(update) in with_pictures)  # a stable sort


def _commanding_chat(update: Update | UnparsableUpdate) -> int | None:
    """The chat of a text or press; None for pictures, whose number is bounded elsewhere, and for news of a chat."""
    if isinstance(update, UnparsableUpdate) or brings_picture(update):
        return None
    return _chat_id(update) if message_of(update) or update.callback_query else None


def _chat_id(update: Update) -> int | None:
    return update.effective_chat.id if update.effective_chat else None


class Delivery:
    """An update in its handler's hands, with the others of its album: which is in work, and what was sent for each."""

    def __init__(self, update_id: int, rows: Inbox | None = None) -> None:
        self.update_id = self.current = update_id
        self.members: tuple[int, ...] = (update_id,)
        self.rejected = False
        """Too many waited before it: its sender is to be told, and nothing else."""
        self.failed = self.transient_failures = 0
        """Attempts; the latter were not its fault, and are counted in this process alone."""
        self.error: Exception | None = None
        self.erases = False
        """Whether its handler has deleted something: then nothing of the update itself may stay on the disk either."""
        self.deadline = asyncio.get_running_loop().time() + PATIENCE.total_seconds()
        self._rows = rows
        self._sent: dict[int, dict[str, int]] = {}
        self._parked = False

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
        return self._take(self.update_id, await self._rows.begin(self.update_id))

    async def gather(self, update_ids: tuple[int, ...]) -> None:
        """Take note of the whole album, and of what earlier attempts have sent for it."""
        self.members = update_ids
        if self._rows is not None and len(update_ids) > 1:
            for update_id, messages in (await self._rows.recorded(*update_ids)).items():
                self._sent.setdefault(update_id, {}).update(messages)

    async def take_up(self, update_id: int) -> bool:
        """Go on with an update of the album; False when that one is finished. Raises KilledError."""
        if self._rows is None or (update_id == self.current and not self._parked):
            return True
        if update_id == self.current:
            return self._take(update_id, await self._rows.begin(update_id))
        return self._take(update_id, await self._rows.move_on(self.current, update_id))

    def _take(self, update_id: int, attempt: Attempt | None) -> bool:
        if attempt is None:
            return False
        self.current, self.failed, self._parked = update_id, attempt.failed, False
        self._sent.setdefault(update_id, {}).update(attempt.messages)
        if attempt.failed >= MOST_ATTEMPTS:
            raise KilledError
        return True

    async def park(self) -> None:
        """What is in work only waits from now on, until it is taken up again: should the process end, it wasn't it."""
        if self._rows is not None and not self._parked:
            self._parked = True
            await self._rows.park(self.current)

    async def park_when_waiting(self) -> None:
        """Park whatever has been in work for so long that it must be waiting, until cancelled."""
        while True:
            current = self.current
            await asyncio.sleep(PARK_AFTER)
            if current == self.current:
                with suppress(StorageDownError):
                    await self.park()

    async def record(self, step: str, message_id: int, update_id: int | None = None) -> None:
        """Note which message a step has become, so that a further attempt edits it or leaves it."""
        update_id = self.update_id if update_id is None else update_id
        self._sent.setdefault(update_id, {})[step] = message_id
        if self._rows is not None:
            await self._rows.record(update_id, step, message_id)


class Deliveries:
    """Everything between the receipt of an update and its end."""

    def __init__(self, database: Database, storage: StorageHealth, consent_wait: timedelta = CONSENT_WAIT) -> None:
        self.rows = database.inbox
        self.queue = DurableQueue(self.rows)
        self._people = database.people
        self._storage = storage
        self._consent_wait = consent_wait
        self._application: Application[Any, Any, Any, Any, Any, Any] | None = None
        self._in_work: dict[int, Delivery] = {}
        self._accepted: set[int] = set()
        self._quarantine: set[int] = set()
        """Updates that may end the process: each is handled while nothing else is."""
        self._quarantine_slot = asyncio.Semaphore(1)
        self._all_clear = asyncio.Event()
        self._all_clear.set()

    def bind(self, application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        """Say who handles the updates."""
        self._application = application

    @property
    def application(self) -> Application[Any, Any, Any, Any, Any, Any]:
        """Who handles the updates."""
        if self._application is None:
            raise RuntimeError("no application was bound")
        return self._application

    async def refill(self) -> None:
        """At the start: queue up what the process before has left, oldest first."""
        pending = await self._storage.persist(self.rows.recover)
        if pending:
            _log.info("%d updates were left unfinished: they come first", len(pending))
        self._quarantine = {
            update.update_id for update in pending if update.attempts or update.kills >= KILLS_TO_QUARANTINE
        }
        if self._quarantine:
            self._all_clear.clear()
            asyncio.get_running_loop().call_later(QUARANTINE_FOR, self._end_quarantine)
        for update in pending:
            await self._enqueue(update)

    async def release(self, chat_id: int) -> int:
        """Queue up what awaited the consent of this chat; returns how many updates that is."""
        released = await self.rows.release(chat_id)
        for pending in released:
            await self._enqueue(pending)
        return len(released)

    async def _enqueue(self, pending: PendingUpdate) -> None:
        try:
            update = Update.de_json(json.loads(pending.payload), self.application.bot)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # written by another version of the library
            _log.error("update %s can't be read any more: a dead letter", pending.update_id)
            await self.rows.dead_letter(pending.update_id, traceback_of(error))
            self._leave_quarantine(pending.update_id)
        else:
            self._accepted.add(pending.update_id)
            self.queue.put_again(update)

    def was_accepted(self, update: Update) -> bool:
        """Whether it was once promised that this update will be handled."""
        return update.update_id in self._accepted

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
        return self._will_retry(delivery, error)

    def becomes_dead_letter(self, update: object, error: Exception) -> bool:
        """Whether an update that came through the queue is kept for the operator because of this error."""
        came_through = isinstance(update, Update) and update.update_id in self._in_work
        return came_through and classify(error) is not ErrorClass.FINAL

    @asynccontextmanager
    async def isolated(self, update: Update) -> AsyncIterator[None]:
        """Wait while an update in quarantine is handled; one that is itself in quarantine waits for the others there.

        So when the process ends, the one row that is in work names the culprit.
        """
        if update.update_id not in self._quarantine:
            await self._all_clear.wait()
            yield
            return
        async with self._quarantine_slot:
            try:
                yield
            finally:
                self._leave_quarantine(update.update_id)

    def _leave_quarantine(self, update_id: int) -> None:
        self._quarantine.discard(update_id)
        if not self._quarantine:
            self._end_quarantine()

    def _end_quarantine(self) -> None:
        self._all_clear.set()
        for _ in self._quarantine:  # those that still wait for their turn alone go on together with all others
            self._quarantine_slot.release()

    async def handle(
        self,
        update: Update,
        coroutine: Awaitable[Any],
        *,
        slot: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
        is_wanted: Callable[[], bool] = lambda: True,
        rejected: bool = False,
    ) -> None:
        """Handle an update until it is answered, a dead letter, or not wanted any more.

        ``coroutine`` is the first attempt; each attempt needs a ``slot``, which pauses between attempts don't hold.
        """
        delivery = self._in_work[update.update_id] = Delivery(update.update_id, self.rows)
        delivery.rejected = rejected or self.queue.is_excess(update)
        try:
            while is_wanted():
                async with slot():
                    pause = await self._attempt(update, delivery, coroutine)
                if pause is None:
                    return
                await asyncio.sleep(pause)
                coroutine = self.application.process_update(update)
            await self._storage.persist(lambda: self.rows.done(*delivery.members))
        finally:
            close_unrun(coroutine)
            self.queue.finished(update)
            self._accepted.discard(update.update_id)
            if self._in_work.get(update.update_id) is delivery:
                del self._in_work[update.update_id]

    async def _attempt(self, update: Update, delivery: Delivery, coroutine: Awaitable[Any]) -> float | None:
        """One attempt; returns the seconds until the next one, None when the update has come to its end."""
        delivery.error = None
        try:
            if not await self._storage.persist(delivery.begin):
                return None
            async with running_in_background(delivery.park_when_waiting()):
                await coroutine
        except KilledError as error:
            await self.application.process_error(update, error)
        except asyncio.CancelledError:
            # The program is told to end: the row goes back to "waiting", and the next process takes it up.
            with suppress(StorageDownError):
                await delivery.park()
            raise
        pause: float | None = await self._storage.persist(lambda: self._end_of(delivery))
        return pause

    async def _end_of(self, delivery: Delivery) -> float | None:
        error, current = delivery.error, delivery.current
        if error is None:
            await self._finish(delivery, *delivery.members)
            return None
        if self._will_retry(delivery, error):
            if classify(error) is ErrorClass.BUG:
                return AFTER_A_BUG.pause(await self.rows.fail(current) - 1)
            await delivery.park()
            delivery.transient_failures += 1
            return AFTER_TROUBLE.pause(delivery.transient_failures - 1)
        if classify(error) is ErrorClass.FINAL:
            await self._finish(delivery, current)
        else:
            await self.rows.dead_letter(current, traceback_of(error))
        # The others of its album go on without it, led by this one or, if it was the leader, by the next.
        return None if current == delivery.update_id else 0.0

    async def _finish(self, delivery: Delivery, *update_ids: int) -> None:
        await self.rows.done(*update_ids)
        if delivery.erases:  # after the press itself is erased: it holds the name of who pressed
            await self.rows.scrub()

    def _will_retry(self, delivery: Delivery, error: Exception) -> bool:
        if classify(error) is ErrorClass.BUG:
            return delivery.failed + 1 < MOST_ATTEMPTS
        return classify(error) is ErrorClass.TRANSIENT and asyncio.get_running_loop().time() < delivery.deadline

    async def keep_tidy(self) -> None:
        """Do so every hour, from now on."""
        while True:
            with suppress(StorageDownError):
                await self.tidy()
            await asyncio.sleep(TIDY_EVERY)

    async def tidy(self) -> None:
        """Forget what was finished long ago, and whoever has said no yes: there is no leave to keep what they sent."""
        now = datetime.now(UTC)
        await self.rows.prune(now - DONE_KEPT, now - DEAD_KEPT)
        before = now - self._consent_wait
        updates, people = await self.rows.expire_consent(before), await self._people.forget_strangers(before)
        if updates or people:
            _log.info("no yes came: %d updates and %d people are forgotten", updates, people)


def close_unrun(coroutine: Awaitable[Any]) -> None:
    """Drop a handler that is not to run; nothing happens to one that has run."""
    if iscoroutine(coroutine):
        coroutine.close()
