"""Where updates wait for their handlers: kept on the disk first, and bounded for each chat."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from telegram import Update

from bot.delivery.raw_update import UnparsableUpdate, as_received, brings_picture, message_of
from bot.operations.metrics import Metrics, UpdateKind
from storage.inbox import Inbox

MOST_COMMANDS_OF_CHAT = 30
"""Texts and presses of one chat that may wait; Telegram lets us answer one a second. Those beyond share one answer."""
_log = logging.getLogger(__name__)


class DurableQueue(asyncio.Queue[object]):
    """Where updates wait for their handlers: ``put`` returns when they are on the disk; only then are they confirmed.

    One that is known already is passed over. Raises StorageDownError when nothing can be kept; nothing is then to be
    confirmed. After the library's sign that it takes nothing more, what comes is kept for the next start and not queued
    up: the library waits until the queue is worked off, and that would be for ever.
    """

    def __init__(self, rows: Inbox, metrics: Metrics | None = None) -> None:
        super().__init__()
        self._rows = rows
        self._metrics = metrics or Metrics()
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
        for update in updates:
            if update.update_id in fresh:
                self._tell_of(update)
        readable: list[Update] = []
        for update, is_admitted in zip(updates, admitted, strict=True):
            if not is_admitted:
                continue
            if update.update_id not in fresh:
                self.finished(update)
                continue
            fresh.discard(update.update_id)
            if not isinstance(update, UnparsableUpdate):
                readable.append(update)
        if not self._has_ended:
            for update in questions_first(readable):
                self.put_nowait(update)

    def _tell_of(self, update: Update | UnparsableUpdate) -> None:
        """Count an update that is new, and say in the log when nobody can handle it."""
        self._metrics.update_came(_kind(update))
        if isinstance(update, UnparsableUpdate):
            # Only the kind of the error: its words may be a person's.
            kind = type(update.error).__name__
            _log.error("update %d can't be read by this version: a dead letter (%s)", update.update_id, kind)

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


def questions_first(updates: Sequence[Update]) -> Sequence[Update]:
    """Put what is quickly answered before the pictures of others, so that it does not wait while those begin.

    Within a chat that sent pictures nothing changes places: a /cancel must find what was sent before it.
    """
    with_pictures = {chat_of(update) for update in updates if brings_picture(update)}
    return sorted(updates, key=lambda update: chat_of(update) in with_pictures)  # a stable sort


def _commanding_chat(update: Update | UnparsableUpdate) -> int | None:
    """The chat of a text or press; None for pictures, whose number is bounded elsewhere, and for news of a chat."""
    if isinstance(update, UnparsableUpdate) or brings_picture(update):
        return None
    return chat_of(update) if message_of(update) or update.callback_query else None


def _kind(update: Update | UnparsableUpdate) -> UpdateKind:
    if isinstance(update, UnparsableUpdate):
        return UpdateKind.UNREADABLE
    if brings_picture(update):
        return UpdateKind.PICTURE
    if update.callback_query:
        return UpdateKind.PRESS
    return UpdateKind.TEXT if message_of(update) else UpdateKind.OTHER


def chat_of(update: Update | UnparsableUpdate) -> int | None:
    """The id of the chat that it is from, if there is one."""
    if isinstance(update, UnparsableUpdate):
        return update.chat_id
    return update.effective_chat.id if update.effective_chat else None
