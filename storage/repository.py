"""What can be asked of the database: people, and their scans. Nobody is ever given another person's scan."""

import math
import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
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
        fresh = self._insert()(PersonRow).values(
            chat_id=chat_id, name=name, language=storable(language)[:35], created_at=datetime.now(UTC)
        )
        statement = fresh.on_conflict_do_update(index_elements=["chat_id"], set_={"name": fresh.excluded.name})
        async with self._sessions.writing() as session:
            row = await session.scalars(statement.returning(PersonRow), execution_options={"populate_existing": True})
            return _person(row.one())

    def _insert(self) -> Any:
        """Name the INSERT that knows ON CONFLICT; PostgreSQL's takes a while to load, so only where it is used."""
        if self._sessions.sqlite:
            return sqlite.insert
        from sqlalchemy.dialects import postgresql

        return postgresql.insert

    async def get(self, chat_id: int) -> Person | None:
        """Look a person up."""
        async with self._sessions.reading() as session:
            row = await session.scalar(select(PersonRow).where(PersonRow.chat_id == chat_id))
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
        async with self._sessions.writing() as session:
            await session.execute(
                update(InboxRow)
                .where(InboxRow.chat_id == chat_id, InboxRow.state.in_(("held", "set_aside")))
                .values(**BARE, finished_at=datetime.now(UTC))
            )
            person_id = await session.scalar(select(PersonRow.id).where(PersonRow.chat_id == chat_id))
            if person_id is None:
                return 0
            scans = await session.scalar(select(func.count()).where(ScanRow.person_id == person_id))
            await session.execute(delete(PersonRow).where(PersonRow.id == person_id))
        await self._sessions.scrub()
        return scans or 0

    async def _change(self, chat_id: int, **values: object) -> Person:
        statement = update(PersonRow).where(PersonRow.chat_id == chat_id).values(**values).returning(PersonRow)
        async with self._sessions.writing() as session:
            row = (await session.scalars(statement)).one_or_none()
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
        for _ in range(_ATTEMPTS):
            try:
                return await self._add(person_id, new)
            except IntegrityError as error:
                # Another replica was faster with this source key, or the public id is taken: look and draw again.
                problem = error
        raise StorageError("a scan could not be kept: its values break a rule of the schema") from problem

    async def _add(self, person_id: int, new: NewScan) -> Scan:
        async with self._sessions.writing() as session:
            row = await session.scalar(
                select(ScanRow).where(ScanRow.person_id == person_id, ScanRow.source_key == new.source_key)
            )
            if row is not None:
                return _scan(row)
            number = await session.scalar(
                update(PersonRow)
                .where(PersonRow.id == person_id)
                .values(next_number=PersonRow.next_number + 1)
                .returning(PersonRow.next_number - 1)
            )
            if number is None:
                raise UnknownPersonError("the person of this scan is not registered (any more)")
            row = _row(person_id, number, new)
            session.add(row)
            await session.flush()
            session.add(PictureRow(scan_id=row.id, original=new.pictures.original, overlay=new.pictures.overlay))
        return _scan(row)

    async def get(self, person_id: int, public_id: str) -> Scan | None:
        """Find a scan of this person by its public id, typed with or without dash and capitals."""
        return await self._one(ScanRow.person_id == person_id, ScanRow.public_id == clean_public_id(public_id))

    async def by_number(self, person_id: int, number: int) -> Scan | None:
        """Find a scan of this person by its number, which may be anything that a person types."""
        if not 1 <= number < 2**31:  # more than a database takes for an integer
            return None
        return await self._one(ScanRow.person_id == person_id, ScanRow.number == number)

    async def by_source(self, person_id: int, source_key: str) -> Scan | None:
        """Find the scan that this message and file became already."""
        return await self._one(ScanRow.person_id == person_id, ScanRow.source_key == source_key)

    async def last(self, person_id: int) -> Scan | None:
        """Find this person's newest scan."""
        return await self._one(ScanRow.person_id == person_id)

    async def same_picture(self, person_id: int, sha256: str) -> Scan | None:
        """Find this person's newest scan of exactly these bytes."""
        return await self._one(ScanRow.person_id == person_id, ScanRow.picture_sha256 == sha256)

    async def _one(self, *where: ColumnElement[bool]) -> Scan | None:
        async with self._sessions.reading() as session:
            row = await session.scalar(select(ScanRow).where(*where).order_by(ScanRow.number.desc()).limit(1))
            return _scan(row) if row else None

    async def page(self, person_id: int, page: int, size: int) -> ScanPage:
        """Read one page of the history, newest first; a page beyond the ends gives the nearest that exists.

        An empty history has one page without scans.
        """
        async with self._sessions.reading() as session:
            total = await session.scalar(select(func.count()).where(ScanRow.person_id == person_id)) or 0
            pages = max(1, math.ceil(total / size))
            page = min(max(page, 1), pages)
            # The ids come from the index alone, so that only the rows of this page are read from the table.
            ids = (
                select(ScanRow.id)
                .where(ScanRow.person_id == person_id)
                .order_by(ScanRow.number.desc())
                .offset((page - 1) * size)
                .limit(size)
            )
            rows = await session.scalars(select(ScanRow).where(ScanRow.id.in_(ids)).order_by(ScanRow.number.desc()))
            return ScanPage(tuple(map(_scan, rows)), page, pages, total)

    async def pictures(self, scan_id: int) -> Pictures:
        """Read the pictures of a scan that a lookup above has returned. Raises UnknownScanError when it is gone."""
        async with self._sessions.reading() as session:
            row = await session.scalar(select(PictureRow).where(PictureRow.scan_id == scan_id))
        if row is None:
            raise UnknownScanError("the pictures of this scan were deleted")
        return Pictures(row.original, row.overlay)

    async def record_message(self, scan_id: int, step: str, message_id: int, file_id: str | None = None) -> None:
        """Note which message a step of the journey became, and the file id to send it again without uploading.

        A scan that was deleted meanwhile is left alone.
        """
        async with self._sessions.writing() as session:
            row = await session.scalar(select(ScanRow).where(ScanRow.id == scan_id).with_for_update())
            if row is None:
                return
            row.messages = {**row.messages, step: message_id}
            if file_id is not None:
                row.file_ids = {**row.file_ids, step: file_id}

    async def delete(self, person_id: int, public_id: str) -> Scan | None:
        """Delete a scan of this person with its pictures; returns what it was. Its number is not used again."""
        async with self._sessions.writing() as session:
            row = await session.scalar(
                select(ScanRow).where(ScanRow.person_id == person_id, ScanRow.public_id == clean_public_id(public_id))
            )
            if row is None:
                return None
            scan = _scan(row)
            await session.execute(delete(ScanRow).where(ScanRow.id == scan.id))
        await self._sessions.scrub()
        return scan


def _row(person_id: int, number: int, new: NewScan) -> ScanRow:
    return ScanRow(
        person_id=person_id,
        public_id=new_public_id(),
        number=number,
        source_key=storable(new.source_key),
        patient_label=None if new.patient_label is None else storable(new.patient_label),
        organ=new.organ,
        verdict=new.verdict,
        reason=new.reason,
        label=new.label,
        confidence=new.confidence,
        probabilities=dict(new.probabilities),
        prediction_set=list(new.prediction_set),
        gate=dict(new.gate),
        model_name=new.model_name,
        model_version=new.model_version,
        model_sha256=new.model_sha256,
        picture_sha256=new.picture_sha256,
        received_as=new.received_as,
        width=new.width,
        height=new.height,
        created_at=datetime.now(UTC),
        messages={},
        file_ids={},
    )


def _scan(row: ScanRow) -> Scan:
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


def _person(row: PersonRow) -> Person:
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
