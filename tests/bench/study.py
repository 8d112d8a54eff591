"""What a study of 150 slices costs: from the bytes of a ZIP to its answer, and the memory of a worker."""

import asyncio
import os
import time
from pathlib import Path

from bot.chat.languages import open_models
from bot.scan import study, worker_jobs
from bot.settings import load_settings
from inference.study.study import Study
from inference.study.worker_jobs import analyse_or_open
from inference.workers.local import LocalExecutor
from tests import studies
from tests.bench.table import Row, at_most
from tests.processes import processor_seconds, workers

SLICES, SIDE, WORKERS = 150, 256, 2


def rows() -> list[Row]:
    """Seconds on two workers, and the peak memory of the larger one."""
    data = studies.pack(studies.series_files(studies.head(SLICES, SIDE)))
    seconds, processor, megabytes = asyncio.run(_measure(data))
    what = f"a ZIP of {SLICES} slices of {SIDE} x {SIDE}, {WORKERS} workers"
    return [
        at_most(f"{what}: bytes to answer", seconds, 8, "s", 1),
        Row(f"{what}: processor time, all processes", f"{processor:.1f} s"),
        at_most(f"{what}: most memory of a worker", megabytes, 400, "MB"),
    ]


async def _measure(data: bytes) -> tuple[float, float, float]:
    settings = load_settings()
    models, _ = open_models(settings.models_dir)
    cards = {organ: entry.card for organ, entry in models.items()}
    async with LocalExecutor(WORKERS, jobs=worker_jobs.MODULES, models_dir=settings.models_dir) as executor:
        began, spent = time.perf_counter(), processor_seconds()
        found = await executor.run(analyse_or_open, data, None, timeout=120)
        if not isinstance(found, Study):
            raise TypeError("the study was taken for one picture")
        await study.read_study(executor, found, cards, at_once=WORKERS)
        seconds = time.perf_counter() - began
        return seconds, processor_seconds() - spent, max(map(_peak, workers(os.getpid())))


def _peak(pid: int) -> float:
    """Megabytes of memory that a process has held at most."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
