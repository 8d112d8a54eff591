"""A bot whose pictures are read by Dask workers on this machine; a kill strikes one of these, not the bot."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.sandbox import Sandbox
from tests.services.cluster import Cluster
from tests.soak.process import BotProcess


class BotOnCluster(BotProcess):
    """As ``BotProcess``; a worker that was killed is replaced at once."""

    def __init__(self, sandbox: Sandbox, folder: Path, cluster: Cluster, count: int, seed: int) -> None:
        super().__init__(sandbox, folder, count, EXECUTOR=cluster.address)
        self._cluster, self._count = cluster, count
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated

    async def start(self) -> None:
        """Start scheduler, workers and bot."""
        self._cluster.start_scheduler()
        for _ in range(self._count):
            self._cluster.start_worker()
        await super().start()

    def kill(self) -> None:
        """Kill -9 one of the workers; the processes that it had have to leave by themselves."""
        struck = self._chance.choice([one for one in self._cluster.workers if one.poll() is None])
        struck.kill()
        struck.wait()
        self.killed_at.append(time.monotonic())
        self._cluster.start_worker()


@asynccontextmanager
async def on_cluster(sandbox: Sandbox, folder: Path, count: int, seed: int) -> AsyncIterator[BotOnCluster]:
    """Not started yet; scheduler and workers are ended at the end."""
    cluster = Cluster(folder)
    try:
        yield BotOnCluster(sandbox, folder, cluster, count, seed)
    finally:
        await asyncio.to_thread(cluster.__exit__, None, None, None)
