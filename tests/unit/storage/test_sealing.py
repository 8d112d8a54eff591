"""With a key nothing of what people sent can be read on the disk, and nothing is lost when keys change."""

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, Text

from storage import Database, ReceivedUpdate, Scan
from storage.errors import DataKeyError, StorageError
from storage.outcomes import NOTHING
from storage.rekey import BATCH, TABLES
from storage.schema import METADATA
from storage.vault import PLAIN, Vault, derived_key, key_id, new_key, read_keys
from tests.unit.storage.conftest import ANNA, BORIS, a_scan, add
from tests.unit.storage.test_deleting import on_disk

OLD, NEW, OTHER = (bytes([n]) * 32 for n in (1, 2, 3))
NAME, LABEL, WORDS, FACT, FINDING = (
    "Zimmerspringbrunnen",
    "Геннадий Пипеткин",
    "my aunt Quetzalcoatl has a headache",
    "hippogriff",
    "quagga",
)
PICTURE = os.urandom(30_000)


def url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


async def fill(database: Database, picture: bytes = PICTURE) -> Scan:
    """One of everything that people send."""
    person = await database.people.register(ANNA, NAME, "en")
    scan = await add(database, person.id, replace(a_scan("1", picture), patient_label=LABEL, study={"said": FACT}))
    await database.scans.relabel(scan.id, LABEL)
    await database.outcomes.note(person.id, scan.public_id, FINDING)
    await database.inbox.put(ReceivedUpdate(1, ANNA, WORDS), ReceivedUpdate(2, ANNA, WORDS, unreadable=WORDS))
    await database.inbox.put(ReceivedUpdate(3, ANNA, WORDS))
    await database.inbox.dead_letter(3, WORDS)
    return scan


async def read_all(database: Database) -> None:
    """Everything comes back as it was given."""
    person = await database.people.get(ANNA)
    assert person is not None
    assert person.name == NAME
    scan = await database.scans.last(person.id)
    assert scan is not None
    assert (scan.patient_label, scan.study) == (LABEL, {"said": FACT})
    assert (await database.scans.page(person.id, 1, 5)).scans == (scan,)
    assert (await database.scans.pictures(scan.id)).original == PICTURE
    outcome = await database.outcomes.of(scan.id)
    assert outcome is not None
    assert outcome.found == FINDING
    assert [(count.found, count.count) for count in await database.outcomes.counts()] == [(FINDING, 1)]
    assert [update.payload for update in await database.inbox.recover()] == [WORDS]
    assert [letter.error for letter in await database.inbox.dead_letters()] == [WORDS, WORDS]


def found(data: bytes) -> list[str]:
    """Which of the known words and pictures stand in there, also as JSON writes them."""
    marks = {word: (word.encode(), word.encode("unicode_escape")) for word in (NAME, LABEL, WORDS, FACT, FINDING)}
    known = [word for word, forms in marks.items() if any(form in data for form in forms)]
    return known + ["picture"] * (PICTURE[1000:1032] in data)


@pytest.mark.parametrize("keys", [(), (NEW,)], ids=["plain", "sealed"])
async def test_sealed_data_shows_in_no_file_or_backup(file: Path, keys: tuple[bytes, ...]) -> None:
    database = await Database.open(url(file), keys=keys)
    await fill(database)
    await read_all(database)
    while_open = found(on_disk(file))
    await database.backup(file.parent.parent / "copy.db")
    await database.close()

    for data in (while_open, found(on_disk(file)), found((file.parent.parent / "copy.db").read_bytes())):
        assert data == ([] if keys else [NAME, LABEL, WORDS, FACT, FINDING, "picture"])


def test_every_column_of_words_or_pictures_is_sealed() -> None:
    free = {
        (table.name, column.name)
        for table in METADATA.sorted_tables
        for column in table.columns
        if isinstance(getattr(column.type, "impl", column.type), LargeBinary | Text) and not column.info.get("sealed")
    }
    # The number of a message with Telegram's name of a file; and what administrators tell everybody.
    assert free == {("scans", "source_key"), ("broadcasts", "text")}


async def test_plain_database_is_read_and_then_sealed_without_trace(file: Path) -> None:
    database = await Database.open(url(file))
    await fill(database)
    boris = await database.people.register(BORIS, NAME, "en")
    for n in range(2 * BATCH):  # of many sizes, so that pages are split and filled anew
        await add(database, boris.id, replace(a_scan(f"{n}", PICTURE[: 500 * n + 2000]), patient_label=LABEL))
    await database.close()

    database = await Database.open(url(file), keys=[NEW])
    await read_all(database)
    assert await database.other_keys() == {PLAIN}
    told: list[tuple[str, int, int]] = []
    assert await database.rekey(lambda *progress: told.append(progress)) > 4 * BATCH
    assert found(on_disk(file)) == []
    assert await database.other_keys() == frozenset()
    await read_all(database)
    await database.close()

    assert {table for table, _, _ in told} == {"people", "scans", "pictures", "outcomes", "inbox"}
    assert all(told[n][1] < told[n + 1][1] for n in range(len(told) - 1) if told[n][0] == told[n + 1][0])
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT key_id FROM data_keys").fetchall() == [(key_id(NEW),)]


