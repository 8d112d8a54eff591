"""The end of a real process, by real signals: what is in work is finished or put back, and quickly."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bot.sandbox import Message, Person, Sandbox
from tests import pictures
from tests.integration.chatting import is_report
from tests.integration.child import forked_run, said_at_the_end, said_until
from tests.integration.kills import someone_agreed
from tests.warm_start import Process


def of(sandbox: Sandbox, **settings: str) -> dict[str, str]:
    """Settings of a bot that talks to the sandbox."""
    return {"TELEGRAM_BOT_TOKEN": sandbox.token, "TELEGRAM_API_URL": sandbox.url, "LOG_LEVEL": "INFO", **settings}


async def scan_in_work(anna: Person) -> Message:
    """Send a picture; returns the message that says that it is in work."""
    sent = await anna.send_document(pictures.brain())
    return await anna.wait_for(lambda message: message.reply_to == sent.id, timeout=60)


async def leaves(process: Process, within: float) -> str:
    """What it says until its end, which comes ``within`` seconds."""
    async with asyncio.timeout(within):
        return await said_at_the_end(process)


@pytest.mark.parametrize("to_everybody", [False, True])
async def test_running_scan_is_finished_before_the_bot_leaves(
    sandbox: Sandbox, tmp_path: Path, to_everybody: bool
) -> None:
    async with forked_run(tmp_path, **of(sandbox, STOP_GRACE="60")) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"slow": 1}}, slow_s=5.0)
        await scan_in_work(anna)
        if to_everybody:  # Ctrl+C in a terminal reaches the workers too
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM)
        await anna.wait_for(is_report, timeout=60)
        said = await said_at_the_end(process)
    assert process.returncode == 0
    assert "1 updates were finished, 0 put back" in said
    assert said.endswith("stopped\n")


async def test_overlong_scan_is_answered_after_the_next_start(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, **of(sandbox, STOP_GRACE="0.2")) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"hang": 1}}, hang_s=600)
        await scan_in_work(anna)
        process.terminate()
        said = await leaves(process, 60)
    assert process.returncode == 0
    assert "0 updates were finished, 1 put back" in said
    assert "Traceback" not in said
    await sandbox.client.set_faults()
    async with forked_run(tmp_path, **of(sandbox)) as process:
        await anna.wait_for(is_report, timeout=60)
        process.terminate()
        await said_at_the_end(process)
    answers = [message for message in await anna.messages() if message.from_bot]
    assert sum(is_report(message) for message in answers) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_it_at_once(
    sandbox: Sandbox, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    async with forked_run(tmp_path, **of(sandbox, STOP_GRACE="600")) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"hang": 1}}, hang_s=600)
        await scan_in_work(anna)
        process.send_signal(signal.SIGTERM)
        await said_until(process, "finishing what is in work: 1 updates")
        process.send_signal(number)
        said = await leaves(process, 60)
    assert process.returncode == status
    assert "second signal: leaving at once\n" in said


async def test_after_the_signal_nothing_more_is_fetched(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, **of(sandbox, STOP_GRACE="60")) as process:
        anna = await someone_agreed(sandbox)
        await sandbox.client.set_faults({"download": {"slow": 1}}, slow_s=5.0)
        await scan_in_work(anna)
        process.terminate()
        await said_until(process, "finishing what is in work")
        await anna.send_text("/help")
        await said_at_the_end(process)
    assert [update.kind for update in sandbox.world.updates.pending] == ["message"]
    async with forked_run(tmp_path, **of(sandbox)) as process:
        await anna.wait_for(lambda message: "/history" in message.text, timeout=60)


async def test_silent_telegram_does_not_keep_bot_from_leaving(sandbox: Sandbox, tmp_path: Path) -> None:
    async with forked_run(tmp_path, **of(sandbox)) as process:
        await someone_agreed(sandbox)
        await sandbox.client.set_faults({"*": {"hang": 1}}, hang_s=600)
        process.terminate()
        await leaves(process, 60)
    assert process.returncode == 0
