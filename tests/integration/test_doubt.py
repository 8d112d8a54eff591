"""A scan's answer whose delivery nobody knows: no second picture, one sentence, and a button that shows it."""

import logging
from pathlib import Path

import pytest

from bot.app import running
from bot.sandbox import Message, Person, Rules, Sandbox
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.content import services_of
from tests.integration.chatting import is_report
from tests.integration.conftest import RunningBot, settings_for

DOUBT = "I can't tell whether the {thing} of scan 1 has reached you"


def is_picture(message: Message) -> bool:
    return message.photo is not None


async def count(person: Person, method: str) -> int:
    """How many pictures, or reports, the bot has sent."""
    wanted = is_picture if method == "sendPhoto" else is_report
    return len([message for message in await person.messages() if message.from_bot and wanted(message)])


@pytest.mark.parametrize(("fault", "arrived"), [("drop_after", 1), ("drop_before", 0)])
async def test_possibly_delivered_picture_is_not_resent_but_report_comes(
    sandbox: Sandbox, agreed: Person, fault: str, arrived: int
) -> None:
    await sandbox.client.set_faults({"sendPhoto": {fault: 1}})
    await agreed.send_document(pictures.brain())
    told = await agreed.wait_for(lambda message: DOUBT.format(thing="picture") in message.text, timeout=60)
    await agreed.wait_for(is_report, timeout=60)
    assert await count(agreed, "sendPhoto") == arrived
    await sandbox.client.set_faults()
    await agreed.press(told, "Show it again")
    await agreed.wait_for(is_picture, timeout=60)


@pytest.mark.parametrize(("fault", "arrived"), [("drop_after", 1), ("drop_before", 0)])
async def test_possibly_delivered_report_is_resent_only_on_request(
    sandbox: Sandbox, bot: RunningBot, agreed: Person, fault: str, arrived: int
) -> None:
    await sandbox.client.set_faults({"sendDocument": {fault: 1}})
    sent = await agreed.send_document(pictures.brain())
    told = await agreed.wait_for(lambda message: DOUBT.format(thing="report") in message.text, timeout=60)
    await sandbox.client.set_faults()
    await sandbox.client.push_update("message", sent.raw)
    await agreed.send_document(pictures.smear())
    await agreed.wait_for(lambda message: is_report(message) and "2" in message.text, timeout=60)
    assert await count(agreed, "sendPhoto") == 2
    assert await count(agreed, "sendDocument") == arrived + 1
    await agreed.press(told, "Show it again")
    await agreed.wait_for(is_report, timeout=60)
    assert await count(agreed, "sendDocument") == arrived + 2


@pytest.mark.telegrams_pace
async def test_scan_is_answered_under_flood_limit_without_pause(
    workers: LocalExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot")
    async with Sandbox.start(rules=Rules(flood_limit=True)) as strict:
        settings = settings_for(strict, tmp_path)
        async with services_of(settings, workers) as services, running(settings, services):
            anna = await strict.person("Anna")
            await anna.send_text("/start")
            question = await anna.wait_for(lambda message: bool(message.buttons))
            await anna.press(question, "agree")
            await anna.wait_for(lambda message: message.id == question.id and message.edited)
            await strict.client.advance_clock(60)
            for seed in (1, 2):
                await anna.send_document(pictures.brain(seed=seed))
                await anna.wait_for(is_report, timeout=60)
    assert "asks for a pause" not in caplog.text
