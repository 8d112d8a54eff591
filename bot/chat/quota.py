"""How much one person may have read and kept, and how much disk is left: asked before a picture is fetched."""

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from bot.errors import UserFacingError
from bot.settings import Settings
from storage.database import Database

_log = logging.getLogger(__name__)
TELL_AGAIN = timedelta(hours=1)
"""Between two lines in the log about a disk that is full."""


@dataclass(slots=True)
class Quota:
    """The limits of the settings, asked of the database; what it remembers by itself does not outlive the process."""

    settings: Settings
    database: Database
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _spent: dict[bytes, int] = field(default_factory=dict)
    """Scans that people who deleted everything were given today: by a keyed hash, which names nobody."""
    _spent_on: date = date.min
    _told_at: datetime | None = None

    async def check(self, person_id: int) -> None:
        """Raises UserFacingError when no picture of this person may be read now, saying when that ends."""
        await self._check_day(person_id)
        await self._check_bytes(person_id)
        await self._check_disk()

    async def spend_before_deletion(self, chat_id: int, person_id: int) -> None:
        """Remember for today what a person was given who is about to be deleted, or a limit would end with that."""
        if self.settings.scans_per_day is None:
            return
        today = datetime.now(UTC).date()
        if today != self._spent_on:
            self._spent.clear()
            self._spent_on = today
        if scans := await self.database.usage.scans_on(person_id, today):
            self._spent[self._hash(chat_id)] = scans

    async def take_over(self, chat_id: int, person_id: int) -> None:
        """Count for somebody who is new what they were given today before they deleted everything."""
        scans = self._spent.pop(self._hash(chat_id), 0) if self._spent else 0
        if scans and datetime.now(UTC).date() == self._spent_on:
            await self.database.usage.count_on(person_id, scans)

    async def _check_day(self, person_id: int) -> None:
        limit, now = self.settings.scans_per_day, datetime.now(UTC)
        if limit is not None and await self.database.usage.scans_on(person_id, now.date()) >= limit:
            opens = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
            raise UserFacingError("quota.day", count=limit, when=opens)

    async def _check_bytes(self, person_id: int) -> None:
        limit = self.settings.bytes_per_person
        if limit is not None and await self.database.usage.bytes_of(person_id) >= limit:
            raise UserFacingError("quota.bytes")

    async def _check_disk(self) -> None:
        if not self.settings.min_free_disk:
            return
        free = await self.database.free_disk()
        if free is None or free >= self.settings.min_free_disk:
            return
        now = datetime.now(UTC)
        if self._told_at is None or now - self._told_at > TELL_AGAIN:
            self._told_at = now
            _log.error("MIN_FREE_DISK: %.0f MB are free: no picture is taken until there is more room", free / 1e6)
        raise UserFacingError("quota.disk")

    def _hash(self, chat_id: int) -> bytes:
        return hmac.digest(self._key, str(chat_id).encode(), hashlib.sha256)
