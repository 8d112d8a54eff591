"""What can be asked of the database: people, and their scans. Nobody is ever given another person's scan."""

import math
import secrets
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from storage.errors import StorageError, UnknownPersonError, UnknownScanError
from storage.inbox import BARE
from storage.records import NewScan, Person, Pictures, Scan, ScanPage
from storage.schema import InboxRow, PersonRow, PictureRow, ScanRow, storable
from storage.sessions import Sessions

ALPHABET = "2345679ACDEFGHJKMNPQRTWXY"
"""Digits and capitals that are not taken for one another: 0 O, 1 I L, 8 B, U V are left out, and S and Z (5, 2)."""
_ATTEMPTS = 8

# Statements on the bare tables, made once, cost half of what rows as objects do.
_PEOPLE, _SCANS, _PICTURES, _INBOX = (cast(Table, row.__table__) for row in (PersonRow, ScanRow, PictureRow, InboxRow))


def new_public_id() -> str:
    """Draw an id such as ``A7K2-Q9``; 25^6 = 244 million of them, so two alike are rare and are drawn again."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(6))
    return f"{drawn[:4]}-{drawn[4:]}"


def clean_public_id(typed: str) -> str:
    """Bring an id as a person types it (``a7k2q9``, ``A7K2 Q9``) into its one form."""
    bare = "".join(c for c in typed.upper() if c.isalnum())
    return f"{bare[:4]}-{bare[4:]}"


class People:
    """Everybody who has written to the bot, by the id of their private chat."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def register(self, chat_id: int, name: str, language: str) -> Person:
        """Remember a person, or take over the new name of one who is known (their language stays as chosen)."""
        values: dict[str, object] = {
            "chat_id": chat_id,
            "name": name,
            "language": storable(language)[:35],
            "role": "user",
            "blocked": False,
            "next_number": 1,
            "created_at": datetime.now(UTC),
        }
        statement = _register(self._sessions.sqlite)
        return _person(await self._sessions.write(lambda at: at.execute(statement, values).one()))

    async def get(self, chat_id: int) -> Person | None:
        """Look a person up."""
        row = await self._sessions.read(lambda at: at.execute(_PERSON, {"chat": chat_id}).one_or_none())
        return _person(row) if row else None

    async def give_consent(self, chat_id: int, version: int) -> Person:
        """Note the consent to this version of the privacy text, now. Raises UnknownPersonError."""
        return await self._change(chat_id, consent_at=datetime.now(UTC), consent_version=version)

    async def withdraw_consent(self, chat_id: int) -> Person:
        """Forget the consent; what was kept stays until it is deleted. Raises UnknownPersonError."""
        return await self._change(chat_id, consent_at=None, consent_version=None)

    async def set_blocked(self, chat_id: int, blocked: bool) -> Person:
        """Note that the person blocked the bot, or came back. Raises UnknownPersonError."""
        return await self._change(chat_id, blocked=blocked)

    async def set_language(self, chat_id: int, language: str) -> Person:
        """Note the language to answer in. Raises UnknownPersonError."""
        return await self._change(chat_id, language=language)

    async def delete(self, chat_id: int) -> int:
        """Delete a person with everything of theirs; returns how many scans went. Unknown people have none.

        Updates of theirs that are held or set aside are erased too; one that is still in work erases itself when it is
        done, and one that waits is a later wish of theirs.
        """
        scans = await self._sessions.write(lambda at: _delete_person(at, chat_id))
        if scans is not None:
            await self._sessions.scrub()
        return scans or 0

    async def _change(self, chat_id: int, **values: object) -> Person:
        statement = update(_PEOPLE).where(_PEOPLE.c.chat_id == chat_id).values(**values).returning(_PEOPLE)
        row = await self._sessions.write(lambda at: at.execute(statement).one_or_none())
        if row is None:
            raise UnknownPersonError("this chat is not registered")
        return _person(row)


