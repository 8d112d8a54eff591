"""What a doctor found, as people tell it of their scans: to see how the models do in this place."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from storage.columns import names_of
from storage.public_id import read_public_id
from storage.records import Outcome
from storage.schema import OUTCOMES, SCANS, insert_into
from storage.sessions import Sessions

NOTHING, SOMETHING_ELSE = "-nothing", "-else"
"""What a doctor can find beside the classes of a model, whose names begin with a letter."""
LENGTH = 40
"""Letters to which a finding is filled with blanks: sealed, the shorter ones would tell which they are."""
_COLUMNS = tuple(OUTCOMES.c[name] for name in names_of(Outcome))


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many scans a model answered alike of which the doctor found the same."""

    organ: str
    model_version: str
    model_sha256: str
    verdict: str
    label: str
    """The class that the verdict rests on."""
    found: str
    count: int


@dataclass(frozen=True, slots=True)
class SharedScan:
    """A scan whose picture may be handed on with what the doctor found."""

    scan_id: int
    person_id: int
    organ: str
    found: str
    is_study: bool


class Outcomes:
    """Outcomes by scan; each method that changes one names the person. Raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._seal = sessions.vault.of(OUTCOMES)

    async def of(self, scan_id: int) -> Outcome | None:
        """What the doctor found, as far as it was told."""
        row = await self._sessions.read(lambda at: at.execute(_OF_SCAN, {"scan": scan_id}).first())
        return self._outcome(row)

    async def note(self, person_id: int, public_id: str, found: str) -> Outcome | None:
        """Keep or change what the doctor found: a class, NOTHING or SOMETHING_ELSE. None: this person has no such scan.

        A yes to handing the picture on was given for what was told before, so a change takes it back.
        """
        statement, now = _note(self._sessions.sqlite), datetime.now(UTC)

        def keep(at: Connection) -> Any:
            scan = _scan(at, person_id, public_id)
            if scan is None:
                return None
            known = at.execute(_OF_SCAN, {"scan": scan}).first()
            if known is not None and self._opened(known).found == found:
                return known
            values = {"scan_id": scan, "found": found.ljust(LENGTH), "noted_at": now, "shared_at": None}
            return at.execute(statement, self._seal.values(values)).one()

        return self._outcome(await self._sessions.write(keep))

    async def share(self, person_id: int, public_id: str, *, shared: bool) -> Outcome | None:
        """Note a yes to handing the picture on with the outcome, or take it back. None: there is no such outcome."""
        values = {"shared_at": datetime.now(UTC) if shared else None}

        def change(at: Connection) -> Any:
            scan = _scan(at, person_id, public_id)
            statement = update(OUTCOMES).where(OUTCOMES.c.scan_id == scan).values(**values).returning(*_COLUMNS)
            return None if scan is None else at.execute(statement).one_or_none()

        return self._outcome(await self._sessions.write(change))

    async def remove(self, person_id: int, public_id: str) -> bool:
        """Delete an outcome, also from the disk; False when there is none."""

        def delete_one(at: Connection) -> bool:
            scan = _scan(at, person_id, public_id)
            return at.execute(delete(OUTCOMES).where(OUTCOMES.c.scan_id == scan)).rowcount == 1

        was_there = await self._sessions.write(delete_one)
        if was_there:
            await self._sessions.scrub()
        return was_there

    async def counts(self) -> tuple[OutcomeCount, ...]:
        """All outcomes, counted by organ, model, answer and what was found."""
        rows = await self._sessions.read(lambda at: at.execute(_ALL).all())
        counted = Counter(
            (row.organ, row.model_version, row.model_sha256, row.verdict, row.label, self._found(row)) for row in rows
        )
        return tuple(OutcomeCount(*group, count) for group, count in sorted(counted.items()))

    async def shared(self) -> tuple[SharedScan, ...]:
        """The scans whose pictures may be handed on, oldest first."""
        rows = await self._sessions.read(lambda at: at.execute(_SHARED).all())
        # No study is a null of JSON, and not of SQL, so that Python has to tell.
        return tuple(
            SharedScan(row.scan_id, row.person_id, row.organ, self._found(row), row.study is not None) for row in rows
        )

    def _outcome(self, row: Any) -> Outcome | None:
        return self._opened(row) if row else None

    def _opened(self, row: Any) -> Outcome:
        outcome = Outcome(*self._seal.row(row))
        return replace(outcome, found=outcome.found.rstrip())

    def _found(self, row: Any) -> str:
        """What was found, of a row that has it beside ``scan_id``."""
        sealed = {"found": row.found, "scan_id": row.scan_id}
        return str(self._seal.opened(sealed)["found"]).rstrip()


def _scan(at: Connection, person_id: int, public_id: str) -> int | None:
    found: int | None = at.scalar(_SCAN, {"person": person_id, "public": read_public_id(public_id)})
    return found


_IS_THERE = SCANS.c.deleted_at.is_(None)
_OF_PERSON = (SCANS.c.person_id == bindparam("person"), SCANS.c.public_id == bindparam("public"))
_SCAN = select(SCANS.c.id).where(*_OF_PERSON, _IS_THERE)
_OF_SCAN = select(*_COLUMNS).where(OUTCOMES.c.scan_id == bindparam("scan"))
_GROUP = (
    SCANS.c.organ,
    SCANS.c.model_version,
    SCANS.c.model_sha256,
    SCANS.c.verdict,
    SCANS.c.label,
)
_JOINED = OUTCOMES.join(SCANS, SCANS.c.id == OUTCOMES.c.scan_id)
_SAID = (OUTCOMES.c.scan_id, OUTCOMES.c.found)
_ALL = select(*_GROUP, *_SAID).select_from(_JOINED).where(_IS_THERE)
_SHARED = (
    select(*_SAID, SCANS.c.person_id, SCANS.c.organ, SCANS.c.study)
    .select_from(_JOINED)
    .where(OUTCOMES.c.shared_at.is_not(None), _IS_THERE)
    .order_by(SCANS.c.id)
)


@cache
def _note(on_sqlite: bool) -> Any:
    fresh = insert_into(OUTCOMES, on_sqlite=on_sqlite)
    changed = {name: fresh.excluded[name] for name in ("found", "noted_at", "shared_at")}
    return fresh.on_conflict_do_update(index_elements=["scan_id"], set_=changed).returning(*_COLUMNS)
