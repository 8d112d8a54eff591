"""``tumorscan run`` as a process of its own, in a session of its own: as an operator starts it, or forked."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conftest import PROJECT
from tests.warm_start import Process, running_process

_USUAL = {"PYTHONPATH": str(PROJECT), "PATH": "", "WORKERS": "1", "LOG_LEVEL": "DEBUG"}


@asynccontextmanager
async def forked_run(folder: Path, *, module: str = "bot", **settings: str) -> AsyncIterator[Process]:
    """The bot, or a ``module`` that is like it, by a fork of what is imported; killed at the end if it still runs."""
    async with running_process(["-m", module, "run"], folder, _USUAL | settings) as process:
        yield process


@asynccontextmanager
async def tumorscan_run(folder: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the bot as an operator does; it is killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run",
        cwd=folder, env=_USUAL | settings, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_at_the_end(process: asyncio.subprocess.Process | Process) -> str:
    """Wait for the end, and give what was written to standard error since the last read."""
    assert process.stderr is not None
    rest = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    await process.wait()
    return rest


async def said_until(process: asyncio.subprocess.Process | Process, words: str) -> str:
    """Read standard error up to a line with ``words``."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(60):
        while words not in said:
            line = await process.stderr.readline()
            assert line, f"ended early: {said}"
            said += line.decode()
    return said
