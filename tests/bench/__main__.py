"""``make bench``: the real bot as its own process against the sandbox; writes what it measured to BENCHMARKS.md.

Everything goes over real HTTP: the times hold what the sandbox needs to take a photo in, encode it as Telegram does
and hand it out, and what the bot needs to fetch, read, keep and answer.
"""

import argparse
import asyncio
import importlib.metadata
import os
import platform
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bot.sandbox.sandbox import Sandbox
from bot.settings import available_cores
from inference.backends import BackendName
from tests.bench.crowd import PEOPLE, CrowdFigures, measure_crowd, percentile
from tests.bench.install import installed_megabytes
from tests.bench.journey import Figures, ScanTimes, measure
from tests.bench.steps import step_costs, text_costs

PROJECT = Path(__file__).parent.parent.parent
REPORT = PROJECT / "BENCHMARKS.md"
BACKEND: BackendName = "litert"


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--scans", type=int, default=20, help="photos, and as many files, sent one after the other")
    parser.add_argument("--crowd", type=int, default=64, help="scans that 64 people at once send")
    args = parser.parse_args()
    steps = {f"in the worker: {name}": cost for name, cost in step_costs(BACKEND).items()} | text_costs()
    figures = asyncio.run(_run(args.scans))
    with tempfile.TemporaryDirectory() as folder:
        crowd = asyncio.run(measure_crowd(Path(folder), args.crowd, available_cores()))
    text = _table(figures, crowd, steps, args)
    REPORT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


async def _run(scans: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox.start() as sandbox:
            return await measure(sandbox, Path(folder), scans)


def _table(figures: Figures, crowd: CrowdFigures, steps: dict[str, float], args: argparse.Namespace) -> str:
    rows = [
        ("process start to the first command answered", f"{figures.start:.2f} s"),
        *_times("photo", figures.photos),
        *_times("file", figures.documents),
        ("resident memory of the bot process", f"{figures.bot_memory:.0f} MB"),
        ("resident memory of a worker (largest)", f"{max(figures.worker_memory):.0f} MB"),
        ("serving install (requirements.lock, files on disk)", f"{installed_megabytes():.0f} MB"),
        ("without network, alone: file to heat map, p50 / p95", _percentiles(crowd.alone_picture)),
        ("without network, alone: file to PDF, p50 / p95", _percentiles(crowd.alone_report)),
        (f"{PEOPLE} people at once: scans a second, PDFs included", f"{crowd.scan_rate:.1f}"),
        ("the analyser alone with the same workers: scans a second", f"{crowd.analyser_rate:.1f}"),
        (f"{PEOPLE} people at once: processor time of a scan, all steps", f"{crowd.processor_per_scan * 1e3:.0f} ms"),
        ("a text while they are read, p50 / p95", _percentiles(crowd.commands)),
        ("event loop late by, p50 / p95", _percentiles(crowd.lag)),
        ("event loop late by, p99", f"{percentile(crowd.lag, 99) * 1e3:.0f} ms"),
        *((name, f"{cost:.1f} ms") for name, cost in steps.items()),
    ]
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("python-telegram-bot", "ai-edge-litert", "numpy")
    )
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`; every run writes this page anew.",
            "",
            f"- Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
            f"- Versions: Python {platform.python_version()}, {versions}",
            f"- When: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {args.scans} scans of each kind,"
            " each by somebody else, the sandbox (which takes its share of the same cores) over HTTP",
            f"- Without network: Telegram is answered inside the process, its limit on messages lifted;"
            f" {args.crowd} scans",
            "",
            "| what | measured |",
            "|---|---|",
            *(f"| {what} | {value} |" for what, value in rows),
            "",
        ]
    )


def _times(kind: str, scans: list[ScanTimes]) -> list[tuple[str, str]]:
    return [
        (f"{kind} sent to heat map in the chat, p50 / p95", _percentiles([scan.picture for scan in scans])),
        (f"{kind} sent to PDF in the chat, p50 / p95", _percentiles([scan.report for scan in scans])),
    ]


def _percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return f"{cuts[9] * 1e3:.0f} / {cuts[18] * 1e3:.0f} ms"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