class Scans:
    """Scans with their pictures; each lookup names the person who asks."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def add(self, person_id: int, new: NewScan) -> Scan:
        """Keep a scan, its pictures and the person's next number, all or nothing.

        The same ``source_key`` again returns the scan that exists, also when both come at once.
        Raises UnknownPersonError when the person was deleted meanwhile.
        """
        scan, _ = await self.add_beside(person_id, new)
        return scan

    async def add_beside(self, person_id: int, new: NewScan) -> tuple[Scan, Scan | None]:
        """As ``add``; also returns this person's newest other scan of exactly the same bytes."""
        for _ in range(_ATTEMPTS):
            try:
                row, other = await self._sessions.write(lambda at: _add(at, person_id, new))
            except IntegrityError as error:
                # Another replica was faster with this source key, or the public id is taken: look and draw again.
                problem = error
            else:
                return _scan(row), _scan(other) if other else None
        raise StorageError("a scan could not be kept: its values break a rule of the schema") from problem

    async def get(self, person_id: int, public_id: str) -> Scan | None:
        """Find a scan of this person by its public id, typed with or without dash and capitals."""
        return await self._one(_BY_PUBLIC_ID, person=person_id, public_id=clean_public_id(public_id))

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

    async def same_picture(self, person_id: int, sha256: str) -> Scan | None:
        """Find this person's newest scan of exactly these bytes."""
        return await self._one(_BY_PICTURE, person=person_id, sha256=sha256)

    async def _one(self, statement: Select[Any], **values: object) -> Scan | None:
        row = await self._sessions.read(lambda at: at.execute(statement, values).first())
        return _scan(row) if row else None

    async def page(self, person_id: int, page: int, size: int) -> ScanPage:
        """Read one page of the history, newest first; a page beyond the ends gives the nearest that exists.

        An empty history has one page without scans.
        """
        return await self._sessions.read(lambda at: _page(at, person_id, page, size))

    async def pictures(self, scan_id: int) -> Pictures:
        """Read the pictures of a scan that a lookup above has returned. Raises UnknownScanError when it is gone."""
        row = await self._sessions.read(lambda at: at.execute(_PICTURES_OF, {"scan": scan_id}).first())
        if row is None:
            raise UnknownScanError("the pictures of this scan were deleted")
        return Pictures(row.original, row.overlay)

    async def record_message(self, scan_id: int, step: str, message_id: int, file_id: str | None = None) -> None:
        """Note which message a step of the journey became, and the file id to send it again without uploading.

        A scan that was deleted meanwhile is left alone.
        """

        def record(at: Connection) -> None:
            known = at.execute(_SENT, {"scan": scan_id}).first()
            if known is None:
                return
            file_ids = known.file_ids if file_id is None else {**known.file_ids, step: file_id}
            at.execute(_RECORD, {"scan": scan_id, "sent": {**known.messages, step: message_id}, "with_ids": file_ids})

        await self._sessions.write(record)

    async def delete(self, person_id: int, public_id: str) -> Scan | None:
        """Delete a scan of this person with its pictures; returns what it was. Its number is not used again."""
        where = {"person": person_id, "public_id": clean_public_id(public_id)}

        def delete_one(at: Connection) -> Row[Any] | None:
            row = at.execute(_BY_PUBLIC_ID, where).first()
            if row is not None:
                at.execute(delete(_SCANS).where(_SCANS.c.id == row.id))
            return row

        row = await self._sessions.write(delete_one)
        if row is None:
            return None
        await self._sessions.scrub()
        return _scan(row)


_PERSON = select(_PEOPLE).where(_PEOPLE.c.chat_id == bindparam("chat"))
_NEWEST = select(_SCANS).where(_SCANS.c.person_id == bindparam("person")).order_by(_SCANS.c.number.desc()).limit(1)
_BY_PUBLIC_ID = _NEWEST.where(_SCANS.c.public_id == bindparam("public_id"))
_BY_NUMBER = _NEWEST.where(_SCANS.c.number == bindparam("number"))
_BY_SOURCE = _NEWEST.where(_SCANS.c.source_key == bindparam("source_key"))
# Newest by id: ordered by number, SQLite walks the whole history instead of looking the picture up in its index.
_BY_PICTURE = _NEWEST.where(_SCANS.c.picture_sha256 == bindparam("sha256")).order_by(None).order_by(_SCANS.c.id.desc())
_NEXT_NUMBER = (
    update(_PEOPLE)
    .where(_PEOPLE.c.id == bindparam("person"))
    .values(next_number=_PEOPLE.c.next_number + 1)
    .returning(_PEOPLE.c.next_number - 1)
)
_ADD, _ADD_PICTURES = insert(_SCANS).returning(_SCANS), insert(_PICTURES)
_PICTURES_OF = select(_PICTURES).where(_PICTURES.c.scan_id == bindparam("scan"))
_SENT = select(_SCANS.c.messages, _SCANS.c.file_ids).where(_SCANS.c.id == bindparam("scan")).with_for_update()
_RECORD = (
    update(_SCANS)
    .where(_SCANS.c.id == bindparam("scan"))
    .values(messages=bindparam("sent"), file_ids=bindparam("with_ids"))
)


