"""Analyse and forget, keeping for some days, and a yes to an earlier wording: what people choose is done."""

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


async def test_who_wants_nothing_kept_is_answered_and_nothing_is_kept(
    bot: RunningBot, agreed: Person, tmp_path: Path
) -> None:
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget each picture at once")
    await agreed.wait_for(lambda message: "From now on I forget" in message.text)

    report = await one_scan(bot, agreed, LABEL)

    assert "kept nothing" in report.text
    assert all(label.startswith("About") for label in report.labels)
    assert await scans_of(bot, agreed) == ()
    assert LABEL.encode() not in on_disk(tmp_path / "bot.db")
    assert "I forget each picture" in (await answer_to(agreed, "/privacy")).text


async def test_the_same_message_again_makes_no_second_answer(sandbox: Sandbox, bot: RunningBot, agreed: Person) -> None:
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget each picture at once")
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
    await agreed.press(await answer_to(agreed, "/privacy"), "Forget each picture at once")
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
    assert "earlier form" in (await answer_to(agreed, "/privacy")).text

    await agreed.press(question, "No, thank you")
    await agreed.wait_for(lambda message: message.id == question.id and message.edited)
    person = await bot.services.database.people.get(agreed.id)
    assert person is not None
    assert person.consent_at is None


class TestWithRetention:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"retention_days": 30})

    async def test_privacy_says_for_how_long_scans_are_kept(self, bot: RunningBot, agreed: Person) -> None:
        assert "by myself after 30 days" in (await answer_to(agreed, "/privacy")).text
        assert timedelta(days=bot.settings.retention_days or 0) == timedelta(days=30)
