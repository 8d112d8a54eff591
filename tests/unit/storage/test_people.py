"""Who writes to the bot."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage import Database, Person, UnknownPersonError
from tests.unit.storage.conftest import ANNA, BORIS, a_scan, add


async def test_registering_twice_updates_name_and_keeps_chosen_language(db: Database) -> None:
    first = await db.people.register(ANNA, "Anna", "en")
    await db.people.set_language(ANNA, "de")
    second = await db.people.register(ANNA, "Anna B.", "en")

    assert (second.id, second.name, second.language) == (first.id, "Anna B.", "de")
    assert second.created_at == first.created_at
    assert not second.has_consented
    assert not second.blocked
    assert not first.forgets
    assert (await add(db, first.id, a_scan())).number == 1


async def test_many_first_messages_at_once_make_one_person(db: Database) -> None:
    people = await asyncio.gather(*(db.people.register(ANNA, "Anna", "en") for _ in range(20)))

    assert len({person.id for person in people}) == 1


async def test_consent_keeps_version_and_time_until_withdrawn(db: Database, anna: Person) -> None:
    before = datetime.now(UTC)
    consenting = await db.people.give_consent(ANNA, 3)

    assert consenting.consent_version == 3
    assert consenting.consent_at is not None
    assert before <= consenting.consent_at <= datetime.now(UTC)
    assert await db.people.get(ANNA) == consenting
    assert (await db.people.withdraw_consent(ANNA)).has_consented is False
    assert (await db.people.register(ANNA, "Anna", "en")).has_consented is False


async def test_what_one_person_chooses_is_theirs_alone(db: Database, anna: Person, boris: Person) -> None:
    await db.people.give_consent(ANNA, 3)
    await db.people.set_blocked(ANNA, blocked=True)
    await db.people.set_forgets(ANNA, forgets=True)
    await db.people.set_language(ANNA, "de")
    chosen = await db.people.set_utc_offset(ANNA, 60)

    assert await db.people.get(BORIS) == boris
    assert await db.people.get(ANNA) == chosen
    assert (chosen.blocked, chosen.forgets, chosen.language, chosen.utc_offset) == (True, True, "de", 60)
    withdrawn = await db.people.withdraw_consent(ANNA)
    assert withdrawn == replace(chosen, consent_at=None, consent_version=None)


async def test_someone_who_blocked_the_bot_is_remembered(db: Database, anna: Person) -> None:
    assert (await db.people.set_blocked(ANNA, blocked=True)).blocked
    assert (await db.people.set_blocked(ANNA, blocked=False)).blocked is False


async def test_an_unknown_chat_is_nobody_and_cannot_consent(db: Database) -> None:
    assert await db.people.get(BORIS) is None
    assert await db.people.delete(BORIS) == 0
    with pytest.raises(UnknownPersonError):
        await db.people.give_consent(BORIS, 1)


@pytest.mark.parametrize(
    "name", ["Ольга", "Ελένη", "Nguyễn Thị Ánh", "👩🏽‍⚕️", "'; DROP TABLE people; --", "x" * 5000, ""]
)
async def test_name_in_any_script_comes_back_unchanged(db: Database, name: str) -> None:
    await db.people.register(ANNA, name, "en")

    person = await db.people.get(ANNA)
    assert person is not None
    assert person.name == name


async def test_text_that_no_database_can_hold_is_made_harmless(db: Database) -> None:
    hostile = "half \ud83e and \0 nothing"
    person = await db.people.register(ANNA, hostile, "en")
    scan = await add(db, person.id, replace(a_scan(), patient_label=hostile))

    assert person.name == scan.patient_label == "half ? and  nothing"
    assert await db.people.get(ANNA) == person
    assert await db.scans.last(person.id) == scan


async def test_people_who_never_agreed_and_sent_nothing_are_forgotten(db: Database) -> None:
    _, person, unasked = [await db.people.register(chat_id, "Anna", "en") for chat_id in range(1, 4)]
    await db.people.give_consent(1, 1)
    await add(db, person.id, a_scan())

    assert await db.people.forget_without_consent(unasked.created_at) == 0  # who came at that time came not before it
    assert await db.people.forget_without_consent(datetime.now(UTC)) == 1
    assert [await db.people.get(chat_id) is not None for chat_id in range(1, 4)] == [True, True, False]


async def test_overlong_language_code_is_cut(db: Database) -> None:
    assert (await db.people.register(ANNA, "Anna", "x" * 99)).language == "x" * 35
