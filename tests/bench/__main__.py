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
from inference.backends import BackendName
from tests.bench.install import installed_megabytes
from tests.bench.journey import Figures, ScanTimes, measure
from tests.bench.steps import step_costs

PROJECT = Path(__file__).parent.parent.parent
REPORT = PROJECT / "BENCHMARKS.md"
BACKEND: BackendName = "litert"


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--scans", type=int, default=60, help="scans that one person sends, one after the other")
    args = parser.parse_args()
    steps = step_costs(BACKEND)
    figures = asyncio.run(_run(args.scans))
    text = _table(figures, steps, args.scans)
    REPORT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


async def _run(scans: int) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox.start() as sandbox:
            return await measure(sandbox, Path(folder), scans)


def _table(figures: Figures, steps: dict[str, float], scans: int) -> str:
    rows = [
        ("process start to the first command answered", f"{figures.start:.2f} s"),
        *_times("photo", figures.photos),
        *_times("file", figures.documents),
        ("resident memory of the bot process", f"{figures.bot_memory:.0f} MB"),
        ("resident memory of a worker (largest)", f"{max(figures.worker_memory):.0f} MB"),
        ("serving install (requirements.lock, files on disk)", f"{installed_megabytes():.0f} MB"),
        *((f"in the worker: {name}", f"{cost:.1f} ms") for name, cost in steps.items()),
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
            f"- When: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {scans} scans of each kind, one person, the sandbox"
            " (which takes its share of the same cores) over HTTP",
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
