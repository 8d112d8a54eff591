"""Pictures that waited for the bot are answered although its workers are killed while they start."""

import asyncio
import os
import signal
from pathlib import Path

from bot.sandbox import Sandbox
from tests import pictures
from tests.integration.chatting import is_report
from tests.integration.kills import bot_process, rows, someone_agreed
from tests.processes import workers

WAITING = 4


async def test_workers_killed_at_the_start_cost_no_waiting_picture(sandbox: Sandbox, tmp_path: Path) -> None:
    async with bot_process(sandbox, tmp_path):
        people = [await someone_agreed(sandbox) for _ in range(WAITING)]
    for number, person in enumerate(people):
        await person.send_document(pictures.brain(seed=number))
    async with bot_process(sandbox, tmp_path) as process:
        killed: set[int] = set()
        async with asyncio.timeout(60):
            while len(killed) < 2:
                for worker in set(workers(process.pid)) - killed:
                    os.kill(worker, signal.SIGKILL)
                    killed.add(worker)
                await asyncio.sleep(0)
        await asyncio.gather(*(person.wait_for(is_report, timeout=120) for person in people))
        assert process.returncode is None
    assert rows(tmp_path, "SELECT count(*) FROM scans") == [(WAITING,)]
