"""Scans with their pictures and slices. Nobody is ever given another person's scan."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.columns import names_of
from storage.errors import StorageError, UnknownPersonError, UnknownScanError
from storage.public_id import new_public_id, read_public_id
from storage.records import KeptSlice, NewScan, Pictures, Scan, ScanFields, ScanPage
from storage.schema import PEOPLE, PICTURES, SCANS, SLICES
from storage.sessions import Sessions
from storage.usage import count_scan
from storage.vault import Vault

_ATTEMPTS = 8

# Statements on the bare tables, made once, cost half of what rows as objects do. The columns are selected in the order
# of the record's fields, so that a row is the record's arguments.
_SCAN_VALUES = names_of(ScanFields)
_SCAN_COLUMNS = tuple(SCANS.c[name] for name in names_of(Scan))


class Scans:
    """Scans with their pictures; each lookup names the person who asks."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._vault = sessions.vault
        self._seal = sessions.vault.of(SCANS)

    async def add(self, person_id: int, new: NewScan) -> tuple[Scan, Scan | None]:
        """Keep a scan, its pictures and the person's next number, all or nothing.

        Also returns this person's newest other scan of exactly the same bytes. The same ``source_key`` again returns
        the scan that exists, also when both come at once.
        Raises UnknownPersonError when the person was deleted meanwhile.
        """
        for _ in range(_ATTEMPTS):
            try:
                row, other = await self._sessions.write(lambda at: _add(at, person_id, new, self._vault))
            except IntegrityError as error:
                # Another replica was faster with this source key, or the public id is taken: look and draw again.
                problem = error
            else:
                return self._scan(row), self._scan(other) if other else None
        raise StorageError("a scan could not be kept: its values break a rule of the schema") from problem

    async def get(self, person_id: int, public_id: str) -> Scan | None:
        """Find a scan of this person by its public id, typed with or without dash and capitals."""
        known = read_public_id(public_id)
        return await self._one(_BY_PUBLIC_ID, person=person_id, public_id=known) if known else None

    async def by_number(self, person_id: int, number: int) -> Scan | None:
        """Find a scan of this person by its number, which may be anything that a person types."""
        if not 1 <= number < 2**31:  # more than a database takes for an integer
            return None
        return await self._one(_BY_NUMBER, person=person_id, number=number)

    async def by_source(self, person_id: int, source_key: str) -> Scan | None:
        """Find the scan that this message and file became already."""
        return await self._one(_BY_SOURCE, person=person_id, source_key=source_key)

    async def last(self, person_id: int) -> Scan | None:
        """Find this person's newest scan."""
        return await self._one(_NEWEST, person=person_id)

    async def _one(self, statement: Select[Any], **values: object) -> Scan | None:
        row = await self._sessions.read(lambda at: at.execute(statement, values).first())
        return self._scan(row) if row else None

    def _scan(self, row: Row[Any]) -> Scan:
        return Scan(**self._seal.opened(row._asdict()))

    async def page(self, person_id: int, page: int, size: int, label: str | None = None) -> ScanPage:
        """Read one page of the history, newest first; a page beyond the ends gives the nearest that exists.

        ``label``: only scans whose label holds that, whatever its capitals. An empty history has one page.
        """
        rows, number, pages, total = await self._sessions.read(lambda at: self._page(at, person_id, page, size, label))
        return ScanPage(tuple(self._scan(row) for row in rows), number, pages, total)

    async def following(self, person_id: int, number: int, most: int) -> tuple[Scan, ...]:
        """This person's scans with greater numbers than this one, the least first, at most so many."""
        beyond = _OF_PERSON.where(SCANS.c.number > number).order_by(SCANS.c.number).limit(most)
        rows = await self._sessions.read(lambda at: at.execute(beyond, {"person": person_id}).all())
        return tuple(self._scan(row) for row in rows)

    async def labelled(self, person_id: int, label: str) -> Scan | None:
        """Find this person's newest scan that is called exactly so, whatever its capitals."""
        called = label.casefold()
        rows = await self._sessions.read(lambda at: self._called(at, person_id, lambda known: known == called)[:1])
        return await self.get(person_id, rows[0].public_id) if rows else None

    def _page(
        self, at: Connection, person_id: int, page: int, size: int, label: str | None
    ) -> tuple[Sequence[Row[Any]], int, int, int]:
        """The rows of the nearest page that exists, its number, how many there are, and how many scans."""
        if label is None:
            return _page(at, person_id, page, size)
        called = label.casefold()
        return _page(
            at, person_id, page, size, [row.id for row in self._called(at, person_id, lambda it: called in it)]
        )

    def _called(self, at: Connection, person_id: int, fits: Callable[[str], bool]) -> list[Row[Any]]:
        """Scans of this person, newest first, whose label fits: compared here, where it is open."""
        rows: Any = at.execute(_LABELS, {"person": person_id})
        return [row for row in rows if fits(self._label(row).casefold())]

    def _label(self, row: Row[Any]) -> str:
        return str(self._seal.opened(row._asdict())["patient_label"])

    async def pictures(self, scan_id: int) -> Pictures:
        """Read the pictures of a scan that a lookup above has returned. Raises UnknownScanError when it is gone."""
        row = await self._sessions.read(lambda at: at.execute(_PICTURES_OF, {"scan": scan_id}).first())
        if row is None:
            raise UnknownScanError("the pictures of this scan were deleted")
        opened = self._vault.of(PICTURES).opened(dict(row._mapping))
        return Pictures(opened["original"], opened["overlay"])

    async def slices(self, scan_id: int, *numbers: int) -> tuple[KeptSlice, ...]:
        """Read the slices of a study in their order, or those of some numbers; none for a single picture."""
        wanted = _SLICES_OF.where(SLICES.c.number.in_(numbers)) if numbers else _SLICES_OF
        rows = await self._sessions.read(lambda at: at.execute(wanted, {"scan": scan_id}).all())
        seal = self._vault.of(SLICES)
        return tuple(KeptSlice(*seal.row(row, scan_id=scan_id)) for row in rows)

    async def record_message(
        self, scan_id: int, step: str, message_id: int, file_id: str | None = None, file_key: str | None = None
    ) -> None:
        """Note which message a step of the journey became, and the file id to send it again without uploading.

        The file id is kept under ``file_key``, which is the step unless there are several files of one step.

        A scan that was deleted meanwhile is left alone.
        """

        def record(at: Connection) -> None:
            known = at.execute(_SENT, {"scan": scan_id}).first()
            if known is None:
                return
            file_ids = known.file_ids if file_id is None else {**known.file_ids, file_key or step: file_id}
            at.execute(_RECORD, {"scan": scan_id, "sent": {**known.messages, step: message_id}, "with_ids": file_ids})

        await self._sessions.write(record)

    async def note_file(self, scan_id: int, key: str, file_id: str) -> None:
        """Note a file of Telegram's that belongs to a scan, such as the one that was read; see ``Scan.file_ids``.

        A scan that was deleted meanwhile is left alone.
        """

        def record(at: Connection) -> None:
            known = at.execute(_SENT, {"scan": scan_id}).first()
            if known is not None:
                files = {**known.file_ids, key: file_id}
                at.execute(_RECORD, {"scan": scan_id, "sent": known.messages, "with_ids": files})

        await self._sessions.write(record)

    async def relabel(self, scan_id: int, label: str | None) -> None:
        """Give a scan another label; a report that was sent shows the old one, so it is not sent again by its file id.

        A scan that was deleted meanwhile is left alone.
        """

        def change(at: Connection) -> None:
            known = at.execute(_SENT, {"scan": scan_id}).first()
            if known is not None:
                file_ids = {
                    step: file_id for step, file_id in known.file_ids.items() if step.partition(".")[0] != "report"
                }
                values = self._seal.values({"patient_label": label, "file_ids": file_ids}, public_id=known.public_id)
                at.execute(update(SCANS).where(SCANS.c.id == scan_id).values(**values))

        await self._sessions.write(change)

    async def hide(self, person_id: int, public_id: str) -> Scan | None:
        """Take a scan of this person out of every list, until ``restore`` or ``purge``; returns it as it was."""
        return await self._mark(person_id, public_id, datetime.now(UTC))

    async def restore(self, person_id: int, public_id: str) -> Scan | None:
        """Bring back a scan that ``hide`` took away; None when it is gone, or was never hidden."""
        return await self._mark(person_id, public_id, None)

    async def _mark(self, person_id: int, public_id: str, deleted_at: datetime | None) -> Scan | None:
        is_hidden = SCANS.c.deleted_at.is_not(None)
        where = (SCANS.c.person_id == person_id, SCANS.c.public_id == read_public_id(public_id))
        change = (
            update(SCANS)
            .where(*where, ~is_hidden if deleted_at else is_hidden)
            .values(deleted_at=deleted_at)
            .returning(*_SCAN_COLUMNS)
        )
        row = await self._sessions.write(lambda at: at.execute(change).one_or_none())
        return self._scan(row) if row else None

    async def oldest_hidden(self) -> datetime | None:
        """Since when the scan that is hidden the longest is so; None when none is."""
        return await self._sessions.read(lambda at: at.scalar(select(func.min(SCANS.c.deleted_at))))

    async def purge(self, hidden_before: datetime) -> int:
        """Delete what was hidden before this time, with its pictures; returns how many scans went."""
        old = delete(SCANS).where(SCANS.c.deleted_at < hidden_before)
        gone = await self._sessions.write(lambda at: at.execute(old).rowcount)
        if gone:
            await self._sessions.scrub()
        return gone

    async def delete(self, person_id: int, public_id: str) -> Scan | None:
        """Delete a scan of this person with its pictures; returns what it was. Its number is not used again."""
        where = {"person": person_id, "public_id": read_public_id(public_id)}

        def delete_one(at: Connection) -> Row[Any] | None:
            row = at.execute(_BY_PUBLIC_ID, where).first()
            if row is not None:
                at.execute(delete(SCANS).where(SCANS.c.id == row.id))
            return row

        row = await self._sessions.write(delete_one)
        if row is None:
            return None
        await self._sessions.scrub()
        return self._scan(row)


