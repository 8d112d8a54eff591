"""``tumorscan run`` as a process of its own, in a session of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conftest import PROJECT


@asynccontextmanager
async def tumorscan_run(
    folder: Path, *, module: str = "bot", **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the bot, or a ``module`` that is like it; it is killed at the end if it still runs."""
    environment = {"PYTHONPATH": str(PROJECT), "PATH": "", "WORKERS": "1", "LOG_LEVEL": "DEBUG", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "run",
        cwd=folder, env=environment, stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said_at_the_end(process: asyncio.subprocess.Process) -> str:
    """Wait for the end, and give what was written to standard error since the last read."""
    assert process.stderr is not None
    rest = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    await process.wait()
    return rest


async def said_until(process: asyncio.subprocess.Process, words: str) -> str:
    """Read standard error up to a line with ``words``."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(60):
        while words not in said:
            line = await process.stderr.readline()
            assert line, f"ended early: {said}"
            said += line.decode()
    return said
