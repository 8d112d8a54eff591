"""Chats at their edges: other people's scans, odd files and updates, what comes meanwhile, and what goes wrong."""

import logging
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from telegram import Update
from telegram.error import BadRequest

from bot.app import running
from bot.chat.keyboards import Action, ButtonPress
from bot.delivery.backoff import Backoff
from bot.sandbox import Message, Person, Rules, Sandbox
from bot.scan import fetching, worker_jobs
from inference.workers.local import LocalExecutor
from tests import pictures
from tests.content import services_of
from tests.integration.chatting import (
    a_press,
    answer_to,
    is_report,
    one_scan,
    press_without_a_button,
    scans_of,
    work_is_done,
)
from tests.integration.conftest import RunningBot, settings_for
from tests.probe_jobs import answer_falsely, process_id

AFTER_THE_ID = {Action.SLICE: "/1", Action.FOUND: "/glioma"}
SCAN_ACTIONS = [action for action in Action if action.argument.fullmatch("A7K2-Q9" + AFTER_THE_ID.get(action, ""))]


async def test_redelivered_update_makes_no_second_scan_or_answer(
    bot: RunningBot, sandbox: Sandbox, agreed: Person
) -> None:
    sent = await agreed.send_document(pictures.brain())
    await agreed.wait_for(is_report, timeout=60)

    await sandbox.client.push_update("message", sent.raw)
    await answer_to(agreed, "/help")
    await work_is_done(bot, agreed)

    assert len(await scans_of(bot, agreed)) == 1
    assert len([message for message in await agreed.messages() if message.from_bot and message.file]) == 2


async def test_log_does_not_quote_what_telegram_refuses(
    bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: object, caption: str, **__: object) -> None:
        raise BadRequest(f'Can\'t parse entities: unsupported start tag "{caption}" at byte offset 0')

    monkeypatch.setattr(type(bot.application.bot), "send_photo", refuse)
    await agreed.send_document(pictures.brain(), caption="Quixotria")
    await agreed.wait_for(lambda message: "could not send the answer" in message.text, timeout=60)
    assert "an answer could not be sent: Can't parse entities: unsupported start tag" in caplog.text
    assert "Quixotria" not in caplog.text


async def test_answer_that_no_model_gives_is_not_kept(
    bot: RunningBot, agreed: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_jobs, "analyse_for_chat", answer_falsely)
    await agreed.send_document(pictures.brain())
    await agreed.wait_for(lambda message: "could not get through this picture" in message.text, timeout=60)
    assert not await scans_of(bot, agreed)
    assert "can't be true" in caplog.text
    assert "Quixotria" not in caplog.text


async def test_repeated_picture_is_read_and_offers_earlier_scan(bot: RunningBot, agreed: Person) -> None:
    await one_scan(bot, agreed)
    await agreed.send_document(pictures.brain())
    again = await agreed.wait_for(lambda message: message.photo is not None, timeout=60)

    await agreed.press(again, "Same picture: scan 1")
    earlier = await agreed.wait_for(lambda message: message.photo is not None)
    assert "Scan 1 ·" in earlier.text
    assert len(await scans_of(bot, agreed)) == 2


async def test_no_button_id_or_number_reaches_another_persons_scan(
    bot: RunningBot, sandbox: Sandbox, agreed: Person
) -> None:
    await one_scan(bot, agreed, "private")
    [scan] = await scans_of(bot, agreed)
    boris = await sandbox.person("Boris")

    def tells_nothing(message: Message) -> None:
        assert message.file is None
        assert "private" not in message.text
        assert scan.public_id not in message.text.replace(f"can't find scan {scan.public_id}", "")

    for action in SCAN_ACTIONS:
        data = ButtonPress(action, scan.public_id + AFTER_THE_ID.get(action, "")).data
        tells_nothing(await press_without_a_button(sandbox, boris, data))
    for name in (scan.public_id, "1", scan.public_id.lower(), "private"):
        for command in ("/report", "/export"):
            tells_nothing(await answer_to(boris, f"{command} {name}"))
    own = ("/report", "/history", "/history privat", "/export", "/compare")
    for text in (f"/compare 1 {scan.public_id}", "/rename 1 Boris", *own):
        tells_nothing(await answer_to(boris, text))
    assert await bot.services.database.outcomes.of(scan.id) is None
    assert await scans_of(bot, agreed) == (scan,)