_NOT_HIDDEN = SCANS.c.deleted_at.is_(None)
_OF_PERSON = select(*_SCAN_COLUMNS).where(SCANS.c.person_id == bindparam("person"), _NOT_HIDDEN)
_NEWEST = _OF_PERSON.order_by(SCANS.c.number.desc()).limit(1)
_BY_PUBLIC_ID = _NEWEST.where(SCANS.c.public_id == bindparam("public_id"))
_BY_NUMBER = _NEWEST.where(SCANS.c.number == bindparam("number"))
# A hidden one too: a message that comes again makes no second scan.
_BY_SOURCE = select(*_SCAN_COLUMNS).where(
    SCANS.c.person_id == bindparam("person"), SCANS.c.source_key == bindparam("source_key")
)
# Newest by id: ordered by number, SQLite walks the whole history instead of looking the picture up in its index.
_BY_PICTURE = _NEWEST.where(SCANS.c.picture_sha256 == bindparam("sha256")).order_by(None).order_by(SCANS.c.id.desc())
# Both ask an index alone, so that only the rows of one page are read from the table.
_COUNT = select(func.count()).where(SCANS.c.person_id == bindparam("person"), _NOT_HIDDEN)
_IDS = select(SCANS.c.id).where(SCANS.c.person_id == bindparam("person"), _NOT_HIDDEN)
_PASSED, _MOST = bindparam("passed", type_=Integer), bindparam("most", type_=Integer)
_SHOWN = select(*_SCAN_COLUMNS).order_by(SCANS.c.number.desc())
_NEWEST_PAGE, _OLDEST_PAGE = (
    _SHOWN.where(SCANS.c.id.in_(_IDS.order_by(end).offset(_PASSED).limit(_MOST)))
    for end in (SCANS.c.number.desc(), SCANS.c.number)
)
_LABELS = (
    select(SCANS.c.id, SCANS.c.public_id, SCANS.c.patient_label)
    .where(SCANS.c.person_id == bindparam("person"), _NOT_HIDDEN, SCANS.c.patient_label.is_not(None))
    .order_by(SCANS.c.number.desc())
)
_NEXT_NUMBER = (
    update(PEOPLE)
    .where(PEOPLE.c.id == bindparam("person"))
    .values(next_number=PEOPLE.c.next_number + 1)
    .returning(PEOPLE.c.next_number - 1, PEOPLE.c.forgets)
)
_ADD, _ADD_PICTURES = insert(SCANS).returning(*_SCAN_COLUMNS), insert(PICTURES)
_PICTURES_OF = select(PICTURES).where(PICTURES.c.scan_id == bindparam("scan"))
_SLICES_OF = (
    select(*(SLICES.c[field.name] for field in fields(KeptSlice)))
    .where(SLICES.c.scan_id == bindparam("scan"))
    .order_by(SLICES.c.number)
)
_SENT = (
    select(SCANS.c.public_id, SCANS.c.messages, SCANS.c.file_ids)
    .where(SCANS.c.id == bindparam("scan"))
    .with_for_update()
)
_RECORD = (
    update(SCANS)
    .where(SCANS.c.id == bindparam("scan"))
    .values(messages=bindparam("sent"), file_ids=bindparam("with_ids"))
)