async def test_length_of_sealed_finding_does_not_tell_which(file: Path) -> None:
    database = await Database.open(url(file))
    scan = await fill(database)  # plain first: what is sealed later is to be no shorter
    other = await add(database, scan.person_id, a_scan("2"))
    await database.outcomes.note(scan.person_id, other.public_id, NOTHING)
    await database.close()
    database = await Database.open(url(file), keys=[NEW])
    await database.rekey(lambda *_: None)
    third = await add(database, scan.person_id, a_scan("3"))
    await database.outcomes.note(scan.person_id, third.public_id, "a")
    await database.close()
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT count(*), count(DISTINCT length(found)) FROM outcomes").fetchone() == (3, 1)


async def test_bot_that_writes_meanwhile_loses_nothing_by_rekeying(file: Path) -> None:
    bot = await Database.open(url(file), keys=[OLD])
    first = await fill(bot)
    scans = [await add(bot, first.person_id, a_scan(f"{n}", PICTURE[:3000])) for n in range(10, 10 + 2 * BATCH)]
    await bot.close()
    bot, tool = [await Database.open(url(file), keys=[NEW, OLD]) for _ in range(2)]
    is_done = asyncio.Event()

    async def live() -> None:
        for turn in range(10_000):
            scan = scans[turn % len(scans)]
            await bot.scans.relabel(scan.id, f"{LABEL} {turn}")
            assert (await bot.scans.pictures(scan.id)).original == PICTURE[:3000]
            await add(bot, first.person_id, a_scan(f"later {turn}", PICTURE[:300]))
            await bot.inbox.put(ReceivedUpdate(100 + turn, BORIS, WORDS))
            if is_done.is_set():
                return

    async def rekey() -> None:
        await tool.rekey(lambda *_: None)
        is_done.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(live())
        group.create_task(rekey())
    await bot.close()
    await tool.close()
    database = await Database.open(url(file), keys=[NEW])  # the old key is needed no more
    page = await database.scans.page(first.person_id, 1, 10_000)
    assert page.total > len(scans) + 1
    for scan in page.scans:
        assert PICTURE.startswith((await database.scans.pictures(scan.id)).original)
    assert {update.payload for update in await database.inbox.recover()} == {WORDS}
    await database.close()


async def test_bot_continuing_with_an_old_key_is_noticed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.sessions.NOTE_EVERY", 0.0)
    bot = await Database.open(url(file), keys=[OLD])
    scan = await fill(bot)
    tool = await Database.open(url(file), keys=[NEW, OLD])
    await tool.rekey(lambda *_: None)
    await tool.close()
    await bot.scans.relabel(scan.id, LABEL)  # sealed with a key that the database no longer speaks of
    await bot.close()
    with pytest.raises(DataKeyError, match=f"key {key_id(OLD)}"):
        await Database.open(url(file), keys=[NEW])
    database = await Database.open(url(file), keys=[NEW, OLD])
    await read_all(database)
    await database.close()


async def test_interrupted_rekey_is_taken_up_by_next_one(file: Path) -> None:
    database = await Database.open(url(file), keys=[OLD])
    await fill(database)
    await database.close()

    class PulledError(Exception):
        """The plug."""

    def pull(table: str, _done: int, _total: int) -> None:
        if table == "scans":
            raise PulledError

    database = await Database.open(url(file), keys=[NEW, OLD])
    with pytest.raises(PulledError):
        await database.rekey(pull)
    await database.close()
    with pytest.raises(DataKeyError, match=f"key {key_id(OLD)}"):  # some of it is still under the old one
        await Database.open(url(file), keys=[NEW])

    database = await Database.open(url(file), keys=[NEW, OLD])
    await read_all(database)
    assert await database.rekey(lambda *_: None) > 0
    assert await database.rekey(lambda *_: None) == 0
    await database.close()
    database = await Database.open(url(file), keys=[NEW])
    await read_all(database)
    await database.close()


async def test_a_rekey_to_plain_needs_no_key_afterwards(file: Path) -> None:
    database = await Database.open(url(file), keys=[OLD])
    await fill(database)
    await database.rekey(lambda *_: None, plain=True)
    await database.close()

    database = await Database.open(url(file))
    await read_all(database)
    assert await database.other_keys() == frozenset()
    await database.close()