@pytest.mark.parametrize(
    "data", ["", "open:", "open:A7K2-Q9x", "delete-all:1", "topic:no-such-topic", "section:glioma/no"]
)
async def test_unknown_button_gets_a_kind_hint(sandbox: Sandbox, anna: Person, data: str, bot: RunningBot) -> None:
    answer = await press_without_a_button(sandbox, anna, data or "x" * 64)
    assert "does not work any more" in answer.text


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", "kind of file"),
        (pictures.truncated_jpeg(), "damaged"),
        (pictures.encode(Image.new("RGB", (1, 1))), "too small"),
        (pictures.cat(), "I can't see a brain MRI slice or a blood smear"),
        (pictures.screenshot(), "a page or a screenshot"),
    ],
    ids=["text", "truncated", "one pixel", "cat", "screenshot"],
)
async def test_unreadable_file_gets_one_sentence_and_leaves_nothing(
    bot: RunningBot, agreed: Person, data: bytes, sentence: str
) -> None:
    sent = await agreed.send_document(data, "scan.jpg")
    refusal = await agreed.wait_for(lambda message: sentence in message.text, timeout=60)
    assert refusal.reply_to == sent.id
    await work_is_done(bot, agreed)
    assert await scans_of(bot, agreed) == ()
    after = [message for message in await agreed.messages() if message.id > sent.id]
    assert [message.id for message in after] == [refusal.id]


async def test_25_mb_document_is_refused_without_download(agreed: Person) -> None:
    await agreed.send_document(bytes(25 * 1024 * 1024), "big.tif")
    await agreed.wait_for(lambda message: "too large" in message.text, timeout=60)


