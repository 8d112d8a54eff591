"""People, by the id of their private chat: what is known of them, and how all of it goes."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from storage.access import forget_invitation
from storage.columns import names_of, storable
from storage.errors import UnknownPersonError
from storage.inbox import BARE
from storage.records import Person
from storage.schema import INBOX, PEOPLE, SCANS, insert_into
from storage.sessions import Sessions

# The columns are selected in the order of the record's fields, so that a row is the record's arguments.
_PERSON_COLUMNS = tuple(PEOPLE.c[name] for name in names_of(Person))


class People:
    """Everybody who has written to the bot, by the id of their private chat."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._seal = sessions.vault.of(PEOPLE)

    async def register(self, chat_id: int, name: str, language: str) -> Person:
        """Remember a person, or take over the new name of one who is known (their language stays as chosen)."""
        values: dict[str, object] = {
            "chat_id": chat_id,
            "name": name,
            "language": storable(language)[:35],
            "role": "user",
            "blocked": False,
            "created_at": datetime.now(UTC),
        }
        statement, sealed = _register(self._sessions.sqlite), self._seal.values(values)
        return self._person(await self._sessions.write(lambda at: at.execute(statement, sealed).one()))

    async def get(self, chat_id: int) -> Person | None:
        """Look a person up."""
        row = await self._sessions.read(lambda at: at.execute(_PERSON, {"chat": chat_id}).one_or_none())
        return self._person(row) if row else None

    async def give_consent(self, chat_id: int, version: int) -> Person:
        """Note the consent to this version of the privacy text, now. Raises UnknownPersonError."""
        return await self._change(chat_id, consent_at=datetime.now(UTC), consent_version=version)

    async def withdraw_consent(self, chat_id: int) -> Person:
        """Forget the consent; what was kept stays until it is deleted. Raises UnknownPersonError."""
        return await self._change(chat_id, consent_at=None, consent_version=None)

    async def set_blocked(self, chat_id: int, blocked: bool) -> Person:
        """Note that the person blocked the bot, or came back. Raises UnknownPersonError."""
        return await self._change(chat_id, blocked=blocked)

    async def set_forgets(self, chat_id: int, forgets: bool) -> Person:
        """Note whether this person wants nothing kept of what comes. Raises UnknownPersonError."""
        return await self._change(chat_id, forgets=forgets)

    async def set_language(self, chat_id: int, language: str) -> Person:
        """Note the language to answer in. Raises UnknownPersonError."""
        return await self._change(chat_id, language=language)

    async def set_utc_offset(self, chat_id: int, minutes: int) -> Person:
        """Note by how much the person's clock is ahead of UTC. Raises UnknownPersonError."""
        return await self._change(chat_id, utc_offset=minutes)

    async def delete(self, chat_id: int) -> int:
        """Delete a person with everything of theirs; returns how many scans went. Unknown people have none.

        Updates of theirs that await consent or are dead letters are erased too; one that is still in work erases itself
        when it is done, and one that waits is a later wish of theirs.
        """
        scans = await self._sessions.write(lambda at: _delete_person(at, chat_id))
        if scans is not None:
            await self._sessions.scrub()
        return scans or 0

    async def forget_without_consent(self, created_before: datetime) -> int:
        """Delete those who came before this time, have said no yes, and of whom nothing is kept; returns how many."""
        has_scans = select(SCANS.c.id).where(SCANS.c.person_id == PEOPLE.c.id).exists()
        theirs = (PEOPLE.c.consent_at.is_(None), PEOPLE.c.created_at < created_before, ~has_scans)
        return await self._sessions.write(lambda at: at.execute(delete(PEOPLE).where(*theirs)).rowcount)

    async def _change(self, chat_id: int, **values: object) -> Person:
        statement = update(PEOPLE).where(PEOPLE.c.chat_id == chat_id).values(**values).returning(*_PERSON_COLUMNS)
        row = await self._sessions.write(lambda at: at.execute(statement).one_or_none())
        if row is None:
            raise UnknownPersonError("this chat is not registered")
        return self._person(row)

    def _person(self, row: Row[Any]) -> Person:
        return Person(*self._seal.row(row))


_PERSON = select(*_PERSON_COLUMNS).where(PEOPLE.c.chat_id == bindparam("chat"))


@cache
def _register(on_sqlite: bool) -> Any:
    fresh = insert_into(PEOPLE, on_sqlite=on_sqlite)
    known = fresh.on_conflict_do_update(index_elements=["chat_id"], set_={"name": fresh.excluded.name})
    return known.returning(*_PERSON_COLUMNS)


def _delete_person(at: Connection, chat_id: int) -> int | None:
    of_chat = (INBOX.c.chat_id == chat_id, INBOX.c.state.in_(("awaiting_consent", "dead_letter")))
    at.execute(update(INBOX).where(*of_chat).values(**BARE, finished_at=datetime.now(UTC)))
    forget_invitation(at, chat_id)
    person = at.execute(_PERSON, {"chat": chat_id}).first()
    if person is None:
        return None
    scans = at.scalar(select(func.count()).where(SCANS.c.person_id == person.id))
    at.execute(delete(PEOPLE).where(PEOPLE.c.id == person.id))
    return scans or 0
