"""``tumorscan run`` as a process of its own: starting, stopping, and refusing to start."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot.sandbox import Sandbox
from tests.conftest import PROJECT
from tests.integration.child import said_at_the_end, said_until, tumorscan_run

WRONG = "123456:" + "w" * 35


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_bot_answers_until_a_signal_and_exits_cleanly(
    sandbox: Sandbox, tmp_path: Path, stop: signal.Signals
) -> None:
    async with tumorscan_run(tmp_path, TELEGRAM_BOT_TOKEN=sandbox.token, TELEGRAM_API_URL=sandbox.url) as process:
        said = await said_until(process, "is listening")
        person = await sandbox.person("Anna")
        await person.send_text("/start")
        await person.wait_for(lambda message: "TumorScan" in message.text)
        process.send_signal(stop)
        said += await said_at_the_end(process)
    assert process.returncode == 0
    assert "0 put back" in said
    assert said.count("DATA_KEY is not set: what people send is kept unencrypted") == 1
    assert said.endswith("stopped\n")
    assert sandbox.token not in said
    assert "Anna" not in said
    assert (tmp_path / "data" / "tumorscan.db").exists()


async def test_refused_token_stops_the_start_with_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    async with tumorscan_run(
        tmp_path, TELEGRAM_BOT_TOKEN=WRONG, TELEGRAM_API_URL=sandbox.url, LOG_LEVEL="INFO"
    ) as process:
        said = await said_at_the_end(process)
    assert process.returncode == 2
    assert said.startswith("tumorscan: TELEGRAM_BOT_TOKEN is refused by Telegram")
    assert said.count("\n") == 1
    assert WRONG not in said


async def test_start_without_telegram_is_retried_with_growing_pauses(tmp_path: Path) -> None:
    async with Sandbox.start() as gone:
        token, address = gone.token, gone.url
    async with tumorscan_run(tmp_path, TELEGRAM_BOT_TOKEN=token, TELEGRAM_API_URL=address) as process:
        said = await said_until(process, "can't be reached")
        said += await said_until(process, "can't be reached")
        async with Sandbox.start(port=int(address.rpartition(":")[2]), token=token):
            said += await said_until(process, "is listening")
            process.terminate()
            said += await said_at_the_end(process)
    assert process.returncode == 0
    assert f"TELEGRAM_API_URL: {address} can't be reached (ConnectError): check the address and the network" in said
    first, second, *_ = [float(pause) for pause in re.findall(r"trying again in ([\d.]+) s", said)]
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert token not in said


async def test_start_waiting_for_telegram_ends_on_a_signal(tmp_path: Path) -> None:
    async with Sandbox.start() as gone:
        token, address = gone.token, gone.url
    async with tumorscan_run(tmp_path, TELEGRAM_BOT_TOKEN=token, TELEGRAM_API_URL=address) as process:
        await said_until(process, "can't be reached")
        process.terminate()
        said = await said_at_the_end(process)
    assert process.returncode == 0
    assert "told to stop before the start was done" in said


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["run", "demo"])
def test_signal_while_it_is_imported_is_an_ordinary_end(command: str, stop: signal.Signals) -> None:
    program = f"""
import os, sys
class Impatient:
    def find_spec(self, name, *_):
        if name == "bot.cli.{command}":
            os.kill(os.getpid(), {stop:d})
sys.meta_path.insert(0, Impatient())
from bot.cli.main import main
sys.exit(main(["{command}"]))
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (0, "told to stop before the start was done\n")


def test_interrupt_while_a_command_is_imported_leaves_no_traceback() -> None:
    program = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is begun without it
class Impatient:
    def find_spec(self, name, *_):
        if name == "bot.cli.scan":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Impatient())
from bot.cli.main import main
sys.exit(main(["scan"]))
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (130, "")


async def test_a_webhook_is_announced_with_its_secret_and_delivers(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with tumorscan_run(
        tmp_path,
        TELEGRAM_BOT_TOKEN=sandbox.token,
        TELEGRAM_API_URL=sandbox.url,
        WEBHOOK_URL=f"http://127.0.0.1:{port}",
        WEBHOOK_PORT=str(port),
        WEBHOOK_SECRET="s" * 32,
    ) as process:
        said = await said_until(process, "is listening")
        person = await sandbox.person("Anna")
        await person.send_text("/help")
        await person.wait_for(lambda message: "/history" in message.text)
        process.terminate()
        said += await said_at_the_end(process)
    assert process.returncode == 0
    assert "s" * 32 not in said
