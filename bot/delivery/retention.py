"""RETENTION_DAYS: what is older goes by itself, once a day."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.delivery.inbox import DEAD_KEPT, DONE_KEPT
from storage.backups import prune
from storage.database import Database
from storage.errors import StorageDownError, StorageError

EVERY, AFTER_TROUBLE = 86_400.0, 3_600.0
"""Seconds until the next time, and until the next try when the database failed."""
_log = logging.getLogger(__name__)


async def keep_within(database: Database, kept: timedelta, copies: Path) -> None:
    """Delete what is older than ``kept``, also copies of the database in a folder, now and daily, until cancelled."""
    while True:
        try:
            await expire(database, kept)
            await asyncio.to_thread(prune, copies, datetime.now(UTC) - kept)
        except StorageDownError:  # said by whoever needs the database more
            await asyncio.sleep(AFTER_TROUBLE)
        except StorageError as error:
            _log.error("BACKUP_DIR: %s", error)
            await asyncio.sleep(AFTER_TROUBLE)
        else:
            await asyncio.sleep(EVERY)


async def expire(database: Database, kept: timedelta) -> int:
    """Delete scans with their pictures, and updates, of before ``kept`` ago; returns how many scans."""
    now = datetime.now(UTC)
    scans = await database.retention.expire(now - kept)
    await database.inbox.prune(now - min(kept, DONE_KEPT), now - min(kept, DEAD_KEPT))
    if scans:
        _log.info("RETENTION_DAYS: deleted because of their age: %s", f"{scans} scan{'s' * (scans != 1)}")
    return scans