async def test_file_gone_from_telegram_gets_one_sentence(agreed: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FETCH_AGAIN", Backoff(0.01, 0.01))
    await agreed.send_document(pictures.brain(), unavailable=True)
    await agreed.wait_for(lambda message: "no longer has this file" in message.text, timeout=60)


async def test_album_refuses_only_its_bad_picture(bot: RunningBot, agreed: Person) -> None:
    sent = await agreed.send_album([pictures.brain(), pictures.cat(), pictures.brain(seed=2)])
    await agreed.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
    await work_is_done(bot, agreed)
    answers = [message for message in await agreed.messages() if message.from_bot and message.reply_to]
    assert [message.reply_to for message in answers] == [message.id for message in sent]
    assert [message.photo is not None for message in answers] == [True, False, True]


async def test_command_is_answered_while_an_album_is_read(bot: RunningBot, agreed: Person) -> None:
    await agreed.send_album([pictures.brain(seed=seed) for seed in range(10)])
    assert (await answer_to(agreed, "/faq")).text.startswith("Common questions")
    assert len(await scans_of(bot, agreed)) < 10


async def test_cancel_takes_back_an_album_that_is_in_work(bot: RunningBot, agreed: Person) -> None:
    await agreed.send_album([pictures.brain(seed=seed) for seed in range(10)])
    await agreed.wait_for(lambda message: "picture" in message.text)
    await agreed.send_text("/cancel")
    await agreed.wait_for(lambda message: "dropped" in message.text)
    await work_is_done(bot, agreed)
    assert len(await scans_of(bot, agreed)) < 10


async def test_deleting_everything_during_a_scan_leaves_nothing_behind(bot: RunningBot, agreed: Person) -> None:
    question = await answer_to(agreed, "/delete")
    await agreed.send_document(pictures.brain())
    await agreed.press(question, "delete-all")
    await agreed.wait_for(lambda message: "I have deleted" in message.text, timeout=60)
    await work_is_done(bot, agreed)
    assert await scans_of(bot, agreed) == ()


async def test_report_is_redrawn_when_telegram_lost_its_file(bot: RunningBot, agreed: Person) -> None:
    report = await one_scan(bot, agreed)
    first = await agreed.download(report)
    [scan] = await scans_of(bot, agreed)
    await bot.services.database.scans.record_message(scan.id, "report", report.id, "a-file-id-of-another-bot")
    await agreed.press(report, "PDF again")
    anew = await agreed.wait_for(is_report, timeout=60)
    assert await agreed.download(anew) == first


async def test_deleting_a_scan_also_deletes_its_chat_answers(bot: RunningBot, agreed: Person) -> None:
    report = await one_scan(bot, agreed)
    await agreed.press(report, "Delete this scan")
    question = await agreed.wait_for(lambda message: "You can undo it for 30 seconds" in message.text)
    await agreed.press(question, "Yes, delete it")
    await agreed.wait_for_event(lambda event: event["type"] == "delete")
    await agreed.wait_for(lambda message: "is deleted" in message.text)
    assert await scans_of(bot, agreed) == ()
    assert "no scans yet" in (await answer_to(agreed, "/history")).text
    assert all(message.file is None or not message.from_bot for message in await agreed.messages())


async def test_button_on_missing_message_sends_a_new_message(sandbox: Sandbox, agreed: Person) -> None:
    answer = await press_without_a_button(sandbox, agreed, "history:1")
    assert "no scans yet" in answer.text
    assert not answer.edited


async def test_button_press_without_effect_gets_no_reply(sandbox: Sandbox, agreed: Person) -> None:
    info = await answer_to(agreed, "/info")
    before = await agreed.messages()
    await sandbox.client.push_update("callback_query", a_press(agreed, "topics", info.id))
    assert "Common questions" in (await answer_to(agreed, "/faq")).text
    assert len(await agreed.messages()) == len(before) + 2


async def test_forwarded_answer_of_ours_is_not_a_scan(bot: RunningBot, agreed: Person) -> None:
    report = await one_scan(bot, agreed)
    heat_map = next(message for message in await agreed.messages() if message.from_bot and message.photo)
    await agreed.forward(heat_map)
    await agreed.wait_for(lambda message: "one of my own answers" in message.text)
    await agreed.forward(report)
    await agreed.wait_for(lambda message: "does not sign its reports" in message.text)
    assert len(await scans_of(bot, agreed)) == 1


async def test_emergency_in_caption_is_answered_before_picture(agreed: Person) -> None:
    await agreed.send_document(pictures.brain(), caption="my son had a seizure")
    first = await agreed.wait_for(lambda _: True)
    assert "112" in first.text
    await agreed.wait_for(is_report, timeout=60)


@pytest.mark.parametrize(
    ("send", "sentence"),
    [
        (lambda person: person.send_text("/nonsense"), "don't know this command"),
        (lambda person: person.send_sticker(), "Nice one"),
        (lambda person: person.send_voice(), "can't listen"),
        (lambda person: person.send_video(), "can't read moving pictures"),
    ],
    ids=["unknown command", "sticker", "voice", "video"],
)
async def test_what_we_can_not_use_gets_a_kind_hint(
    anna: Person, send: Callable[[Person], Awaitable[Message]], sentence: str
) -> None:
    await send(anna)
    await anna.wait_for(lambda message: sentence in message.text)


def odd_updates(person: Person) -> list[dict[str, Any]]:
    """Updates that nobody expects an answer to."""
    sender = {"id": person.id, "is_bot": False, "first_name": "Anna"}
    private = {"id": person.id, "type": "private", "first_name": "Anna"}
    group = {"id": -5, "type": "group", "title": "Family"}
    channel = {"id": -1_000_000_000_005, "type": "channel", "title": "News"}
    said = {"message_id": 1, "date": 1_700_000_000, "text": "glioma", "from": sender}
    return [
        {"edited_message": {**said, "chat": group, "edit_date": 1_700_000_001}},
        {"edited_message": {"message_id": 9, "date": 1, "chat": private, "from": sender, "edit_date": 2,
                            "location": {"latitude": 1.0, "longitude": 1.0, "live_period": 60}}},
        {"message": {**said, "chat": group}},
        {"message": {"message_id": 2, "date": 1, "chat": private, "from": sender, "group_chat_created": True}},
        {"channel_post": {"message_id": 1, "date": 1, "chat": channel, "text": "glioma"}},
        {"poll": {"id": "1", "question": "?", "options": [], "total_voter_count": 0, "is_closed": False,
                  "is_anonymous": True, "type": "regular", "allows_multiple_answers": False, "members_only": False,
                  "allows_revoting": False}},
        {"inline_query": {"id": "1", "from": sender, "query": "glioma", "offset": ""}},
    ]  # fmt: skip


async def test_odd_updates_are_ignored_without_an_exception(
    bot: RunningBot, anna: Person, caplog: pytest.LogCaptureFixture
) -> None:
    for number, content in enumerate(odd_updates(anna), start=1):
        update = Update.de_json({"update_id": number, **content}, bot.application.bot)
        await bot.application.process_update(update)
    assert await anna.messages() == []
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def membership(person: Person, old: str, new: str) -> dict[str, Any]:
    """What Telegram says when a person blocks the bot or lets it in again."""
    bot = {"id": 1, "is_bot": True, "first_name": "TumorScan"}
    sender = {"id": person.id, "is_bot": False, "first_name": "Anna"}
    chat = {"id": person.id, "type": "private", "first_name": "Anna"}
    states = {"member": {"user": bot, "status": "member"}, "kicked": {"user": bot, "status": "kicked", "until_date": 0}}
    change = {"chat": chat, "from": sender, "date": 1, "old_chat_member": states[old], "new_chat_member": states[new]}
    return {"update_id": 1, "my_chat_member": change}


async def test_blocking_and_coming_back_are_remembered(bot: RunningBot, anna: Person) -> None:
    for old, new in (("member", "kicked"), ("kicked", "member")):
        update = Update.de_json(membership(anna, old, new), bot.application.bot)
        await bot.application.process_update(update)
        person = await bot.services.database.people.get(anna.id)
        assert person is not None
        assert person.blocked == (new == "kicked")


async def test_blocking_is_remembered_when_an_answer_cannot_be_sent(bot: RunningBot, anna: Person) -> None:
    sent = await anna.send_text("/help")
    await anna.wait_for(lambda _: True)
    await anna.block()
    await bot.application.process_update(Update.de_json({"update_id": 1, "message": sent.raw}, bot.application.bot))
    person = await bot.services.database.people.get(anna.id)
    assert person is not None
    assert person.blocked


async def test_failure_gets_one_sentence_and_log_without_personal_data(
    bot: RunningBot, agreed: Person, caplog: pytest.LogCaptureFixture
) -> None:
    await one_scan(bot, agreed, "Anna Karenina")
    [scan] = await scans_of(bot, agreed)
    await bot.services.database.scans.record_message(scan.id, "report", 1, "a-file-id-of-another-bot")
    with closing(sqlite3.connect(bot.settings.database_url.removeprefix("sqlite+aiosqlite:///"))) as file, file:
        file.execute("DELETE FROM pictures")

    answer = await answer_to(agreed, "/report 1")

    assert "Something went wrong on my side" in answer.text
    assert "could not be handled: UnknownScanError" in caplog.text
    assert "Anna" not in caplog.text
    assert bot.settings.require_token() not in caplog.text
    assert "Common questions" in (await answer_to(agreed, "/faq")).text


async def test_killed_worker_is_replaced_and_picture_is_read(
    bot: RunningBot, agreed: Person, workers: LocalExecutor
) -> None:
    os.kill(await workers.run(process_id), signal.SIGKILL)
    await one_scan(bot, agreed)
    assert len(await scans_of(bot, agreed)) == 1


@pytest.mark.telegrams_pace
async def test_when_telegram_says_slow_down_every_answer_still_comes(workers: LocalExecutor, tmp_path: Path) -> None:
    async with Sandbox.start(rules=Rules(flood_limit=True, flood_burst=4)) as strict:
        settings = settings_for(strict, tmp_path)
        async with services_of(settings, workers) as services, running(settings, services):
            anna = await strict.person("Anna")
            for _ in range(6):
                await anna.send_text("/help")
            answered: set[int] = set()
            while len(answered) < 6:
                answer = await anna.wait_for(lambda message: message.id not in answered, timeout=60, since=0)
                answered.add(answer.id)
