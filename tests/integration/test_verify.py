"""Reports that come back: by their file or their code, and nothing is told of whose they are."""

import re
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from bot.sandbox import Person, Sandbox
from bot.scan.report_data import VERIFY_START
from bot.settings import Settings
from reports.seal import MARK, Sealer
from storage.vault import new_key
from tests.integration.chatting import answer_to, one_scan, scans_of
from tests.integration.conftest import RunningBot

CODE = re.compile(MARK.decode() + r" ([0-9A-Z-]{19})")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"report_key": SecretStr(new_key())})


async def said_of(person: Person, file: bytes) -> str:
    """What the bot answers to a PDF that somebody sends."""
    await person.send_document(file, "report.pdf")
    return (await person.wait_for(lambda message: "report" in message.text or "file" in message.text)).text


async def test_report_sent_back_is_confirmed_and_any_change_noticed(bot: RunningBot, agreed: Person) -> None:
    report = await agreed.download(await one_scan(bot, agreed, "Quixotria Zwrtlbrmft"))

    assert "nothing in it was changed since" in await said_of(agreed, report)
    assert "added to the file later" in await said_of(agreed, report + b"%")
    assert "Part of this file is missing" in await said_of(agreed, report[:-2000])
    changed = bytearray(report)
    changed[len(report) // 2] ^= 1
    assert "not as I made it" in await said_of(agreed, bytes(changed))
    foreign = report.replace(MARK + b" ", MARK + b" Z", 1)
    assert "was not made by this bot" in await said_of(agreed, foreign)
    assert len(await scans_of(bot, agreed)) == 1


async def test_somebody_else_learns_only_that_this_bot_made_it(
    bot: RunningBot, agreed: Person, sandbox: Sandbox
) -> None:
    report = await agreed.download(await one_scan(bot, agreed, "Quixotria"))
    code = CODE.search(report.decode("latin-1"))
    assert code is not None
    doctor = await sandbox.person("Doctor")

    told = [(await answer_to(doctor, f"/verify {code[1].lower()}")).text]
    told += [(await answer_to(doctor, f"/start {VERIFY_START}{code[1].replace('-', '')}")).text]
    assert all("made a report with this code on" in text for text in told)
    assert not re.search("Quixotria|Anna|tumour|leukaemia|[Ss]can 1", " ".join(told))


async def test_wrong_codes_are_refused_and_none_is_explained(bot: RunningBot, anna: Person) -> None:
    foreign = Sealer([b"x" * 32]).code("A7K2-Q9", datetime.now(UTC).date())

    for typed in (foreign, "0000-0000-0000-0000", "<b>", "x" * 3000):
        assert "No report of this bot has this code" in (await answer_to(anna, f"/verify {typed}")).text
    assert "as a PDF file" in (await answer_to(anna, "/verify")).text
