"""A scan that was deleted can be brought back for a while; then it goes for good, even if the bot was off meanwhile."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from storage.errors import StorageDownError
from storage.scans import Scans

UNDO_FOR: Final = timedelta(seconds=30)
LOOK_EVERY: Final = 600.0
"""Seconds after which scans are looked for that another replica has hidden and, having died, not deleted."""
_TRY_AGAIN = 5.0


class Purge:
    """Deletes hidden scans when their time is over."""

    def __init__(self, scans: Scans, undo_for: timedelta = UNDO_FOR) -> None:
        self._scans = scans
        self.undo_for = undo_for
        self._news = asyncio.Event()

    def note(self) -> None:
        """Say that a scan was hidden."""
        self._news.set()

    async def run(self) -> None:
        """Delete each when it is due, from now on."""
        while True:
            try:
                await self._delete_when_due()
            except StorageDownError:
                await asyncio.sleep(_TRY_AGAIN)

    async def _delete_when_due(self) -> None:
        self._news.clear()
        oldest = await self._scans.oldest_hidden()
        if oldest is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY)
            return
        due = oldest + self.undo_for
        await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
        await self._scans.purge(datetime.now(UTC) - self.undo_for + timedelta(milliseconds=1))
