"""``make bench``: everything that is measured, in one table with what was wanted; writes BENCHMARKS.md.

Each part starts what it needs by itself; ``--only crowd,history`` measures some of them and only prints.
"""

import argparse
import asyncio
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bot.capacity import available_cores
from inference.backends import BackendName
from tests.bench import batch, history, journey, memory, naive, study
from tests.bench.crowd import PEOPLE, measure_crowd
from tests.bench.install import installed_megabytes
from tests.bench.sealing import sealing_cost
from tests.bench.steps import step_costs, text_costs
from tests.bench.table import HEAD, Row, at_most, percentile, percentiles

PROJECT = Path(__file__).parent.parent.parent
REPORT = PROJECT / "BENCHMARKS.md"
BACKEND: BackendName = "litert"
SCANS, CROWD = 20, 256


def main() -> int:
    """Measure, print, and write when nothing was left out."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", metavar="PART,...", help=f"some of: {', '.join(PARTS)}")
    args = parser.parse_args()
    parts = args.only.split(",") if args.only else list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--only: there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    rows: list[Row] = []
    for part in parts:
        began = time.monotonic()
        rows += PARTS[part]()
        sys.stderr.write(f"{part}: {time.monotonic() - began:.0f} s\n")
    text = _page(rows)
    sys.stdout.write(text)
    if not args.only:
        REPORT.write_text(text, encoding="utf-8")
    return 0


def _steps() -> list[Row]:
    costs = {f"in the worker: {name}": cost for name, cost in step_costs(BACKEND).items()} | text_costs()
    return [Row(name, f"{cost:.1f} ms") for name, cost in costs.items()]


def _crowd() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure_crowd(Path(folder), CROWD, available_cores()))
    enough = 0.9 * found.analyser_rate
    many = f"{PEOPLE} people at once"
    text = percentile(found.commands, 95) * 1e3
    return [
        _half("without network, alone: file to heat map", found.alone_picture, 100),
        _half("without network, alone: file to PDF", found.alone_report, 150),
        at_most("alone: processor time of a scan, all steps", found.processor_alone * 1e3, 40, "ms"),
        Row(f"{many}: scans a second, PDFs included", f"{found.scan_rate:.1f}", "≥ 30", found.scan_rate >= 30),
        Row(
            "the analyser alone with the same workers: scans a second",
            f"{found.analyser_rate:.1f}",
            "at most 10 % more than the bot",
            found.scan_rate >= enough,
        ),
        Row("the workers alone, picture for the chat and PDF included: scans a second", f"{found.workers_rate:.1f}"),
        at_most(f"{many}: processor time of a scan, all steps", found.processor_per_scan * 1e3, 40, "ms"),
        Row("a text while they are read, p50 / p95", percentiles(found.commands, 50, 95), "p95 ≤ 50 ms", text <= 50),
        at_most("event loop late by, p99", percentile(found.lag, 99) * 1e3, 20, "ms"),
    ]


def _half(what: str, seconds: Sequence[float], limit: float) -> Row:
    reached = percentile(seconds, 50) * 1e3 <= limit
    return Row(f"{what}, p50 / p95", percentiles(seconds, 50, 95), f"p50 ≤ {limit:g} ms", reached)


def _install() -> list[Row]:
    return [Row("serving install (requirements.lock, files on disk)", f"{installed_megabytes():.0f} MB")]


PARTS: Mapping[str, Callable[[], list[Row]]] = {
    "journey": lambda: journey.rows(SCANS),
    "crowd": _crowd,
    "batch": batch.rows,
    "naive": naive.rows,
    "study": study.rows,
    "memory": memory.rows,
    "history": history.rows,
    "sealing": lambda: [at_most("encryption (DATA_KEY): what a scan costs more", sealing_cost(), 1, "ms", digits=2)],
    "steps": _steps,
    "install": _install,
}


def _page(rows: Sequence[Row]) -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("python-telegram-bot", "ai-edge-litert", "numpy", "sqlalchemy", "reportlab")
    )
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench` (`python -m tests.bench`); every run writes this page anew.",
            "",
            f"- Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()};"
            f" load average at the end {os.getloadavg()[1]:.1f}",
            f"- Versions: Python {platform.python_version()}, {versions}",
            f"- When: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- In the chat: {SCANS} scans of each kind, each by somebody else, the sandbox (which takes its share of"
            " the same cores) over HTTP; modules are compiled before the start, as those of an installed bot are",
            f"- Without network: Telegram is answered inside the process, its limit on messages lifted; {CROWD} scans",
            f"- The careless way: the same picture and networks, {naive.SCANS} scans, in a process without any bot",
            "- Memory: the bot as a process of its own, the sandbox over HTTP, its limit on messages lifted",
            "- Long histories: without network; pictures of 1 KB each in the database",
            "",
            *HEAD,
            *(row.line for row in rows),
            "",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
