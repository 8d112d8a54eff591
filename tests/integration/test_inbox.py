"""Nothing is lost and nothing comes twice: a real bot is killed and started again, and what goes wrong is contained."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from telegram import Update
from telegram.error import InvalidToken, NetworkError

from bot.chat.context import BotContext
from bot.delivery import error_class, inbox
from bot.delivery.backoff import Backoff
from bot.handlers import onboarding
from bot.sandbox import Message, Sandbox
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests import pictures, processes
from tests.integration.chatting import is_report
from tests.integration.kills import BOT, LONG, all_is_done, answers, bot_here, bot_process, rows, someone_agreed, until

DEADLY_HELP = (
    "import os, signal\n"
    "from bot.handlers import onboarding\n"
    "async def die(update, context): os.kill(os.getpid(), signal.SIGKILL)\n"
    "onboarding.show_help = die\n"
)
"""A bot whose /help ends the process."""
ANSWERS_AND_STAYS = (
    "import asyncio\n"
    "from bot.handlers import onboarding\n"
    "answer = onboarding.show_help\n"
    "async def stay(update, context):\n"
    "    await answer(update, context)\n"
    "    await asyncio.Event().wait()\n"
    "onboarding.show_help = stay\n"
)
"""A bot whose /help has answered long before it ends."""
STOPS_AT_THE_THIRD = (
    "import asyncio\n"
    "from bot.scan.pipeline import ScanJob\n"
    "fetch = ScanJob._fetch\n"
    "async def fetch_two(journey):\n"
    "    return await (asyncio.Event().wait() if journey.number == 3 else fetch(journey))\n"
    "ScanJob._fetch = fetch_two\n"
)
"""A bot that never gets the third picture of an album: one that is killed later has told what it can of the others."""


# Killed in the middle


def answer_kind(message: Message) -> str:
    """Which answer to a scan this is: the file, or the offer of one that a kill may have kept from arriving."""
    if message.photo is not None or "whether the picture" in message.text:
        return "picture"
    return "report" if is_report(message) or "whether the report" in message.text else "other"


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ({"download": {"slow": 1}}, "SELECT 1 FROM inbox WHERE messages LIKE '%status%'"),
        ({"sendPhoto": {"hang": 1}}, "SELECT 1 FROM scans"),
        ({"sendDocument": {"hang": 1}}, "SELECT 1 FROM scans WHERE messages LIKE '%picture%'"),
    ],
    ids=["while fetching", "before the picture", "before the report"],
)
async def test_scan_interrupted_by_kill_is_answered_exactly_once(
    sandbox: Sandbox,
    settings: Settings,
    workers: LocalExecutor,
    tmp_path: Path,
    fault: dict[str, dict[str, float]],
    step: str,
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults(fault, **LONG)
        sent = await anna.send_document(pictures.brain(), caption="Anna B.")
        await until(lambda: bool(rows(tmp_path, step)))
        process.kill()
    await sandbox.client.set_faults()
    async with bot_here(settings, workers):
        await anna.wait_for(lambda message: answer_kind(message) == "report", timeout=60)
        await all_is_done(tmp_path)

    after = [message for message in await answers(anna) if message.id > sent.id]
    assert [answer_kind(message) for message in after] == ["picture", "report"]
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Anna B.")]


async def test_text_answered_before_a_kill_comes_once(
    sandbox: Sandbox, settings: Settings, workers: LocalExecutor, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path, ANSWERS_AND_STAYS + BOT) as process:
        anna = await sandbox.person("Anna")
        await anna.send_text("/help")
        await anna.wait_for(lambda message: message.from_bot, timeout=60)
        await until(lambda: bool(rows(tmp_path, "SELECT 1 FROM inbox WHERE messages LIKE '%text %'")))
        process.kill()
    async with bot_here(settings, workers):
        await all_is_done(tmp_path)
    assert len(await answers(anna)) == 1


async def test_picture_unconfirmed_at_kill_is_offered_not_resent(
    sandbox: Sandbox, settings: Settings, workers: LocalExecutor, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"sendPhoto": {"slow": 1}}, **LONG)
        await anna.send_document(pictures.brain())
        await anna.wait_for(lambda message: message.photo is not None, timeout=60)
        process.kill()
    await sandbox.client.set_faults()
    async with bot_here(settings, workers):
        await anna.wait_for(is_report, timeout=60)
        await all_is_done(tmp_path)
    files = [message for message in await answers(anna) if message.file]
    assert [message.photo is not None for message in files] == [True, False]
    [offer] = [message for message in await answers(anna) if "Show it again" in message.labels]
    assert "scan 1" in offer.text
    assert rows(tmp_path, "SELECT number FROM scans") == [(1,)]


async def test_an_album_goes_on_where_the_kill_stopped_it(
    sandbox: Sandbox, settings: Settings, workers: LocalExecutor, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path, STOPS_AT_THE_THIRD + BOT) as process:
        anna = await someone_agreed(sandbox)
        sent = await anna.send_album([pictures.brain(seed=1), pictures.cat(), pictures.brain(seed=2)], "Boris")
        await until(lambda: bool(rows(tmp_path, "SELECT 1 FROM inbox WHERE messages LIKE '%refusal%'")))
        process.kill()
    async with bot_here(settings, workers):
        await anna.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
        await all_is_done(tmp_path)
    replies = [message for message in await answers(anna) if message.reply_to]
    assert [message.reply_to for message in replies] == [message.id for message in sent]
    assert len([message for message in await answers(anna) if is_report(message)]) == 2
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Boris"), (2, "Boris")]


async def test_fetched_but_unhandled_updates_survive_a_kill(
    sandbox: Sandbox, settings: Settings, workers: LocalExecutor, tmp_path: Path
) -> None:
    people = [await sandbox.person(f"Person {number}") for number in range(5)]
    async with bot_process(sandbox, tmp_path) as process:
        await sandbox.client.set_faults({"sendMessage": {"hang": 1}}, **LONG)
        for person in people:
            await person.send_text("/privacy")
        await until(lambda: rows(tmp_path, "SELECT count(*) FROM inbox") == [(5,)])
        await until(lambda: not sandbox.world.updates.pending)
        process.kill()
    await sandbox.client.set_faults()
    assert [await answers(person) for person in people] == [[]] * 5
    async with bot_here(settings, workers):
        for person in people:
            await person.wait_for(lambda message: message.from_bot, timeout=60)
        await all_is_done(tmp_path)
    assert [len(await answers(person)) for person in people] == [1] * 5


async def test_picture_waiting_for_consent_survives_a_kill(
    sandbox: Sandbox, settings: Settings, workers: LocalExecutor, tmp_path: Path
) -> None:
    anna = await sandbox.person("Anna")
    async with bot_process(sandbox, tmp_path) as process:
        await anna.send_photo(pictures.brain(), "Anna B.")
        question = await anna.wait_for(lambda message: bool(message.buttons), timeout=60)
        await until(lambda: rows(tmp_path, "SELECT state FROM inbox") == [("awaiting_consent",)])
        process.kill()
    async with bot_here(settings, workers):
        await anna.press(question, "agree", timeout=60)
        await anna.wait_for(is_report, timeout=60)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Anna B.")]
    assert len([message for message in await answers(anna) if message.buttons and not message.file]) == 0


async def test_deadly_update_is_set_aside_and_others_are_answered(sandbox: Sandbox, tmp_path: Path) -> None:
    anna, boris = await sandbox.person("Anna"), await sandbox.person("Boris")
    poison = await anna.send_text("/help")
    for _ in range(error_class.MOST_ATTEMPTS):
        async with bot_process(sandbox, tmp_path, DEADLY_HELP + BOT) as process:
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    await boris.send_text("/privacy")
    async with bot_process(sandbox, tmp_path, DEADLY_HELP + BOT):
        await boris.wait_for(lambda message: message.from_bot, timeout=60)
        told = await anna.wait_for(lambda message: "Something went wrong" in message.text, timeout=60, since=0)
        await all_is_done(tmp_path)
    assert told.reply_to == poison.id
    assert len(await answers(anna)) == 1
    [(error,)] = rows(tmp_path, "SELECT error FROM inbox WHERE state = 'dead_letter'")
    assert "the process ended during each of 3 attempts" in error


async def test_a_worker_killed_while_the_bot_starts_loses_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"hang": 1}}, **LONG)
        for seed in range(5):
            await anna.send_document(pictures.brain(seed=seed))
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM inbox WHERE finished_at IS NULL")) == 5)
        process.kill()
    await sandbox.client.set_faults()
    async with bot_process(sandbox, tmp_path) as process:
        await until(lambda: bool(processes.workers(process.pid)))
        os.kill(processes.workers(process.pid)[0], signal.SIGKILL)
        await anna.wait_for(lambda message: is_report(message) and "scan 5" in message.text, timeout=60)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(5,)]
    assert rows(tmp_path, "SELECT count(*) FROM inbox WHERE state = 'dead_letter'") == [(0,)]


# Failing in one process


def failing(times: int, error: Exception, calls: list[int]) -> Callable[[Update, BotContext], Awaitable[None]]:
    """A /help that fails so often."""

    async def show_help(update: Update, context: BotContext) -> None:
        calls.append(update.update_id)
        if len(calls) <= times:
            raise error
        await context.say("other.sticker")

    return show_help


async def test_three_failures_cost_one_sentence_and_keep_the_traceback(
    settings: Settings,
    workers: LocalExecutor,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(inbox, "AFTER_A_BUG", Backoff(0.01, 0.01))
    monkeypatch.setattr(onboarding, "show_help", failing(99, ZeroDivisionError("broken"), calls))
    async with bot_here(settings, workers):
        anna = await sandbox.person("Anna")
        sent = await anna.send_text("/help")
        told = await anna.wait_for(lambda message: "Something went wrong" in message.text)
        await all_is_done(tmp_path)
        await anna.send_text("/privacy")
        await anna.wait_for(lambda message: "keep" in message.text)
    assert len(calls) == error_class.MOST_ATTEMPTS
    assert told.reply_to == sent.id
    [(payload, error)] = rows(tmp_path, "SELECT payload, error FROM inbox WHERE state = 'dead_letter'")
    assert '"/help"' in payload
    assert "ZeroDivisionError: broken" in error
    assert "in show_help" in error
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    [line] = [record.getMessage() for record in errors]
    assert line.endswith("is a dead letter, with its traceback: ZeroDivisionError")
    assert errors[0].exc_info is None


@pytest.mark.parametrize("error", [NetworkError("away"), InvalidToken("Unauthorized")], ids=["network", "token"])
async def test_error_outside_the_update_is_retried_until_success(
    error: Exception,
    settings: Settings,
    workers: LocalExecutor,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(inbox, "AFTER_TROUBLE", Backoff(0.01, 0.01))
    monkeypatch.setattr(onboarding, "show_help", failing(5, error, calls))
    async with bot_here(settings, workers):
        anna = await sandbox.person("Anna")
        await anna.send_text("/help")
        await anna.wait_for(lambda message: "Nice one" in message.text, timeout=60)
        await all_is_done(tmp_path)
    assert len(calls) == 6
    assert len(await answers(anna)) == 1
    assert rows(tmp_path, "SELECT state, attempts FROM inbox") == [("done", 0)]


async def test_expired_button_press_is_obeyed_after_a_restart(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    anna = await sandbox.person("Anna")
    async with bot_process(sandbox, tmp_path) as process:
        await anna.send_text("/faq")
        menu = await anna.wait_for(lambda message: bool(message.buttons), timeout=60)
        await sandbox.client.set_faults({"answerCallbackQuery": {"hang": 1}, "editMessageText": {"hang": 1}}, **LONG)
        await anna.press_only(menu, menu.labels[0])
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM inbox WHERE state IN ('waiting', 'working')")) == 1)
        process.kill()
    await sandbox.client.set_faults()
    await sandbox.client.advance_clock(3600)
    async with bot_here(settings, workers):
        await anna.wait_for(lambda message: message.id == menu.id and message.edited, timeout=60)
        await all_is_done(tmp_path)


async def test_update_redelivered_after_restart_is_skipped(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings, workers) as bot:
        anna = await sandbox.person("Anna")
        sent = await anna.send_text("/privacy")
        await anna.wait_for(lambda message: message.from_bot)
        await all_is_done(tmp_path)
        [(update_id,)] = rows(tmp_path, "SELECT update_id FROM inbox")
    async with bot_here(settings, workers) as bot:
        again = Update.de_json({"update_id": update_id, "message": sent.raw}, bot.application.bot)
        await bot.application.update_queue.put(again)
        assert bot.application.update_queue.empty()
        await anna.send_text("/faq")
        await anna.wait_for(lambda message: "Common questions" in message.text)
    assert len(await answers(anna)) == 2
