"""What a person does with their scans: find, name, compare, export, see small, delete and take that back."""

import csv
import io
from datetime import timedelta

import pytest
from PIL import Image

from bot.sandbox import Message, Person, Sandbox
from bot.scan.incoming import MAX_LABEL
from tests import pictures
from tests.integration.chatting import answer_to, is_report, one_scan, press_without_a_button, scans_of
from tests.integration.conftest import RunningBot

ODD_LABELS = {
    "right-to-left override": "\u202eanna\u202c",
    "NUL": "an\x00na",
    "lone surrogate": "anna \ud83e",
    "emoji storm": "👨‍👩‍👧‍👦🧠" * 500,
    "markup": "<b>&lt;{label}</b>",
    "4,000 characters": "a" * 4000,
}


@pytest.fixture
async def two_scans(bot: RunningBot, agreed: Person) -> Person:
    await one_scan(bot, agreed, "Anna")
    await agreed.send_document(pictures.smear())
    await agreed.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
    return agreed


async def test_compare_shows_dates_and_names_what_it_cannot_tell(two_scans: Person) -> None:
    await two_scans.send_text("/compare 2 1")
    shown = await two_scans.wait_for(lambda message: message.photo is not None)
    assert shown.text.index("Scan 1: Anna") < shown.text.index("Scan 2")
    assert shown.text.count("UTC") == 2
    assert "I can't tell if something grew" in shown.text
    assert "two kinds of pictures" in shown.text
    assert len(shown.text.split()) <= 80
    picture = Image.open(io.BytesIO(await two_scans.download(shown)))
    assert picture.width > 900
    assert picture.height > 900


async def test_impossible_request_gets_one_sentence(two_scans: Person) -> None:
    for typed, said in (
        ("/compare 1", "Write the numbers of two"),
        ("/compare 1 99999", "can't find scan 99999"),
        ("/compare 1 1", "Write the numbers of two"),
        ("/compare 1 2 1", "Write the numbers of two"),
        ("/compare one two", "Write the numbers of two"),
        ("/compare 0 2", "can't find scan 0"),
        ("/compare 1 " + "9" * 3000, "can't find scan 9999"),
        ("/compare <b>1</b> {2}", "can't find scan <b>1</b>"),
        ("/report 0", "can't find that scan"),
        ("/report \u202e1", "can't find that scan"),
        ("/rename", "Write the number of a scan"),
        ("/rename 1", "Write the number of a scan"),
        ("/rename 99 Anna", "can't find that scan"),
        ("/rename 1 \u202e\u200b", "Write the number of a scan"),
        ("/history nobody", "None of your scans"),
    ):
        answer = await answer_to(two_scans, typed)
        assert said in answer.text, typed
        assert answer.file is None, typed


async def test_scan_is_renamed_found_and_reported_by_its_name(bot: RunningBot, two_scans: Person) -> None:
    assert "now named “Boris  ".replace("  ", "") in (await answer_to(two_scans, "/rename 2  Boris B. ")).text
    found = await answer_to(two_scans, "/history BORIS")
    assert found.labels == ["Scan 2: Boris B."]
    await two_scans.send_text("/report boris b.")
    assert "scan 2" in (await two_scans.wait_for(is_report, timeout=60)).text
    assert "Scans with “a” in the name (1)" in (await answer_to(two_scans, "/history a")).text


async def test_an_odd_label_does_no_harm(bot: RunningBot, two_scans: Person) -> None:
    for kind, label in ODD_LABELS.items():
        named = await answer_to(two_scans, f"/rename 1 {label}".encode("utf-8", "replace").decode()[:4096])
        assert "is now named" in named.text, kind
        kept = next(scan.patient_label for scan in await scans_of(bot, two_scans) if scan.number == 1)
        assert kept, kind
        assert len(kept) <= MAX_LABEL, kind
        assert not set(kept) & set("\u202e\u202c\x00\ud83e"), kind
        assert (await answer_to(two_scans, "/history")).labels[1].startswith("Scan 1: "), kind
        for command in (f"/history {kept}", f"/report {kept}", "/compare"):
            await two_scans.send_text(command)
            await two_scans.wait_for(lambda message: "Scan" in message.text or "scan" in message.text, timeout=60)


