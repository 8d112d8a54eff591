"""Updates on their way to the bot: numbered, kept until they are confirmed, fetched by long polling."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from telegram.constants import PollingLimit, UpdateType

from bot.sandbox.errors import ApiError, conflict
from bot.sandbox.params import Json
from bot.sandbox.rules import Clock, Rules

LONGEST_POLL = 50
_KNOWN = frozenset(kind.value for kind in UpdateType)
_ONLY_WHEN_ASKED = frozenset(
    {UpdateType.CHAT_MEMBER.value, UpdateType.MESSAGE_REACTION.value, UpdateType.MESSAGE_REACTION_COUNT.value}
)
DEFAULT_KINDS = _KNOWN - _ONLY_WHEN_ASKED


@dataclass(slots=True)
class Update:
    """One update that waits for the bot; updates of one chat are delivered in order."""

    update_id: int
    kind: str
    content: Json
    chat_id: int
    created: float
    fetched: bool = False
    again: bool = False
    """Comes a second time although it was confirmed; a third time it does not."""

    def as_api(self) -> Json:
        """The Update object."""
        return {"update_id": self.update_id, self.kind: self.content}


@dataclass(slots=True)
class Webhook:
    """Where updates go, and what went wrong last."""

    url: str
    secret: str
    max_connections: int
    custom_certificate: bool = False
    last_error_date: int | None = None
    last_error: str = ""

    def as_api(self) -> Json:
        """The fields of WebhookInfo that belong to it."""
        info: Json = {
            "url": self.url,
            "has_custom_certificate": self.custom_certificate,
            "max_connections": self.max_connections,
        }
        if self.last_error_date is not None:
            info |= {"last_error_date": self.last_error_date, "last_error_message": self.last_error}
        return info


class UpdateQueue:
    """Updates in order of their ids.

    ``on_put`` is called with each new update (the webhook listens), ``on_fetched`` when the bot first gets one,
    ``on_confirmed`` when the bot has it for good.
    """

    def __init__(self, rules: Rules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._pending: dict[int, Update] = {}
        self._next_id = 100_000_000 + secrets.randbelow(800_000_000)
        self._poller: asyncio.Future[None] | None = None
        self.polling = asyncio.Event()
        """Set while a long poll is waiting."""
        self._kinds = DEFAULT_KINDS
        self._asked: list[str] = []
        self.on_put: Callable[[Update], None] = lambda _update: None
        self.on_fetched: Callable[[Update], None] = lambda _update: None
        self.on_confirmed: Callable[[Update], None] = lambda _update: None
        self._returning: set[asyncio.TimerHandle] = set()

    @property
    def pending(self) -> list[Update]:
        """What the bot has not confirmed yet, oldest first."""
        oldest = self._clock.now() - self._rules.update_seconds
        for update_id in [key for key, update in self._pending.items() if update.created < oldest]:
            del self._pending[update_id]
        return list(self._pending.values())

    @property
    def allowed(self) -> list[str]:
        """The kinds that the bot asked for; empty while it leaves the choice to Telegram."""
        return self._asked

    def allow(self, kinds: Iterable[object]) -> None:
        """Keep only these kinds from now on; an empty list means all but the ones that must be asked for."""
        self._asked = [kind for kind in kinds if isinstance(kind, str) and kind in _KNOWN]
        self._kinds = frozenset(self._asked) or DEFAULT_KINDS

    def put(self, kind: str, content: Json, chat_id: int) -> Update | None:
        """Queue an update; None when the bot did not ask for its kind."""
        if kind not in self._kinds:
            return None
        update = Update(self._next_id, kind, content, chat_id, self._clock.now())
        self._next_id += 1
        self._pending[update.update_id] = update
        while len(self._pending) > self._rules.stored_updates:
            del self._pending[next(iter(self._pending))]
        self._announce(update)
        return update

    def put_back(self, update: Update, delay_s: float) -> None:
        """Deliver a confirmed update once more, in the order of the ids, after ``delay_s`` seconds."""
        update.again = True
        if delay_s:
            handle = asyncio.get_running_loop().call_later(delay_s, lambda: self._return(update))
            self._returning.add(handle)
        else:
            self._return(update)

    def stop_returning(self) -> None:
        """Forget the updates that were to come a second time."""
        for handle in self._returning:
            handle.cancel()
        self._returning.clear()

    def _return(self, update: Update) -> None:
        self._pending[update.update_id] = update
        self._pending = dict(sorted(self._pending.items()))
        self._announce(update)

    def _announce(self, update: Update) -> None:
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(None)
        self.on_put(update)

    def confirm(self, update_ids: Iterable[int]) -> None:
        """Forget updates that the bot has."""
        for update_id in list(update_ids):
            if update := self._pending.pop(update_id, None):
                self.on_confirmed(update)

    def clear(self) -> None:
        """Forget everything that waits (``drop_pending_updates``)."""
        self._pending.clear()

    def stop_poller(self, reason: ApiError) -> None:
        """End a poll that is waiting, with ``reason`` as its answer."""
        if self._poller is not None and not self._poller.done():
            self._poller.set_exception(reason)
        self._poller = None
        self.polling.clear()

    async def fetch(self, offset: int, limit: int, timeout_s: int) -> list[Update]:
        """Long polling: up to ``limit`` updates from ``offset`` on, waiting for the first one.

        Everything before ``offset`` is confirmed by it; a negative one keeps only that many of the newest.
        Raises ApiError 409 in the poll that waits when another one comes.
        """
        self.stop_poller(
            conflict("terminated by other getUpdates request; make sure that only one bot instance is running")
        )
        if offset > 0:
            self.confirm([key for key in self._pending if key < offset])
        elif offset < 0:
            self.confirm(list(self._pending)[:offset])
        if not self.pending and timeout_s > 0:
            await self._wait(min(timeout_s, LONGEST_POLL))
        batch = self.pending[: min(max(limit, PollingLimit.MIN_LIMIT), PollingLimit.MAX_LIMIT)]
        for update in batch:
            self.mark_fetched(update)
        return batch

    def mark_fetched(self, update: Update) -> None:
        """Note that the bot has seen the update: its message gets the second tick."""
        if not update.fetched:
            update.fetched = True
            self.on_fetched(update)

    async def _wait(self, seconds: float) -> None:
        poller: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._poller = poller
        self.polling.set()
        try:
            await asyncio.wait_for(poller, seconds)
        except TimeoutError:
            return
        finally:
            if self._poller is poller:
                self._poller = None
                self.polling.clear()
