"""Copies of the database on a schedule, the oldest of which make room for the newest."""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.database import Database
from storage.errors import StorageError

AGAIN = timedelta(minutes=10)
"""Until a copy that failed is tried again."""
_FORM = "tumorscan-%Y%m%d-%H%M%S.db"
_NAME = re.compile(r"tumorscan-\d{8}-\d{6}\.db")
_log = logging.getLogger(__name__)


class Backups:
    """Writes a copy into ``folder`` when ``every`` has passed since the newest, and keeps ``keep`` of them."""

    def __init__(self, database: Database, folder: Path, every: timedelta, keep: int) -> None:
        self._database, self._folder, self._every, self._keep = database, folder, every, keep

    async def run(self) -> None:
        """Do so until cancelled. A copy that was missed while the bot did not run is made at once."""
        pause = self.due_in(datetime.now(UTC))
        while True:
            await asyncio.sleep(pause.total_seconds())
            pause = self._every if await self.make(datetime.now(UTC)) else min(AGAIN, self._every)

    async def make(self, now: datetime) -> bool:
        """Write one copy and drop those that are too many; False, and said in the log, when that failed."""
        path = self._folder / now.strftime(_FORM)
        try:
            await self._database.backup(path)
            await asyncio.to_thread(self._drop_oldest)
        except StorageError as error:
            _log.error("BACKUP_DIR: no copy was made: %s", error)
            return False
        except OSError as error:
            _log.error("BACKUP_DIR: old copies could not be dropped: %s", error.strerror or error)
            return False
        _log.info("a copy of the database is in %s", path)
        return True

    def due_in(self, now: datetime) -> timedelta:
        """How long until the next copy; none where the folder can't be looked at, so that ``make`` says so."""
        try:
            newest = max(self.copies(), default=None)
        except OSError:
            newest = None
        if newest is None:
            return timedelta()
        made = datetime.strptime(newest.name, _FORM).replace(tzinfo=UTC)
        return max(timedelta(), min(made + self._every - now, self._every))

    def copies(self) -> list[Path]:
        """Those that are there, oldest first; whatever else lies in the folder is left alone. Raises OSError."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if _NAME.fullmatch(path.name))

    def _drop_oldest(self) -> None:
        for path in self.copies()[: -self._keep]:
            path.unlink()
