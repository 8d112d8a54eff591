"""Nobody waits behind another: albums, long lines, too many pictures, and many people at once."""

import asyncio
from pathlib import Path

import pytest

from bot.app import running
from bot.delivery.admission import BYTES_OF_LONG_FILES
from bot.sandbox import Sandbox
from bot.scan.executors import local_executor
from bot.settings import Settings
from inference.workers.local import LocalExecutor
from tests import pictures, studies
from tests.content import services_of
from tests.integration.chatting import is_report
from tests.integration.conftest import RunningBot
from tests.integration.kills import LONG, all_is_done, answers, bot_here, bot_process, rows, someone_agreed, until


async def test_album_delays_another_persons_scan_by_one_picture(settings: Settings, sandbox: Sandbox) -> None:
    async with (
        local_executor(settings, 1) as one_worker,
        services_of(settings, one_worker) as services,
        running(settings, services),
    ):
        anna, boris = await someone_agreed(sandbox), await someone_agreed(sandbox)
        await anna.send_album([pictures.brain(seed=seed) for seed in range(10)])
        await anna.wait_for(lambda message: message.photo is not None, timeout=60)
        await boris.send_document(pictures.brain())
        await boris.wait_for(is_report, timeout=60)
        answered = [message for message in await answers(anna) if message.photo is not None]
        assert len(answered) < 5
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=60)


async def test_long_wait_tells_place_and_can_be_cancelled(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings, workers) as bot:
        anna = await someone_agreed(sandbox)
        queue = bot.services.admission
        full = [queue.enqueue(0) for _ in range(100)]
        await anna.send_document(pictures.brain())
        told = await anna.wait_for(lambda message: "number" in message.text, timeout=60)
        assert f"number {sum(not slot.is_admitted for slot in full) + 1} in line" in told.text
        assert rows(tmp_path, "SELECT count(*) FROM inbox WHERE state = 'working'") == [(0,)]
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=60)
        await anna.wait_for_event(lambda event: event["type"] == "delete", timeout=60)
        await all_is_done(tmp_path)
        for slot in full:
            slot.release()
        await anna.send_document(pictures.brain())
        await anna.wait_for(is_report, timeout=60)
    assert rows(tmp_path, "SELECT number FROM scans") == [(1,)]


async def test_cancelled_picture_is_not_read_after_a_restart(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_process(sandbox, tmp_path) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"slow": 1}}, **LONG)
        for seed in (1, 2, 3):
            await anna.send_document(pictures.brain(seed=seed))
        await until(lambda: len(rows(tmp_path, "SELECT 1 FROM inbox WHERE finished_at IS NULL")) == 3)
        await anna.send_text("/cancel")
        await anna.wait_for(lambda message: "dropped" in message.text, timeout=60)
        process.kill()
    await sandbox.client.set_faults()
    async with bot_here(settings, workers):
        await anna.send_text("/privacy")
        await anna.wait_for(lambda message: "keep" in message.text)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(0,)]


async def test_pictures_beyond_the_bound_are_never_dropped_silently(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, tmp_path: Path
) -> None:
    async with bot_here(settings, workers) as bot:
        anna = await someone_agreed(sandbox)
        bot.services.chat_queues.most_of_one = 2
        full = [bot.services.admission.enqueue(0) for _ in range(100)]
        for seed in range(2):
            await anna.send_document(pictures.brain(seed=seed))
        await until(lambda: len(bot.services.chat_queues.waiting(anna.id)) == 2)
        late = await anna.send_document(pictures.brain(seed=9))
        told = await anna.wait_for(lambda message: "could not take" in message.text, timeout=60)
        assert told.reply_to == late.id
        for slot in full:
            slot.release()
        await anna.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
        await all_is_done(tmp_path)
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(2,)]


async def test_64_people_are_answered_without_lock_errors(
    bot: RunningBot, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = [await sandbox.person(f"Person {number}") for number in range(64)]
    await asyncio.gather(*(person.send_text("/privacy") for person in people))
    for person in people:
        await person.wait_for(lambda message: message.from_bot, timeout=60)
    await all_is_done(tmp_path)
    assert [len(await answers(person)) for person in people] == [1] * 64
    assert "locked" not in caplog.text


@pytest.mark.parametrize("name", ["study.zip", "named-a-picture.jpg"])
async def test_pictures_do_not_wait_for_long_files_of_others(
    settings: Settings, workers: LocalExecutor, sandbox: Sandbox, name: str
) -> None:
    async with bot_here(settings, workers) as bot:
        anna, boris = await someone_agreed(sandbox), await someone_agreed(sandbox)
        full = bot.services.long_files.enqueue(BYTES_OF_LONG_FILES)  # as files of people who send slow ones would
        await boris.send_document(studies.pack(studies.series_files(studies.head(3, 64))), name)
        async with asyncio.timeout(60):
            while not bot.services.long_files.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await anna.send_document(pictures.brain())
        await anna.wait_for(is_report, timeout=60)
        assert bot.services.long_files.waiting == 1
        full.release()
        await boris.wait_for(lambda message: message.from_bot and "sl" in message.text, timeout=60)
