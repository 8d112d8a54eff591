"""``tumorscan db dead-letters``: what could not be handled is listed without what it says, and can be tried again."""

import asyncio
import re
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.cli.main import STOPPED_BY_MISTAKE, main
from storage import Database, ReceivedUpdate, backups

SECRET = "Anna has a headache"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite+aiosqlite:///{tmp_path / 't.db'}"
    monkeypatch.setenv("DATABASE_URL", address)
    return address


def a_traceback() -> str:
    try:
        int(SECRET)
    except ValueError as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError


async def fill(url: str, *errors: str) -> None:
    database = await Database.open(url)
    for number, error in enumerate(errors, start=1):
        await database.inbox.put(ReceivedUpdate(number, 700, SECRET))
        for _ in range(number):
            await database.inbox.fail(number)
        await database.inbox.dead_letter(number, error)
    await database.close()


async def left_to_do(url: str) -> list[tuple[int, str, int]]:
    database = await Database.open(url)
    kept = await database.inbox.recover()
    await database.close()
    return [(one.update_id, one.payload, one.attempts) for one in kept]


def test_dead_letters_are_listed_without_their_content(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, a_traceback(), f"nothing like a traceback {SECRET}"))
    assert main(["db", "dead-letters"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(
        rf"1: received {moment}, given up {moment} UTC, tried 2 times, "
        r"ValueError at bot/test_cli_db\.py:\d+ in a_traceback",
        first,
    )
    assert second.startswith("2: received")
    assert second.endswith("tried 3 times, unknown")
    assert SECRET not in first + second


def test_no_dead_letters_is_said_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url))
    assert main(["db", "dead-letters"]) == 0
    assert capsys.readouterr().out == "There are no dead letters.\n"


def test_retried_dead_letter_is_found_at_next_start(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, a_traceback(), a_traceback()))
    assert main(["db", "dead-letters", "--again", "2", "99"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "2 is handled when the bot starts next.",
        "99 is no dead letter.",
    ]
    assert asyncio.run(left_to_do(url)) == [(2, SECRET, 0)]
    assert main(["db", "dead-letters", "--again", "2"]) == 1, "it waits already"
    main(["db", "dead-letters"])
    assert "2: received" not in capsys.readouterr().out


def test_rekey_seals_plain_data_and_tells_its_progress(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asyncio.run(fill(url, "an error"))
    assert main(["key"]) == 0
    made = capsys.readouterr().out.strip()
    monkeypatch.setenv("DATA_KEY", made)

    assert main(["db", "rekey"]) == 0

    done = capsys.readouterr()
    assert re.fullmatch(r"1 row was changed\. All is encrypted with key [0-9a-f]{8}\.\n", done.out)
    assert "inbox: 1 of 1" in done.err
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("t.db*"))
    monkeypatch.delenv("DATA_KEY")
    assert main(["db", "upgrade"]) == STOPPED_BY_MISTAKE
    refused = capsys.readouterr().err
    assert refused.startswith("tumorscan: DATA_KEY is not set, and the database is encrypted with key ")
    assert refused.count("\n") == 1
    assert main(["db", "check"]) == 1
    assert capsys.readouterr().out.startswith("DATA_KEY is not set, and the database is encrypted with key ")

    monkeypatch.setenv("DATA_KEY", made)
    assert main(["db", "check"]) == 0
    assert main(["db", "rekey", "--plain"]) == 0
    monkeypatch.delenv("DATA_KEY")
    assert main(["db", "upgrade"]) == 0


def test_copy_to_unreadable_place_is_refused_in_one_line(
    url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asyncio.run(fill(url))
    assert main(["db", "backup", str(tmp_path / ("n" * 300) / "copy.db")]) == STOPPED_BY_MISTAKE
    assert capsys.readouterr().err.endswith("cannot be written (File name too long): choose another place\n")


def test_rekey_without_a_key_names_the_setting(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "rekey"]) == STOPPED_BY_MISTAKE
    assert "DATA_KEY is not set" in capsys.readouterr().err


def test_prune_deletes_old_copies_and_needs_the_days(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asyncio.run(fill(url, "an error"))
    assert main(["db", "backup", "copies/a.db"]) == 0
    assert main(["db", "prune", "copies"]) == STOPPED_BY_MISTAKE
    assert "RETENTION_DAYS is not set" in capsys.readouterr().err
    monkeypatch.setenv("RETENTION_DAYS", "30")
    assert main(["db", "prune", "copies"]) == 0
    assert capsys.readouterr().out == "No copy is too old.\n"
    monkeypatch.setattr(backups, "made_at", lambda _: datetime.now(UTC) - timedelta(days=31))
    assert main(["db", "prune", "copies"]) == 0
    assert not (tmp_path / "copies" / "a.db").exists()
