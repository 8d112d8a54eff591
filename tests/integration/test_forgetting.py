"""Analyse and forget, keeping for some days, and a yes to an earlier wording: what people choose is done."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bot.chat import context as chat_context
from bot.sandbox import Person, Sandbox
from bot.settings import Settings
from tests import pictures
from tests.integration.chatting import answer_to, is_report, one_scan, scans_of, work_is_done
from tests.integration.conftest import RunningBot
from tests.unit.storage.test_deleting import on_disk

LABEL = "Zimmerspringbrunnen"


async def test_forgetful_mode_answers_and_keeps_nothing(bot: RunningBot, agreed: Person, tmp_path: Path) -> None:
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget new pictures at once")
    await agreed.wait_for(lambda message: "From now on I forget" in message.text)

    report = await one_scan(bot, agreed, LABEL)

    assert "kept nothing" in report.text
    [picture] = [message for message in await agreed.messages() if message.from_bot and message.photo]
    assert picture.labels == ["What now?"]
    assert all(label.startswith("About") for label in report.labels)
    assert await scans_of(bot, agreed) == ()
    await agreed.press(picture, "What now?")
    advice = await agreed.wait_for(lambda message: "When to get help at once" in message.text)
    assert "Who to see" in advice.text
    assert LABEL not in advice.text
    assert "I forget each picture" in (await answer_to(agreed, "/privacy")).text
    assert LABEL.encode() not in on_disk(tmp_path / "bot.db")


async def test_the_same_message_again_makes_no_second_answer(sandbox: Sandbox, bot: RunningBot, agreed: Person) -> None:
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget new pictures at once")
    await agreed.wait_for(lambda message: "From now on I forget" in message.text)
    sent = await agreed.send_document(pictures.brain(), caption=LABEL)
    await agreed.wait_for(is_report, timeout=60)
    await work_is_done(bot, agreed)
    reports = [message for message in await agreed.messages() if is_report(message) and message.from_bot]

    await agreed.edit(sent, "another label")
    await answer_to(agreed, "/help")
    await work_is_done(bot, agreed)

    again = [message for message in await agreed.messages() if is_report(message) and message.from_bot]
    assert again == reports


async def test_keeping_again_is_one_press(bot: RunningBot, agreed: Person) -> None:
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget new pictures at once")
    changed = await agreed.wait_for(lambda message: "From now on I forget" in message.text)
    await agreed.press(changed, "Keep my scans again")
    await agreed.wait_for(lambda message: "From now on I keep" in message.text)
    await one_scan(bot, agreed)
    assert len(await scans_of(bot, agreed)) == 1


async def test_yes_to_earlier_wording_is_asked_for_again(
    bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_context, "CONSENT_VERSION", chat_context.CONSENT_VERSION + 1)
    await agreed.send_document(pictures.brain())
    question = await agreed.wait_for(lambda message: "has changed since" in message.text)
    assert await scans_of(bot, agreed) == ()
    assert "earlier version" in (await answer_to(agreed, "/privacy")).text

    await agreed.press(question, "No, thank you")
    await agreed.wait_for(lambda message: message.id == question.id and message.edited)
    person = await bot.services.database.people.get(agreed.id)
    assert person is not None
    assert person.consent_at is None


@pytest.mark.parametrize("forgets", [False, True], ids=["kept", "forgotten"])
async def test_of_a_forgotten_scan_nothing_is_left_anywhere(
    bot: RunningBot, agreed: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, forgets: bool
) -> None:
    for name in ("bot", "inference", "storage", "reports"):  # as ``bot.logs`` has it with LOG_LEVEL=DEBUG
        caplog.set_level(logging.DEBUG, logger=name)
    if forgets:
        await agreed.press(await answer_to(agreed, "/privacy"), "Forget new pictures at once")
        await agreed.wait_for(lambda message: "From now on I forget" in message.text)
    temporary = set(files_below(Path(tempfile.gettempdir())))
    picture = pictures.brain(seed=77)
    analysis = await bot.services.executor.analyse(picture)
    assert analysis.overlay
    marks = {
        "label": LABEL.encode(), "name of the file": b"Wolpertinger", "file": picture[2000:2032],
        "its hash": analysis.picture_sha256.encode(), "picture": analysis.shown[2000:2032],
        "heat map": analysis.overlay[2000:2032],
    }  # fmt: skip

    await agreed.send_document(picture, "Wolpertinger.jpg", caption=LABEL)
    await agreed.wait_for(is_report, timeout=60)
    await work_is_done(bot, agreed)
    await bot.services.database.backup(tmp_path / "copies" / "copy.db")

    def found(files: Iterable[Path]) -> set[str]:
        return found_in(files, marks)

    expected = set() if forgets else {"label", "its hash", "picture", "heat map"}
    for folder in (tmp_path, tmp_path / "copies"):
        named = found(files_below(folder)) & {"name of the file"}  # in the message, until the log is next emptied
        assert found(files_below(folder)) - (set() if forgets else named) == expected
    assert found(set(files_below(Path(tempfile.gettempdir()))) - temporary) == set()
    assert not [name for name, mark in marks.items() if mark.decode("latin-1") in caplog.text]


def files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder, without those of its folders."""
    return (path for path in folder.iterdir() if path.is_file())


def found_in(files: Iterable[Path], marks: Mapping[str, bytes]) -> set[str]:
    """Which of the marks stand in any of the files."""
    data = b"".join(path.read_bytes() for path in files)
    return {name for name, mark in marks.items() if mark in data}


async def test_a_copy_holds_nothing_that_is_about_to_go(bot: RunningBot, agreed: Person, tmp_path: Path) -> None:
    await one_scan(bot, agreed, "Zimmerspringbrunnen")
    await agreed.send_document(pictures.brain(seed=5), caption="Wolpertinger")
    await agreed.wait_for(lambda message: is_report(message) and message.from_bot and "2" in message.text, timeout=60)
    await work_is_done(bot, agreed)
    (_, first) = await scans_of(bot, agreed)
    await bot.services.database.scans.hide(first.person_id, first.public_id)  # can be brought back for a while
    await bot.services.database.backup(tmp_path / "copies" / "copy.db")
    copy = (tmp_path / "copies" / "copy.db").read_bytes()
    assert b"Wolpertinger" in copy
    assert b"Zimmerspringbrunnen" not in copy
    assert await bot.services.database.scans.restore(first.person_id, first.public_id)


class TestWithRetention:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"retention_days": 30})

    async def test_privacy_says_for_how_long_scans_are_kept(self, bot: RunningBot, agreed: Person) -> None:
        assert "on my own after 30 days" in (await answer_to(agreed, "/privacy")).text
        assert timedelta(days=bot.settings.retention_days or 0) == timedelta(days=30)