def _add(at: Connection, person_id: int, new: NewScan, vault: Vault) -> tuple[Row[Any], Row[Any] | None]:
    of_picture = {"person": person_id, "sha256": new.picture_sha256}
    known = at.execute(_BY_SOURCE, {"person": person_id, "source_key": new.source_key}).first()
    if known is not None:
        other = at.execute(_BY_PICTURE.where(SCANS.c.id != known.id), of_picture).first()
        return known, other
    other = at.execute(_BY_PICTURE, of_picture).first()
    counted = at.execute(_NEXT_NUMBER, {"person": person_id}).one_or_none()
    if counted is None:
        raise UnknownPersonError("the person of this scan is not registered (any more)")
    number, passes = counted
    row = at.execute(_ADD, vault.of(SCANS).values(_values(person_id, number, passes, new))).one()
    at.execute(_ADD_PICTURES, vault.of(PICTURES).values({"scan_id": row.id, **asdict(new.pictures)}))
    count_scan(at, person_id)
    if new.slices:
        seal = vault.of(SLICES)
        at.execute(insert(SLICES), [seal.values({"scan_id": row.id, **asdict(one)}) for one in new.slices])
    return row, other


def _page(
    at: Connection, person_id: int, page: int, size: int, among: list[int] | None = None
) -> tuple[Sequence[Row[Any]], int, int, int]:
    """As ``Scans._page``, of all scans or of those whose ids are ``among`` these, in their order."""
    total = at.scalar(_COUNT, {"person": person_id}) or 0 if among is None else len(among)
    pages = max(1, math.ceil(total / size))
    page = min(max(page, 1), pages)
    newer, older = (page - 1) * size, max(total - page * size, 0)
    if among is not None:
        these = _SHOWN.where(SCANS.c.id.in_(among[newer : newer + size]))
        return at.execute(these).all(), page, pages, total
    # What is passed over is walked too, so it is begun at the nearer end.
    page_of, passed = (_NEWEST_PAGE, newer) if newer <= older else (_OLDEST_PAGE, older)
    rows = at.execute(page_of, {"person": person_id, "passed": passed, "most": min(size, total - newer)}).all()
    return rows, page, pages, total


def _values(person_id: int, number: int, passes: bool, new: NewScan) -> dict[str, object]:
    return {name: getattr(new, name) for name in _SCAN_VALUES} | {
        "person_id": person_id,
        "public_id": new_public_id(),
        "number": number,
        "created_at": datetime.now(UTC),
        "messages": {},
        "file_ids": {},
        "passes": passes,
    }
