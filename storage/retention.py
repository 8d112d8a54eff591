"""What is not to stay: scans of people who want nothing kept, and all that is older than it may be."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select

from storage.records import Scan
from storage.schema import RECEIPTS, SCANS, insert_into
from storage.sessions import Sessions

BATCH = 50
"""Scans of one transaction: others wait for no more than these."""


class Retention:
    """Deletes what has had its time. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def forget(self, scan: Scan) -> None:
        """Delete a scan that was answered, and leave a receipt that says only that: its message makes no second one.

        A person or scan that was deleted meanwhile is left alone.
        """
        receipt = {"person_id": scan.person_id, "receipt": _receipt(scan.person_id, scan.source_key)}
        note = insert_into(RECEIPTS, on_sqlite=self._sessions.sqlite).on_conflict_do_nothing()

        def replace(at: Connection) -> None:
            if at.execute(delete(SCANS).where(SCANS.c.id == scan.id)).rowcount:
                at.execute(note, {**receipt, "answered_at": datetime.now(UTC)})

        await self._sessions.write(replace, durable=True)
        await self._sessions.scrub()

    async def was_forgotten(self, person_id: int, source_key: str) -> bool:
        """Whether the picture of this message was answered and forgotten."""
        known = select(RECEIPTS.c.id).where(
            RECEIPTS.c.person_id == person_id, RECEIPTS.c.receipt == _receipt(person_id, source_key)
        )
        return await self._sessions.read(lambda at: at.scalar(known)) is not None

    async def tidy(self, passing_before: datetime, receipts_before: datetime) -> int:
        """Delete scans that were to be forgotten and not answered since, which are counted, and old receipts."""
        old = delete(RECEIPTS).where(RECEIPTS.c.answered_at < receipts_before)
        await self._sessions.write(lambda at: at.execute(old).rowcount)
        return await self._delete(SCANS.c.passes, SCANS.c.created_at < passing_before)

    async def expire(self, before: datetime) -> int:
        """Delete all scans that were read before this time, with their pictures; returns how many."""
        return await self._delete(SCANS.c.created_at < before)

    async def _delete(self, *which: object) -> int:
        some = select(SCANS.c.id).where(*which).order_by(SCANS.c.id).limit(BATCH)  # type: ignore[arg-type]
        total = 0
        while gone := await self._sessions.write(lambda at: _delete_some(at, at.scalars(some).all())):
            total += gone
        if total:
            await self._sessions.scrub()
        return total


def _delete_some(at: Connection, ids: Sequence[int]) -> int:
    return at.execute(delete(SCANS).where(SCANS.c.id.in_(ids))).rowcount if ids else 0


def _receipt(person_id: int, source_key: str) -> str:
    return hashlib.sha256(f"{person_id}/{source_key}".encode()).hexdigest()
