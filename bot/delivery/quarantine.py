"""Updates that may end the process: each is handled while nothing else is, so that the next end names the culprit."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

ALONE_WITHIN = 1.2
"""Seconds until what was in work before is finished, or waits; see ``PARK_AFTER``."""
_LOOK = 0.02


class Quarantine:
    """Keeps some updates apart from all others for a while; then all go on together."""

    def __init__(self) -> None:
        self._apart: set[int] = set()
        self._slot = asyncio.Semaphore(1)
        self._all_clear = asyncio.Event()
        self._all_clear.set()

    def set_apart(self, update_ids: Collection[int], seconds: float) -> None:
        """Have these handled one by one, and all others wait for that, but no longer than these seconds."""
        if not update_ids:
            return
        if self._all_clear.is_set():  # the slots of an earlier time were all opened when it ended
            self._apart, self._slot = set(), asyncio.Semaphore(1)
            self._all_clear.clear()
            asyncio.get_running_loop().call_later(seconds, self._end)
        self._apart.update(update_ids)

    @asynccontextmanager
    async def isolated(self, update_id: int, alone: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait while an update is handled that is apart; one that is itself waits for the others, and to be ``alone``.

        So when the process ends, the one row that is in work names the culprit.
        """
        if update_id not in self._apart:
            await self._all_clear.wait()
            yield
            return
        async with self._slot:
            await _until(lambda: alone() or self._all_clear.is_set(), ALONE_WITHIN)
            try:
                yield
            finally:
                self.leave(update_id)

    def leave(self, update_id: int) -> None:
        """An update that was apart has come to its end."""
        self._apart.discard(update_id)
        if not self._apart:
            self._end()

    def _end(self) -> None:
        self._all_clear.set()
        for _ in self._apart:  # those that still wait for their turn alone go on together with all others
            self._slot.release()


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not holds() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(_LOOK)
