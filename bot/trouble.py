"""The database while it is full, read-only or damaged: said once, waited for, and taken up again when it is mended."""

import asyncio
import logging

from storage.database import Database
from storage.errors import StorageDownError

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two looks at a database that fails."""
_log = logging.getLogger(__name__)


class StorageWatch:
    """Whether the database can be relied on, as those who work with it find out."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._trouble: str | None = None
        self._pause = FIRST_PAUSE
        self._looking = asyncio.Lock()
        self._looks = 0
        self._seems_mended = False

    @property
    def is_well(self) -> bool:
        """False from a failure until something has worked again."""
        return self._trouble is None

    def failed(self, error: StorageDownError) -> None:
        """Say what is wrong, and what it means; not again while it stays the same."""
        if str(error) != self._trouble:
            _log.error("%s (until then nothing new is taken in; it goes on by itself)", error)
        self._trouble, self._seems_mended = str(error), False

    def worked(self) -> None:
        """Something was kept: after a failure, that is news."""
        if self._trouble is not None:
            _log.warning("DATABASE_URL: the database works again")
            self._trouble, self._pause, self._seems_mended = None, FIRST_PAUSE, False

    def nothing_failed(self) -> None:
        """Some time went by without work: when the database seemed mended before, take it as proven."""
        if self._seems_mended:
            self.worked()

    async def mended(self) -> None:
        """Wait until the database can be opened and written, or at least seems so: the work itself is the proof."""
        seen = self._looks
        async with self._looking:
            if seen != self._looks:  # somebody else has just seen it open
                return
            while self._trouble is not None:
                await asyncio.sleep(self._pause)
                self._pause = min(LONGEST_PAUSE, 2 * self._pause)
                try:
                    await self._database.mend()
                except StorageDownError as error:
                    self.failed(error)
                else:
                    self._seems_mended = True
                    break
            self._looks += 1
