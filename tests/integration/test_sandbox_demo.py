"""``tumorscan demo`` as a newcomer starts it."""

import asyncio
import signal
import socket
import sys

import httpx


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
