"""No picture is opened before a yes; what waited for one is read after it, or goes."""

from bot.sandbox import Person
from tests import pictures
from tests.integration.chatting import answer_to, is_report, scans_of, work_is_done
from tests.integration.conftest import RunningBot


async def test_picture_sent_before_consent_is_read_only_afterwards(bot: RunningBot, anna: Person) -> None:
    await anna.send_photo(pictures.brain(), "Anna B.")
    question = await anna.wait_for(lambda message: "I have not opened it yet" in message.text)
    assert await scans_of(bot, anna) == ()

    await anna.press(question, "agree")
    await anna.wait_for(is_report, timeout=60)

    assert [scan.patient_label for scan in await scans_of(bot, anna)] == ["Anna B."]


async def test_a_no_leaves_the_picture_unopened(bot: RunningBot, anna: Person) -> None:
    await anna.send_photo(pictures.brain())
    question = await anna.wait_for(lambda message: bool(message.buttons))
    await anna.press(question, "decline")
    await anna.wait_for(lambda message: "That is fine" in message.text)

    await anna.send_text("/start")
    question = await anna.wait_for(lambda message: bool(message.buttons))
    await anna.press(question, "agree")
    assert "now send me a picture" in (await anna.wait_for(lambda message: message.edited)).text.lower()


async def test_album_before_consent_asks_once_for_all_pictures(bot: RunningBot, anna: Person) -> None:
    await anna.send_album([pictures.brain(seed=seed) for seed in (1, 2, 3)], "Boris")
    question = await anna.wait_for(lambda message: bool(message.buttons))
    await work_is_done(bot, anna)
    assert len([message for message in await anna.messages() if message.from_bot]) == 1

    await anna.press(question, "agree")
    await anna.wait_for(lambda message: is_report(message) and "scan 3" in message.text, timeout=60)

    scans = await scans_of(bot, anna)
    assert [(scan.number, scan.patient_label) for scan in scans] == [(3, "Boris"), (2, "Boris"), (1, "Boris")]


async def test_cancel_drops_pictures_that_wait_for_a_yes(bot: RunningBot, anna: Person) -> None:
    await anna.send_photo(pictures.brain())
    await anna.wait_for(lambda message: bool(message.buttons))
    assert "1 picture" in (await answer_to(anna, "/cancel")).text
    assert await bot.services.database.inbox.awaiting_consent(anna.id) == 0


async def test_withdrawn_consent_is_asked_for_again(bot: RunningBot, agreed: Person) -> None:
    privacy = await answer_to(agreed, "/privacy")
    await agreed.press(privacy, "withdraw")
    await agreed.wait_for(lambda message: "no more pictures" in message.text)
    await agreed.send_photo(pictures.brain())
    await agreed.wait_for(lambda message: "I have not opened it yet" in message.text)
    assert await scans_of(bot, agreed) == ()