@pytest.mark.parametrize(("keys", "says"), [((), "DATA_KEY is not set"), ((OTHER,), "DATA_KEY: ")])
async def test_missing_or_wrong_key_ends_start_in_one_line(file: Path, keys: tuple[bytes, ...], says: str) -> None:
    database = await Database.open(url(file), keys=[OLD])
    await fill(database)
    await database.close()

    with pytest.raises(StorageError) as stopped:
        await Database.open(url(file), keys=keys)

    message = str(stopped.value)
    assert message.startswith(says)
    assert f"key {key_id(OLD)}" in message
    assert "\n" not in message
    database = await Database.open(url(file), keys=[OLD])  # nothing was changed by the vain try
    await read_all(database)
    assert await database.other_keys() == frozenset()
    await database.close()


async def test_a_value_opens_nowhere_but_in_its_own_record(file: Path) -> None:
    database = await Database.open(url(file), keys=[OLD])
    anna = await database.people.register(ANNA, NAME, "en")
    boris = await database.people.register(BORIS, "Boris", "en")
    mine = await add(database, anna.id, a_scan("1", PICTURE))
    other = await add(database, boris.id, a_scan("2", b"x" * 3000))
    with closing(sqlite3.connect(file)) as raw:
        raw.execute(
            "UPDATE pictures SET original = (SELECT original FROM pictures WHERE scan_id = ?) WHERE scan_id = ?",
            (mine.id, other.id),
        )
        raw.commit()

    with pytest.raises(DataKeyError, match=r"changed or put elsewhere \(pictures.original\)"):
        await database.scans.pictures(other.id)
    assert (await database.scans.pictures(mine.id)).original == PICTURE
    await database.close()


async def test_an_update_that_was_changed_holds_up_no_other(file: Path) -> None:
    database = await Database.open(url(file), keys=[OLD])
    await database.inbox.put(ReceivedUpdate(1, ANNA, WORDS), ReceivedUpdate(2, ANNA, WORDS))
    await database.inbox.fail(1)
    with closing(sqlite3.connect(file)) as raw:
        other = "CASE substr(payload, 41, 1) WHEN 'A' THEN 'B' ELSE 'A' END"  # it may well be an A already
        changed = f"substr(payload, 1, 40) || {other} || substr(payload, 42)"
        raw.execute(f"UPDATE inbox SET payload = {changed} WHERE update_id = 1")  # noqa: S608
        raw.commit()

    unreadable, whole = await database.inbox.recover()
    assert (unreadable.update_id, unreadable.payload, unreadable.attempts, unreadable.kills) == (1, "", 1, 0)
    assert unreadable.received_at == whole.received_at
    assert whole.payload == WORDS
    await database.close()


@pytest.mark.parametrize(
    "value", ["\x01TS1abcdefgh", "\x01TS0", b"\x01TS1abcdefgh\0\xff", "", b"", "plain", b"\xff\xd8"]
)
@pytest.mark.parametrize("keys", [(), (OLD,)], ids=["plain", "sealed"])
def test_any_value_comes_back_also_one_that_looks_sealed(value: str | bytes, keys: tuple[bytes, ...]) -> None:
    vault = Vault(keys)
    sealed = vault.seal(value, b"there")
    assert vault.open(sealed, b"there") == value
    assert vault.is_current(sealed)
    # Also when a key comes after it was kept.
    assert Vault([NEW, *keys]).open(sealed, b"there") == value


def test_the_same_value_is_never_sealed_alike_twice() -> None:
    vault = Vault([OLD])
    assert len({vault.seal(b"the same", b"there") for _ in range(100)}) == 100


def test_a_made_key_is_one_that_is_read() -> None:
    made = new_key()
    (key,) = read_keys(made)
    assert len(key) == 32
    assert read_keys(f"{made}=, {new_key()}")[0] == key


@pytest.mark.parametrize("wrong", ["", "short", "a" * 42, "ä" * 43, f"{'a' * 43},", f"{'a' * 43},{'a' * 43}"])
def test_key_that_is_none_is_refused_without_being_repeated(wrong: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        read_keys(wrong)
    assert "aaaa" not in str(refused.value)


def test_all_tables_that_hold_something_sealed_are_rekeyed() -> None:
    assert {table.name for table in TABLES} == {"people", "scans", "pictures", "slices", "outcomes", "inbox"}


def test_key_for_another_use_is_derived_by_rfc_5869() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = bytes(range(32))
    by_library = HKDF(SHA256(), 32, salt=None, info=b"TumorScan report seal").derive(key)
    assert derived_key(key, b"TumorScan report seal") == by_library
    assert len({key, by_library, derived_key(key, b"another use")}) == 3
