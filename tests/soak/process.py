"""The real bot as a process that can be killed at any moment and is started again, as a service manager does."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from bot.sandbox import Sandbox
from tests.conftest import PROJECT
from tests.processes import of_session, resident, wait_for_end, workers

LEAVES_WITHIN = 30.0
"""Seconds that a bot may take after SIGTERM, and its workers after its death."""
RESTART_PAUSE = 0.5


class BotProcess:
    """``tumorscan run`` against a sandbox; what it logs is in ``log``. ``settings`` go before those of a bot alone."""

    def __init__(self, sandbox: Sandbox, folder: Path, worker_count: int, name: str = "bot", **settings: str) -> None:
        self.database_url = settings.get("DATABASE_URL", f"sqlite+aiosqlite:///{folder / 'bot.db'}")
        self.log = folder / f"{name}.log"
        self.transcripts = folder / "chats.txt"
        """The chats in which something is not as it should be."""
        self.killed_at: list[float] = []
        """Times of ``time.monotonic``."""
        self.killed: dict[int, float] = {}
        """Process -> time of ``time.time`` of its kill."""
        self.left_by_itself = 0
        """How often it ended although nobody had told it to."""
        self._folder = folder
        self._environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(PROJECT),
            "TELEGRAM_BOT_TOKEN": sandbox.token,
            "TELEGRAM_API_URL": sandbox.url,
            "DATABASE_URL": self.database_url,
            "WORKERS": str(worker_count),
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._sessions: list[int] = []
        self._wanted = True
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and start it again whenever it ends, until ``stop``."""
        await self._launch()
        self._keeper = asyncio.create_task(self._keep_alive(), name="keeper")

    async def _launch(self) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run",
                cwd=self._folder, env=self._environment, stderr=log, stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        self._sessions.append(self._process.pid)
        return self._process

    async def _keep_alive(self) -> None:
        while self._process is not None:
            status = await self._process.wait()
            if not self._wanted:
                return
            if status != -signal.SIGKILL:
                self.left_by_itself += 1
                await asyncio.sleep(RESTART_PAUSE)
            await self._launch()

    @property
    def logged(self) -> str:
        """What it has logged so far."""
        return self.log.read_text("utf-8", "replace")

    @property
    def takeovers(self) -> list[float]:
        """Nobody takes over from a bot that is alone."""
        return []

    @property
    def kills(self) -> int:
        """How often it was killed."""
        return len(self.killed_at)

    def kill(self) -> None:
        """Kill -9: the bot's process alone, as when memory runs out; its workers have to leave by themselves."""
        if self._process is not None and self._process.returncode is None:
            self.killed_at.append(time.monotonic())
            self.killed[self._process.pid] = time.time()
            self._process.kill()

    async def stop(self) -> int:
        """Ask it to leave (SIGTERM); returns its exit status, -9 when it had to be killed in the end."""
        self._wanted = False
        if self._process is None or self._keeper is None:
            raise RuntimeError("the bot was never started")
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(LEAVES_WITHIN):
                await asyncio.shield(self._keeper)
        except TimeoutError:
            self._process.kill()
            await self._keeper
        return self._process.returncode or 0

    async def leftovers(self) -> int:
        """Processes that are still there although their bot has gone, after some time to leave; they are killed."""
        await asyncio.to_thread(wait_for_end, self._still_there(), LEAVES_WITHIN)
        left = self._still_there()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(left)

    def _still_there(self) -> list[int]:
        return [pid for session in self._sessions for pid in of_session(session)]

    @property
    def memory(self) -> tuple[float, list[float]]:
        """Megabytes of the bot and of each of its workers now."""
        if self._process is None:
            return 0.0, []
        return resident(self._process.pid), [resident(pid) for pid in workers(self._process.pid)]
