"""How much one person has had read today, and how much is kept of them."""

from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from storage.schema import PICTURES, SCANS, SLICES, USAGE, insert_into
from storage.sessions import Sessions


class Usage:
    """What quotas are measured by. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def scans_on(self, person_id: int, day: date) -> int:
        """How many scans a person was given on a day (UTC), also those that were deleted since."""
        values = {"person": person_id, "day": day}
        return await self._sessions.read(lambda at: at.scalar(_SCANS_ON, values)) or 0

    async def count_on(self, person_id: int, scans: int) -> None:
        """Count ``scans`` more for a person today, beside those that are kept."""
        await self._sessions.write(lambda at: count_scan(at, person_id, scans))

    async def bytes_of(self, person_id: int) -> int:
        """How many bytes the pictures take that are kept of a person; the rest of a scan is next to nothing."""

        def measure(at: Connection) -> int:
            return sum(at.scalar(statement, {"person": person_id}) or 0 for statement in (_PICTURES, _SLICES))

        return await self._sessions.read(measure)

    async def forget_before(self, day: date) -> int:
        """Delete the counts of earlier days; returns how many."""
        statement = delete(USAGE).where(USAGE.c.day < day)
        return await self._sessions.write(lambda at: at.execute(statement).rowcount)


def count_scan(at: Connection, person_id: int, scans: int = 1) -> None:
    """Count a scan that a person is given now; part of the transaction that keeps it."""
    values = {"person_id": person_id, "day": datetime.now(UTC).date(), "scans": scans}
    at.execute(_count(at.dialect.name == "sqlite"), values)


_SCANS_ON = select(USAGE.c.scans).where(USAGE.c.person_id == bindparam("person"), USAGE.c.day == bindparam("day"))
# SQLite knows the length of a blob without reading it.
_PICTURES = (
    select(func.sum(func.length(PICTURES.c.original) + func.length(PICTURES.c.overlay)))
    .join_from(SCANS, PICTURES, PICTURES.c.scan_id == SCANS.c.id)
    .where(SCANS.c.person_id == bindparam("person"))
)
_SLICES = (
    select(func.sum(func.length(SLICES.c.picture) + func.length(SLICES.c.heat)))
    .join_from(SCANS, SLICES, SLICES.c.scan_id == SCANS.c.id)
    .where(SCANS.c.person_id == bindparam("person"))
)


@cache
def _count(on_sqlite: bool) -> Any:
    fresh = insert_into(USAGE, on_sqlite=on_sqlite)
    return fresh.on_conflict_do_update(
        index_elements=["person_id", "day"], set_={"scans": USAGE.c.scans + fresh.excluded.scans}
    )