@cache
def _register(on_sqlite: bool) -> Any:
    """The INSERT that knows ON CONFLICT; PostgreSQL's takes a while to load, so only where it is used."""
    if on_sqlite:
        insert_or: Any = sqlite.insert
    else:
        from sqlalchemy.dialects import postgresql

        insert_or = postgresql.insert
    fresh = insert_or(_PEOPLE)
    known = fresh.on_conflict_do_update(index_elements=["chat_id"], set_={"name": fresh.excluded.name})
    return known.returning(_PEOPLE)


def _delete_person(at: Connection, chat_id: int) -> int | None:
    of_chat = (_INBOX.c.chat_id == chat_id, _INBOX.c.state.in_(("held", "set_aside")))
    at.execute(update(_INBOX).where(*of_chat).values(**BARE, finished_at=datetime.now(UTC)))
    person = at.execute(_PERSON, {"chat": chat_id}).first()
    if person is None:
        return None
    scans = at.scalar(select(func.count()).where(_SCANS.c.person_id == person.id))
    at.execute(delete(_PEOPLE).where(_PEOPLE.c.id == person.id))
    return scans or 0


def _add(at: Connection, person_id: int, new: NewScan) -> tuple[Row[Any], Row[Any] | None]:
    of_picture = {"person": person_id, "sha256": new.picture_sha256}
    known = at.execute(_BY_SOURCE, {"person": person_id, "source_key": new.source_key}).first()
    if known is not None:
        other = at.execute(_BY_PICTURE.where(_SCANS.c.id != known.id), of_picture).first()
        return known, other
    other = at.execute(_BY_PICTURE, of_picture).first()
    number = at.scalar(_NEXT_NUMBER, {"person": person_id})
    if number is None:
        raise UnknownPersonError("the person of this scan is not registered (any more)")
    row = at.execute(_ADD, _values(person_id, number, new)).one()
    at.execute(_ADD_PICTURES, {"scan_id": row.id, "original": new.pictures.original, "overlay": new.pictures.overlay})
    return row, other


def _page(at: Connection, person_id: int, page: int, size: int) -> ScanPage:
    total = at.scalar(select(func.count()).where(_SCANS.c.person_id == person_id)) or 0
    pages = max(1, math.ceil(total / size))
    page = min(max(page, 1), pages)
    # The ids come from the index alone, so that only the rows of this page are read from the table.
    ids = (
        select(_SCANS.c.id)
        .where(_SCANS.c.person_id == person_id)
        .order_by(_SCANS.c.number.desc())
        .offset((page - 1) * size)
        .limit(size)
    )
    rows = at.execute(select(_SCANS).where(_SCANS.c.id.in_(ids)).order_by(_SCANS.c.number.desc()))
    return ScanPage(tuple(map(_scan, rows)), page, pages, total)


def _values(person_id: int, number: int, new: NewScan) -> dict[str, object]:
    return {
        "person_id": person_id,
        "public_id": new_public_id(),
        "number": number,
        "source_key": storable(new.source_key),
        "patient_label": None if new.patient_label is None else storable(new.patient_label),
        "organ": new.organ,
        "verdict": new.verdict,
        "reason": new.reason,
        "label": new.label,
        "confidence": new.confidence,
        "probabilities": dict(new.probabilities),
        "prediction_set": list(new.prediction_set),
        "gate": dict(new.gate),
        "model_name": new.model_name,
        "model_version": new.model_version,
        "model_sha256": new.model_sha256,
        "picture_sha256": new.picture_sha256,
        "received_as": new.received_as,
        "width": new.width,
        "height": new.height,
        "created_at": datetime.now(UTC),
        "messages": {},
        "file_ids": {},
    }


def _scan(row: Row[Any]) -> Scan:
    return Scan(
        id=row.id,
        person_id=row.person_id,
        public_id=row.public_id,
        number=row.number,
        source_key=row.source_key,
        patient_label=row.patient_label,
        organ=row.organ,
        verdict=row.verdict,
        reason=row.reason,
        label=row.label,
        confidence=row.confidence,
        probabilities=dict(row.probabilities),
        prediction_set=tuple(row.prediction_set),
        gate=dict(row.gate),
        model_name=row.model_name,
        model_version=row.model_version,
        model_sha256=row.model_sha256,
        picture_sha256=row.picture_sha256,
        received_as=row.received_as,
        width=row.width,
        height=row.height,
        created_at=row.created_at,
        messages=dict(row.messages),
        file_ids=dict(row.file_ids),
    )


def _person(row: Row[Any]) -> Person:
    return Person(
        id=row.id,
        chat_id=row.chat_id,
        name=row.name,
        language=row.language,
        consent_at=row.consent_at,
        consent_version=row.consent_version,
        role=row.role,
        blocked=row.blocked,
        created_at=row.created_at,
    )