async def test_the_table_holds_every_scan_and_no_formula(two_scans: Person) -> None:
    await answer_to(two_scans, "/rename 1 =cmd|' /C calc'!A0")
    await two_scans.press(await answer_to(two_scans, "/history"), "All of them as a table")
    sent = await two_scans.wait_for(lambda message: message.document is not None)
    rows = list(csv.DictReader(io.StringIO((await two_scans.download(sent)).decode("utf-8-sig"))))
    assert [row["number"] for row in rows] == ["1", "2"]
    assert rows[0]["name"].startswith("'=cmd")
    assert rows[1]["kind_of_picture"] == "blood smear"


async def test_thumbnails_come_as_one_picture(two_scans: Person) -> None:
    history = await answer_to(two_scans, "/history")
    await two_scans.press(history, "Show them as small pictures")
    sheet = await two_scans.wait_for(lambda message: message.photo is not None)
    assert Image.open(io.BytesIO(await two_scans.download(sheet))).width > 600


async def test_times_are_told_by_the_clock_that_was_chosen(bot: RunningBot, two_scans: Person) -> None:
    history = await answer_to(two_scans, "/history")
    assert "UTC ·" in history.text
    await two_scans.press(history, "Show times by my clock")
    asked = await two_scans.wait_for(lambda message: "What time is it where you are?" in message.text)
    assert len(asked.labels) > 30
    await two_scans.press(asked, "set-clock:-210")
    await two_scans.wait_for(lambda message: "Done. Your clock shows" in message.text)
    assert "UTC-3:30 ·" in (await answer_to(two_scans, "/history")).text


async def test_a_clock_that_nobody_has_is_refused(sandbox: Sandbox, agreed: Person) -> None:
    assert "does not work any more" in (await press_without_a_button(sandbox, agreed, "set-clock:11")).text


async def delete_first(person: Person) -> Message:
    """Delete scan 1, and give the message that says so."""
    opened = await answer_to(person, "/history")
    await person.press(opened, "Scan 1: Anna")
    shown = await person.wait_for(lambda message: message.photo is not None, timeout=60)
    await person.press(shown, "Delete this scan")
    asked = await person.wait_for(lambda message: "undo it for" in message.text)
    await person.press(asked, "Yes, delete it")
    return await person.wait_for(lambda message: "is deleted" in message.text)


async def test_a_deletion_is_undone_within_its_time(bot: RunningBot, two_scans: Person) -> None:
    done = await delete_first(two_scans)
    assert len(await scans_of(bot, two_scans)) == 1
    await two_scans.press(done, "Undo")
    back = await two_scans.wait_for(lambda message: "Scan 1 is back" in message.text)
    assert len(await scans_of(bot, two_scans)) == 2
    await two_scans.press(back, "Open scan 1")
    await two_scans.wait_for(lambda message: message.photo is not None, timeout=60)


async def test_after_its_time_a_deletion_is_for_good(bot: RunningBot, two_scans: Person) -> None:
    bot.services.purge.undo_for = timedelta(0)
    done = await delete_first(two_scans)
    bot.services.purge.note()
    while await bot.services.database.scans.oldest_hidden() is not None:
        await answer_to(two_scans, "/help")
    await two_scans.press(done, "Undo")
    await two_scans.wait_for(lambda message: "gone for good" in message.text)
    assert len(await scans_of(bot, two_scans)) == 1


async def test_two_taps_on_yes_delete_once_and_say_so(sandbox: Sandbox, bot: RunningBot, two_scans: Person) -> None:
    [second, first] = await scans_of(bot, two_scans)
    await delete_first(two_scans)
    for data in (f"delete:{first.public_id}", f"open:{first.public_id}", f"what-now:{first.public_id}"):
        answer = await press_without_a_button(sandbox, two_scans, data)
        assert "can't find that scan" in answer.text
    assert await scans_of(bot, two_scans) == (second,)


async def heard(person: Person, typed: str, said: str) -> Message:
    await person.send_text(typed)
    return await person.wait_for(lambda message: said in message.text, timeout=60)


async def test_a_command_in_words_does_the_thing(two_scans: Person) -> None:
    for typed, said in (
        ("send me the report again", "Your report on scan 2"),
        ("delete my pictures", "Delete all that I keep about you"),
        ("change the language", "Which language shall I speak?"),
        ("show my history", "Your scans (2)"),
        ("I want to export my data", "Your copy, file 1"),
    ):
        await heard(two_scans, typed, said)
