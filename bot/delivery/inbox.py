"""Nothing is lost: an update is kept before Telegram is told that it came, and handled until it is answered.

What can't be closed is one gap: an answer that was sent, when the process is killed before its receipt is noted
(`bot/delivery/receipts.py`), which is the next thing that happens. Pictures and PDFs are noted just before they leave,
so one of which nobody knows whether it came is not sent again, but offered. A status message in the gap stays in the
chat, and an ordinary text is sent again.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from inspect import iscoroutine
from typing import Any

from telegram import Update
from telegram.ext import Application

from bot.delivery.background import running_in_background
from bot.delivery.backoff import Backoff
from bot.delivery.claimed_queue import ClaimedQueue
from bot.delivery.durable_queue import DurableQueue
from bot.delivery.error_class import MOST_ATTEMPTS, ErrorClass, KilledError, classify
from bot.delivery.quarantine import ALONE_WITHIN, Quarantine
from bot.delivery.raw_update import traceback_of
from bot.delivery.receipts import receipts_in
from bot.delivery.storage_health import StorageHealth
from bot.operations import trace
from bot.operations.audit import AuditLog
from bot.operations.metrics import Ending, Metrics
from storage.claims import Claimed
from storage.database import Database
from storage.errors import StorageDownError
from storage.inbox import Attempt, Inbox, PendingUpdate

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
DONE_KEPT, DEAD_KEPT = timedelta(days=2), timedelta(days=30)
"""Telegram delivers nothing again after a day."""
TIDY_EVERY = 3600.0
_log = logging.getLogger(__name__)


STATUS, REFUSAL, RED_FLAG = "status", "refusal", "red flag"
"""Steps of a journey that have no scan yet to be recorded with."""


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
        self.what = self.outcome = ""
        """For the audit log: what this is about, and how it ended where that is more than the update's own ending."""
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
        return self.message_of(STATUS)

    def message_of(self, step: str) -> int | None:
        """The message that a step became, for whichever update of the album."""
        return next((sent[step] for sent in self._sent.values() if step in sent), None)

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

    @property
    def is_parked(self) -> bool:
        """Whether it only waits."""
        return self._parked

    async def park(self) -> None:
        """What is in work only waits from now on, until it is taken up again: should the process end, it wasn't it."""
        if self._rows is not None and not self._parked:
            self._parked = True
            try:
                await self._rows.park(self.current)
            except StorageDownError:
                self._parked = False
                raise

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

    def __init__(
        self,
        database: Database,
        storage: StorageHealth,
        consent_wait: timedelta = CONSENT_WAIT,
        metrics: Metrics | None = None,
        audit: AuditLog | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """``shared``: by several replicas, each of which handles what it has claimed."""
        self.rows = database.inbox
        self._metrics, self._audit = metrics or Metrics(), audit or AuditLog()
        self._shared = shared
        self.queue = (
            ClaimedQueue(self.rows, database.claims, self._metrics)
            if shared
            else DurableQueue(self.rows, self._metrics)
        )
        self._people, self._access, self._usage = database.people, database.access, database.usage
        self._retention = database.retention
        self._storage = storage
        self._consent_wait = consent_wait
        self._application: Application[Any, Any, Any, Any, Any, Any] | None = None
        self._in_work: dict[int, Delivery] = {}
        self._accepted: set[int] = set()
        self._quarantine = Quarantine()

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
        """At the start: queue up what the process before has left, oldest first. Replicas claim it instead."""
        if self._shared:
            return
        pending = await self._storage.persist(self.rows.recover)
        if pending:
            _log.info("%d updates were left unfinished: they come first", len(pending))
        self._quarantine.set_apart(_dangerous(pending), QUARANTINE_FOR)
        for update in pending:
            await self._enqueue(update)

    async def take_in(self, claimed: Sequence[Claimed]) -> None:
        """Queue up what this replica has claimed; what others have claimed before is never turned away."""
        self._quarantine.set_apart(_dangerous([one.update for one in claimed]), ALONE_WITHIN + QUARANTINE_FOR)
        fresh = []
        for one in claimed:
            if one.was_claimed:
                await self._enqueue(one.update)
            elif (update := await self._readable(one.update)) is not None:
                fresh.append(update)
        if isinstance(self.queue, ClaimedQueue) and (merged := self.queue.take_in(fresh)):
            await self._storage.persist(lambda: self.rows.done(*merged))

    async def release(self, chat_id: int) -> int:
        """Queue up what awaited the consent of this chat; returns how many updates that is."""
        released = await self.rows.release(chat_id)
        for pending in released:
            await self._enqueue(pending)
        return len(released)

    async def _enqueue(self, pending: PendingUpdate) -> None:
        if (update := await self._readable(pending)) is not None:
            self._accepted.add(pending.update_id)
            self.queue.put_again(update)

    async def _readable(self, pending: PendingUpdate) -> Update | None:
        """What was kept; None when it has become a dead letter."""
        try:
            return Update.de_json(json.loads(pending.payload), self.application.bot)
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # written by another version of the library
            _log.error("update %s can't be read any more: a dead letter", pending.update_id)
            why = traceback_of(error)
            await self._storage.persist(lambda: self.rows.dead_letter(pending.update_id, why))
            self._quarantine.leave(pending.update_id)
            return None

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

    def isolated(self, update: Update) -> AbstractAsyncContextManager[None]:
        """See ``Quarantine.isolated``; alone is what is in its handler's hands while all others there wait."""
        return self._quarantine.isolated(
            update.update_id, lambda: all(delivery.is_parked for delivery in self._in_work.values())
        )

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
        trace.update.set(update.update_id)
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
        delivery.error, began = None, time.monotonic()
        try:
            if not await self._storage.persist(delivery.begin):
                return None
            async with running_in_background(delivery.park_when_waiting()):
                with receipts_in(delivery):
                    await coroutine
        except Exception as error:  # noqa: BLE001 - whatever it is, also of the library's own: the row must come to an end
            await self.application.process_error(update, error)
        except asyncio.CancelledError:
            # The program is told to end: the row goes back to "waiting", and the next process takes it up.
            with suppress(StorageDownError):
                await delivery.park()
            raise
        pause: float | None = await self._storage.persist(lambda: self._end_of(delivery))
        ending = self._ending(delivery)
        self._metrics.update_ended(ending, time.monotonic() - began)
        if delivery.what:
            chat = update.effective_chat
            self._audit.note(chat.id if chat else None, delivery.what, delivery.outcome or ending)
        return pause

    def _ending(self, delivery: Delivery) -> Ending:
        if delivery.error is None:
            return Ending.DONE
        if self._will_retry(delivery, delivery.error):
            return Ending.AGAIN
        return Ending.REFUSED if classify(delivery.error) is ErrorClass.FINAL else Ending.DEAD_LETTER

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
        await self._usage.forget_before(now.date() - timedelta(days=1))
        await self._access.forget_expired()
        await self._retention.tidy(now - PATIENCE, now - DONE_KEPT)
        before = now - self._consent_wait
        updates, people = await self.rows.expire_consent(before), await self._people.forget_without_consent(before)
        if updates or people:
            _log.info("no yes came: %d updates and %d people are forgotten", updates, people)


def _dangerous(pending: Sequence[PendingUpdate]) -> set[int]:
    """Updates that may have ended a process."""
    return {update.update_id for update in pending if update.attempts or update.kills >= KILLS_TO_QUARANTINE}


def close_unrun(coroutine: Awaitable[Any]) -> None:
    """Drop a handler that is not to run; nothing happens to one that has run."""
    if iscoroutine(coroutine):
        coroutine.close()
