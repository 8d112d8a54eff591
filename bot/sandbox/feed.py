"""What happens in the chats, in order: the page and the tests follow it instead of asking again and again."""

import asyncio
from collections import deque
from typing import Any

from bot.sandbox.params import Json


class Feed:
    """A bounded list of numbered events; anyone may wait for the ones after a number."""

    def __init__(self, bound: int) -> None:
        self._events: deque[Json] = deque(maxlen=bound)
        self._waiting: set[asyncio.Future[None]] = set()
        self.last = 0

    def add(self, kind: str, person_id: int | None, **details: Any) -> None:
        """Tell everybody who waits; ``person_id`` is None for what concerns all chats."""
        self.last += 1
        self._events.append({"seq": self.last, "type": kind, "person_id": person_id, **details})
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def since(self, seq: int, person_id: int | None = None) -> list[Json]:
        """Events after ``seq`` of one person's chat, or of all."""
        found = []
        for event in reversed(self._events):
            if event["seq"] <= seq:
                break
            if person_id is None or event["person_id"] in (person_id, None):
                found.append(event)
        return found[::-1]

    async def after(self, seq: int, person_id: int | None, timeout_s: float) -> list[Json]:
        """The same, waiting up to ``timeout_s`` seconds for the first one; empty when nothing happened."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not (events := self.since(seq, person_id)):
            left = end - loop.time()
            if left <= 0 or not await self._woken(left):
                break
        return events or self.since(seq, person_id)

    async def _woken(self, seconds: float) -> bool:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
