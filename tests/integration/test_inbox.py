"""Nothing is lost and nothing comes twice: a real bot is killed and started again, and what goes wrong is contained."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from telegram import Update
from telegram.error import NetworkError

from bot import inbox
from bot.application import open_services, running
from bot.context import BotContext
from bot.handlers import onboarding
from bot.sandbox import Message, Person, Sandbox
from bot.settings import Settings
from inference.executor import LocalExecutor
from tests import pictures
from tests.conftest import PROJECT
from tests.integration.conftest import RunningBot

LONG = {"slow_s": 600.0, "hang_s": 600.0}
BOT = "from bot.cli import main\nraise SystemExit(main(['run']))"
DEADLY_HELP = (
    "import os, signal\n"
    "from bot.handlers import onboarding\n"
    "async def die(update, context): os.kill(os.getpid(), signal.SIGKILL)\n"
    "onboarding.show_help = die\n"
)
"""A bot whose /help ends the process."""


@asynccontextmanager
async def bot_process(sandbox: Sandbox, folder: Path, program: str = BOT) -> AsyncIterator[asyncio.subprocess.Process]:
    """The bot as a process of its own; killed at the end."""
    environment = {
        "PYTHONPATH": str(PROJECT),
        "PATH": os.environ.get("PATH", ""),
        "WORKERS": "1",
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_API_URL": sandbox.url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=folder, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def bot_here(settings: Settings, workers: LocalExecutor) -> AsyncIterator[RunningBot]:
    """The bot in this process, on the database that an earlier one may have left."""
    async with open_services(settings, workers) as services, running(settings, services) as application:
        yield RunningBot(settings, services, application)


def is_report(message: Message) -> bool:
    return message.document is not None


async def someone_agreed(sandbox: Sandbox) -> Person:
    anna = await sandbox.person("Anna")
    await anna.send_text("/start")
    question = await anna.wait_for(lambda message: bool(message.buttons), timeout=60)
    await anna.press(question, "agree", timeout=30)
    await anna.wait_for(lambda message: message.id == question.id and message.edited, timeout=30)
    return anna


async def answers(person: Person) -> list[Message]:
    return [message for message in await person.messages() if message.from_bot]


def rows(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """What is in the database now; nothing while a new bot has not made its tables."""
    with closing(sqlite3.connect(folder / "bot.db")) as file:
        try:
            return file.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something in the sandbox or on the disk that nobody announces."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def all_is_done(folder: Path) -> None:
    await until(lambda: rows(folder, "SELECT count(*) FROM inbox WHERE finished_at IS NULL") == [(0,)])


# Killed in the middle


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ({"download": {"slow": 1}}, "SELECT 1 FROM inbox WHERE messages LIKE '%status%'"),
        ({"sendPhoto": {"hang": 1}}, "SELECT 1 FROM scans"),
        ({"sendDocument": {"hang": 1}}, "SELECT 1 FROM scans WHERE messages LIKE '%picture%'"),
    ],
    ids=["while fetching", "before the picture", "before the report"],
)
async def test_a_scan_that_a_kill_interrupts_is_answered_once_by_the_next_process(
    sandbox: Sandbox, tmp_path: Path, fault: dict[str, dict[str, float]], step: str
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults(fault, **LONG)
        sent = await anna.send_document(pictures.brain(), caption="Anna B.")
        await until(lambda: bool(rows(tmp_path, step)))
        process.kill()
    await sandbox.client.set_faults()
    async with bot_process(sandbox, tmp_path):
        await anna.wait_for(is_report, timeout=60)
        await all_is_done(tmp_path)

    after = [message for message in await answers(anna) if message.id > sent.id]
    assert [(message.photo is not None, is_report(message)) for message in after] == [(True, False), (False, True)]
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Anna B.")]


async def test_a_picture_whose_receipt_the_kill_cut_off_may_come_twice_but_is_one_scan(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"sendPhoto": {"slow": 1}}, **LONG)
        await anna.send_document(pictures.brain())
        await anna.wait_for(lambda message: message.photo is not None, timeout=30)
        process.kill()
    await sandbox.client.set_faults()
    async with bot_process(sandbox, tmp_path):
        await anna.wait_for(is_report, timeout=60)
        await all_is_done(tmp_path)
    files = [message for message in await answers(anna) if message.file]
    assert [message.photo is not None for message in files] == [True, True, False]
    assert rows(tmp_path, "SELECT number FROM scans") == [(1,)]


async def test_an_album_goes_on_where_the_kill_stopped_it(sandbox: Sandbox, tmp_path: Path) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        sent = await anna.send_album([pictures.brain(seed=1), pictures.cat(), pictures.brain(seed=2)], "Boris")
        await until(lambda: bool(rows(tmp_path, "SELECT 1 FROM inbox WHERE messages LIKE '%refusal%'")))
        process.kill()
    async with bot_process(sandbox, tmp_path):
        await anna.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
        await all_is_done(tmp_path)
    replies = [message for message in await answers(anna) if message.reply_to]
    assert [message.reply_to for message in replies] == [message.id for message in sent]
    assert len([message for message in await answers(anna) if is_report(message)]) == 2
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Boris"), (2, "Boris")]


async def test_what_was_fetched_but_not_handled_when_the_kill_came_is_answered_by_the_next_process(
    sandbox: Sandbox, tmp_path: Path
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
    async with bot_process(sandbox, tmp_path):
        for person in people:
            await person.wait_for(lambda message: message.from_bot, timeout=60)
        await all_is_done(tmp_path)
    assert [len(await answers(person)) for person in people] == [1] * 5


async def test_a_picture_that_waits_for_a_yes_survives_a_kill(sandbox: Sandbox, tmp_path: Path) -> None:
    anna = await sandbox.person("Anna")
    async with bot_process(sandbox, tmp_path) as process:
        await anna.send_photo(pictures.brain(), "Anna B.")
        question = await anna.wait_for(lambda message: bool(message.buttons), timeout=60)
        await until(lambda: rows(tmp_path, "SELECT state FROM inbox") == [("held",)])
        process.kill()
    async with bot_process(sandbox, tmp_path):
        await anna.press(question, "agree", timeout=60)
        await anna.wait_for(is_report, timeout=60)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT number, patient_label FROM scans") == [(1, "Anna B.")]
    assert len([message for message in await answers(anna) if message.buttons and not message.file]) == 0


async def test_an_update_that_kills_the_process_is_set_aside_and_all_others_are_answered(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    anna, boris = await sandbox.person("Anna"), await sandbox.person("Boris")
    poison = await anna.send_text("/help")
    for _ in range(inbox.MOST_ATTEMPTS):
        async with bot_process(sandbox, tmp_path, DEADLY_HELP + BOT) as process:
            assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    await boris.send_text("/privacy")
    async with bot_process(sandbox, tmp_path, DEADLY_HELP + BOT):
        await boris.wait_for(lambda message: message.from_bot, timeout=60)
        told = await anna.wait_for(lambda message: "Something went wrong" in message.text, timeout=60, since=0)
        await all_is_done(tmp_path)
    assert told.reply_to == poison.id
    assert len(await answers(anna)) == 1
    [(error,)] = rows(tmp_path, "SELECT error FROM inbox WHERE state = 'set_aside'")
    assert "the process ended during each of 3 attempts" in error


# Failing in one process


def failing(times: int, error: Exception, calls: list[int]) -> Callable[[Update, BotContext], Awaitable[None]]:
    """A /help that fails so often."""

    async def show_help(update: Update, context: BotContext) -> None:
        calls.append(update.update_id)
        if len(calls) <= times:
            raise error
        await context.say("other.sticker")

    return show_help


async def test_a_handler_that_fails_three_times_costs_one_sentence_and_its_traceback_is_kept(
    settings: Settings,
    workers: LocalExecutor,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(inbox, "SHORT_PAUSE", 0.01)
    monkeypatch.setattr(onboarding, "show_help", failing(99, ZeroDivisionError("broken"), calls))
    async with bot_here(settings, workers):
        anna = await sandbox.person("Anna")
        sent = await anna.send_text("/help")
        told = await anna.wait_for(lambda message: "Something went wrong" in message.text)
        await all_is_done(tmp_path)
        await anna.send_text("/privacy")
        await anna.wait_for(lambda message: "keep" in message.text)
    assert len(calls) == inbox.MOST_ATTEMPTS
    assert told.reply_to == sent.id
    [(payload, error)] = rows(tmp_path, "SELECT payload, error FROM inbox WHERE state = 'set_aside'")
    assert '"/help"' in payload
    assert "ZeroDivisionError: broken" in error
    assert "in show_help" in error
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    [line] = [record.getMessage() for record in errors]
    assert line.endswith("is set aside, with its traceback: ZeroDivisionError")
    assert errors[0].exc_info is None


async def test_what_is_not_the_updates_fault_is_tried_until_it_works(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(onboarding, "show_help", failing(5, NetworkError("away"), calls))
    async with bot_here(settings, workers):
        anna = await sandbox.person("Anna")
        await anna.send_text("/help")
        await anna.wait_for(lambda message: "Nice one" in message.text, timeout=30)
        await all_is_done(tmp_path)
    assert len(calls) == 6
    assert len(await answers(anna)) == 1
    assert rows(tmp_path, "SELECT state, attempts FROM inbox") == [("done", 0)]


async def test_a_press_that_telegram_takes_no_answer_for_any_more_is_obeyed_by_the_next_process(
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


async def test_an_update_delivered_again_after_the_restart_is_passed_over(
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


# Many at once


async def test_an_album_of_ten_delays_another_persons_single_scan_by_one_picture_and_not_by_ten(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with (
        LocalExecutor(1, models_dir=settings.models_dir) as one_worker,
        open_services(settings, one_worker) as services,
        running(settings, services),
    ):
        anna, boris = await someone_agreed(sandbox), await someone_agreed(sandbox)
        await anna.send_album([pictures.brain(seed=seed) for seed in range(10)])
        await anna.wait_for(lambda message: message.photo is not None, timeout=30)
        await boris.send_document(pictures.brain())
        await boris.wait_for(is_report, timeout=30)
        answered = [message for message in await answers(anna) if message.photo is not None]
        assert len(answered) < 5
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=30)


async def test_who_waits_for_long_is_told_their_place_and_can_leave_the_line(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings, workers) as bot:
        anna = await someone_agreed(sandbox)
        room = bot.services.room
        full = [room.line_up(0) for _ in range(100)]
        await anna.send_document(pictures.brain())
        told = await anna.wait_for(lambda message: "number" in message.text, timeout=30)
        assert f"number {sum(not seat.is_in for seat in full) + 1} in the line" in told.text
        assert rows(tmp_path, "SELECT count(*) FROM inbox WHERE state = 'working'") == [(0,)]
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=30)
        await anna.wait_for_event(lambda event: event["type"] == "delete", timeout=30)
        await all_is_done(tmp_path)
        for seat in full:
            seat.leave()
        await anna.send_document(pictures.brain())
        await anna.wait_for(is_report, timeout=30)
    assert rows(tmp_path, "SELECT number FROM scans") == [(1,)]


async def test_a_picture_that_was_cancelled_is_not_read_by_the_next_process(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"slow": 1}}, **LONG)
        for seed in (1, 2, 3):
            await anna.send_document(pictures.brain(seed=seed))
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM inbox WHERE finished_at IS NULL")) == 3)
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=30)
        process.kill()
    await sandbox.client.set_faults()
    async with bot_here(settings, workers):
        await anna.send_text("/privacy")
        await anna.wait_for(lambda message: "keep" in message.text)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(0,)]


async def test_pictures_beyond_the_bound_are_told_of_and_none_is_dropped_in_silence(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings, workers) as bot:
        anna = await someone_agreed(sandbox)
        bot.services.lanes.most_of_one = 2
        await sandbox.client.set_faults({"download": {"slow": 1}}, slow_s=5.0)
        for seed in range(2):
            await anna.send_document(pictures.brain(seed=seed))
        await until(lambda: len(bot.services.lanes.waiting(anna.id)) == 2)
        late = await anna.send_document(pictures.brain(seed=9))
        told = await anna.wait_for(lambda message: "could not take" in message.text, timeout=30)
        assert told.reply_to == late.id
        await sandbox.client.set_faults()
        await anna.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(2,)]


async def test_64_people_at_once_are_all_answered_and_no_file_is_locked(
    bot: RunningBot, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = [await sandbox.person(f"Person {number}") for number in range(64)]
    await asyncio.gather(*(person.send_text("/privacy") for person in people))
    for person in people:
        await person.wait_for(lambda message: message.from_bot, timeout=60)
    await all_is_done(tmp_path)
    assert [len(await answers(person)) for person in people] == [1] * 64
    assert "locked" not in caplog.text
