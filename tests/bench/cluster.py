"""``python -m tests.bench.cluster``: what a picture costs on Dask workers and on this machine's; for docs/SCALING.md.

Scheduler, workers and who asks share the processors of this machine, so what grows with the workers there grows more
where each has a machine of its own; what does not change by that is the price of the way.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bot.scan import worker_jobs
from inference.workers.cluster import ClusterExecutor
from inference.workers.local import LocalExecutor
from inference.workers.queued import QueuedExecutor
from tests import pictures
from tests.processes import processor_seconds
from tests.services.cluster import Cluster

IDLE = 4.0
"""Seconds in which nothing is asked for."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of pictures that were read in one way."""

    where: str
    alone: float
    """Median seconds for one, while nothing else is asked for."""
    a_second: float
    """Pictures a second when all are asked for at once."""
    processor: float
    """Processor seconds a picture, of everything that was started, without what it takes when idle."""
    idle: float
    """Processor seconds that all of it takes in a second while nothing is asked for."""


async def measure(where: str, executor: QueuedExecutor, workers: int, count: int) -> Measured:
    """Read ``count`` pictures one after another, and as many at once."""
    while executor.places < workers:  # noqa: ASYNC110 - other processes don't set events
        await asyncio.sleep(0.1)
    picture = pictures.brain()
    await asyncio.gather(*(executor.analyse(picture) for _ in range(2 * workers)))
    spent = processor_seconds()
    await asyncio.sleep(IDLE)
    idle = (processor_seconds() - spent) / IDLE
    spent, each, start = processor_seconds(), [], time.perf_counter()
    for _ in range(count):
        began = time.perf_counter()
        await executor.analyse(picture)
        each.append(time.perf_counter() - began)
    began = time.perf_counter()
    await asyncio.gather(*(executor.analyse(picture) for _ in range(count)))
    a_second = count / (time.perf_counter() - began)
    busy = processor_seconds() - spent - idle * (time.perf_counter() - start)
    return Measured(where, sorted(each)[count // 2], a_second, busy / (2 * count), idle)


async def on_this_machine(workers: int, count: int) -> Measured:
    """With workers as a bot alone has them."""
    async with LocalExecutor(workers, jobs=worker_jobs.MODULES) as executor:
        return await measure(f"{workers} of this machine", executor, workers, count)


async def on_cluster(workers: int, count: int) -> Measured:
    """With so many machines, played by processes, each of which reads one picture at once."""
    with tempfile.TemporaryDirectory(prefix="tumorscan-cluster-") as folder, Cluster(Path(folder)) as cluster:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        async with ClusterExecutor(cluster.address) as executor:
            return await measure(f"{workers} of a cluster", executor, workers, count)


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    parser.add_argument("--pictures", type=int, default=60, help="how many of each way (default 60)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many workers (default 1 2 4)")
    args = parser.parse_args()
    lines = [
        f"{len(os.sched_getaffinity(0))} processors for all, load {os.getloadavg()[0]:.1f}", "",
        "| workers | one picture alone | pictures a second | processor time a picture | idle, a second |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for count in args.workers:
        for one in (on_this_machine, on_cluster):
            found = asyncio.run(one(count, args.pictures))
            alone, processor = found.alone * 1000, found.processor * 1000
            figures = (f"{alone:.0f} ms", f"{found.a_second:.1f}", f"{processor:.0f} ms", f"{found.idle * 1000:.0f} ms")
            lines.append(f"| {found.where} | {' | '.join(figures)} |")
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
