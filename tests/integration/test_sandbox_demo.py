"""``tumorscan demo`` as a newcomer starts it."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from bot.cli.demo import demo_settings
from bot.sandbox import Sandbox
from storage.vault import new_key


async def demo(*arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "bot", "demo", "--no-browser", *arguments]
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def test_demo_names_page_and_stops_on_ctrl_c() -> None:
    process = await demo("--port", "0")
    assert process.stdout
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
    async with httpx.AsyncClient() as http:
        page = await http.get(address)
        state = (await http.get(f"{address}api/state")).json()
    assert "text/html" in page.headers["Content-Type"]
    assert state["bot"]["commands"]
    assert state["bot"]["description"]
    process.send_signal(signal.SIGINT)
    rest, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, rest, errors.decode()) == (0, b"", "")


async def test_taken_port_is_one_line_naming_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await demo("--port", port)
        said, errors = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, said) == (2, b"")
    [line] = errors.decode().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


async def test_demo_touches_nothing_of_the_operators_bot(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copies would push out the real ones, its reports would have the real seal, its lines stand in the audit."""
    own, folder = tmp_path / "operator", tmp_path / "demo"
    monkeypatch.chdir(tmp_path)
    values = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{own}/bot.db", "BACKUP_DIR": f"{own}/copies", "BACKUP_EVERY": "1",
        "AUDIT_DIR": f"{own}/audit", "STATUS_PORT": "9108", "DATA_KEY": new_key(), "REPORT_KEY": new_key(),
        "WEBHOOK_URL": "https://bot.example.org", "WEBHOOK_SECRET": "s" * 16,
    }  # fmt: skip
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    settings = demo_settings(sandbox, folder)
    assert str(folder) in settings.database_url
    assert settings.backup_dir.is_relative_to(folder)
    assert (settings.audit_dir, settings.status_port, settings.webhook_url) == (None, None, None)
    assert settings.report_keys == ()
    told = str(settings.model_dump())
    assert not [name for name, value in values.items() if len(value) > 4 and value in told]
