"""A receipt for each text that a handler sends, noted the moment that Telegram has it: no further attempt repeats it.

A text is known by what it says and to whom, so that one which says something else is always sent. What a kill can make
come twice is thereby one message, and not all that its handler had said; and the kill must come between Telegram's
answer and the very next write, not anywhere before the handler's end.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, Protocol

from storage.errors import StorageError
from storage.inbox import TEXT_STEP

Send = Callable[..., Coroutine[Any, Any, Any]]
"""One try at a request; returns what Telegram says."""
_attempt: ContextVar["Receipts | None"] = ContextVar("attempt", default=None)
_step: ContextVar[str | None] = ContextVar("step", default=None)


class Notebook(Protocol):
    """Where receipts are kept, such as the delivery of an update."""

    current: int
    """The update that is in work."""

    def message_of(self, step: str) -> int | None:
        """The message that a step became in any attempt."""

    async def record(self, step: str, message_id: int, update_id: int | None = None) -> None:
        """Note it, in memory before anything is awaited. Raises StorageError."""


class Receipts:
    """Of one attempt at an update."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._alike: Counter[str] = Counter()
        self.has_ended = False

    def step_of(self, data: dict[str, Any]) -> str:
        """What the next text is kept under; a handler that says the same twice means it."""
        words = json.dumps(data, sort_keys=True, default=_plain)
        digest = blake2b(words.encode(), digest_size=8).hexdigest()
        self._alike[digest] += 1
        return f"{TEXT_STEP}{digest} {self._alike[digest]}"

    def message_of(self, step: str) -> int | None:
        """The message that an earlier attempt has sent."""
        return self._notebook.message_of(step)

    async def note(self, step: str, message_id: int) -> None:
        """Keep it for good. Failing that is no failure of the text: it is in the chat."""
        with suppress(StorageError):
            # Whoever is told to give up just now has said it all the same.
            await asyncio.shield(self._notebook.record(step, message_id, self._notebook.current))


@contextmanager
def receipts_in(notebook: Notebook) -> Iterator[None]:
    """Keep receipts of what the body sends, but not of what it leaves running in the background."""
    receipts = Receipts(notebook)
    before = _attempt.set(receipts)
    try:
        yield
    finally:
        receipts.has_ended = True
        _attempt.reset(before)


@contextmanager
def sent_as(step: str) -> Iterator[None]:
    """Keep the receipt of the text that the body sends under this name. It is sent in any case."""
    before = _step.set(step)
    try:
        yield
    finally:
        _step.reset(before)


def with_receipt(send: Send, endpoint: str, data: dict[str, Any]) -> Send | dict[str, Any]:
    """The same with a receipt, where one is kept; what Telegram said, when an earlier attempt has sent this text."""
    receipts = _attempt.get()
    if endpoint != "sendMessage" or receipts is None or receipts.has_ended:
        return send
    if (step := _step.get()) is None:
        step = receipts.step_of(data)
        if (known := receipts.message_of(step)) is not None:
            chat = {"id": data["chat_id"], "type": "private"}
            return {"message_id": known, "date": int(time.time()), "chat": chat, "text": data["text"]}

    async def send_and_note(*args: Any, **kwargs: Any) -> Any:
        answer = await send(*args, **kwargs)
        await receipts.note(step, answer["message_id"])
        return answer

    return send_and_note


def _plain(value: Any) -> Any:
    """What the library puts among a request's parameters, as plain data."""
    return value.to_dict() if hasattr(value, "to_dict") else str(value)
