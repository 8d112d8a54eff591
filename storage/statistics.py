"""Counts for administrators: no row of it says anything of one person but how much the busiest send."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select

from storage.schema import INBOX, PEOPLE, SCANS, TALLIES, USAGE, insert_into
from storage.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something happened on a day (UTC)."""

    day: date
    subject: str
    """'verdict', 'refusal' or 'quota'."""
    organ: str
    """'' for what is refused before an organ is known."""
    name: str
    """The verdict, or the reason."""
    count: int
    certainty: float
    """Sum over these of how sure the model was: the larger of P(finding) and 1 - P(finding), 0.5 to 1 each."""


@dataclass(frozen=True, slots=True)
class Overview:
    """How the bot stands now."""

    people: int
    consented: int
    blocked_us: int
    active: int
    """People with a scan that was kept since ``since``."""
    scans: int
    waiting: int
    """Updates that are not finished, those without a yes apart."""
    awaiting_consent: int
    oldest_waiting: datetime | None
    dead_letters: int
    busiest: tuple[tuple[int, int], ...]
    """Chat ids and scans of those who had most today."""


class Statistics:
    """Daily counts and the overview. Every method raises StorageError when the database fails."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def count(self, subject: str, name: str, organ: str = "", certainty: float = 0.0) -> None:
        """Count something that has happened now."""
        values = {
            "day": datetime.now(UTC).date(),
            "subject": subject,
            "organ": organ,
            "name": name,
            "count": 1,
            "certainty": certainty,
        }
        statement = _count(self._sessions.sqlite)
        await self._sessions.write(lambda at: at.execute(statement, values).rowcount)

    async def tallies(self, since: date) -> tuple[Tally, ...]:
        """Everything counted from this day on, by day."""
        rows = await self._sessions.read(lambda at: at.execute(_SINCE, {"since": since}).all())
        return tuple(Tally(*row) for row in rows)

    async def overview(self, since: datetime, *, besides: int | None = None, busiest: int = 3) -> Overview:
        """How the bot stands now, with people who were active since a time.

        ``besides`` is an update that does not wait: the question that this answers.
        """
        today = datetime.now(UTC).date()
        return await self._sessions.read(lambda at: _overview(at, since, today, besides, busiest))


def _overview(at: Connection, since: datetime, today: date, besides: int | None, busiest: int) -> Overview:
    people = at.execute(_PEOPLE).one()
    scans = at.execute(_SCANS, {"since": since}).one()
    inbox = at.execute(_INBOX, {"besides": -1 if besides is None else besides}).one()
    most = at.execute(_BUSIEST.limit(busiest), {"today": today}).all()
    return Overview(
        people=people[0],
        consented=people[1] or 0,
        blocked_us=people[2] or 0,
        active=scans[1],
        scans=scans[0],
        waiting=inbox[0] or 0,
        awaiting_consent=inbox[1] or 0,
        oldest_waiting=inbox[2],
        dead_letters=inbox[3] or 0,
        busiest=tuple((chat_id, number) for chat_id, number in most),
    )


def _how_many(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


_PEOPLE = select(
    func.count(), _how_many(PEOPLE.c.consent_at.is_not(None)), _how_many(PEOPLE.c.blocked.is_(True))
).select_from(PEOPLE)
_SCANS = select(
    func.count(), func.count(case((SCANS.c.created_at >= bindparam("since"), SCANS.c.person_id)).distinct())
).where(SCANS.c.deleted_at.is_(None))
_IS_WAITING = INBOX.c.state.in_(("waiting", "working"))
_INBOX = (
    select(
        _how_many(_IS_WAITING),
        _how_many(INBOX.c.state == "awaiting_consent"),
        func.min(case((_IS_WAITING, INBOX.c.received_at)), type_=INBOX.c.received_at.type),
        _how_many(INBOX.c.state == "dead_letter"),
    )
    .select_from(INBOX)
    .where(INBOX.c.state != "done", INBOX.c.update_id != bindparam("besides"))
)
_BUSIEST = (
    select(PEOPLE.c.chat_id, USAGE.c.scans)
    .join_from(USAGE, PEOPLE, PEOPLE.c.id == USAGE.c.person_id)
    .where(USAGE.c.day == bindparam("today"))
    .order_by(USAGE.c.scans.desc(), PEOPLE.c.id)
)
_SINCE = (
    select(TALLIES.c.day, TALLIES.c.subject, TALLIES.c.organ, TALLIES.c.name, TALLIES.c["count"], TALLIES.c.certainty)
    .where(TALLIES.c.day >= bindparam("since"))
    .order_by(TALLIES.c.day, TALLIES.c.subject, TALLIES.c.organ, TALLIES.c.name)
)


@cache
def _count(on_sqlite: bool) -> Any:
    fresh = insert_into(TALLIES, on_sqlite=on_sqlite)
    more = {name: TALLIES.c[name] + fresh.excluded[name] for name in ("count", "certainty")}
    return fresh.on_conflict_do_update(index_elements=["day", "subject", "organ", "name"], set_=more)
