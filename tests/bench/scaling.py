"""``python -m tests.bench.scaling``: what a scan costs here, and what so many an hour need; for docs/SCALING.md."""

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.crowd import stage
from tests.bench.simulation import Cost, Outcome, Stage, simulate, smallest
from tests.processes import processor_seconds

SCANS = 60
RATES = (10, 1_000, 10_000, 30_000, 100_000)
PATIENCE, MOST_WORKERS = 10.0, 64
LEFT_OUT = ("editMessageText", "sendChatAction", "deleteMessage")
"""What is left out when the limit is near, or does not count for it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one scan with its PDF."""

    worker: float
    loop: float
    calls: dict[str, float]
    bytes_kept: float

    @property
    def messages(self) -> int:
        """Those that can't be left out."""
        sent = sum(count for name, count in self.calls.items() if name.startswith("send") and name not in LEFT_OUT)
        return round(sent)


async def measure(folder: Path, scans: int = SCANS) -> Measured:
    """Run scans one after another, each of somebody else; Telegram is answered inside the process."""
    async with stage(folder, 1, scans + 3) as running:
        for chat_id in range(1, 4):
            await running.scan(chat_id)
        heard, size = running.requests.heard.copy(), _kept(folder)
        spent, own = processor_seconds(), time.process_time()
        for chat_id in range(4, scans + 4):
            await running.scan(chat_id)
        own, spent = time.process_time() - own, processor_seconds() - spent
        calls = {
            name: (count - heard[name]) / scans for name, count in running.requests.heard.items() if count > heard[name]
        }
        return Measured((spent - own) / scans, own / scans, calls, (_kept(folder) - size) / scans)


def _kept(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("crowd.db*"))


def rows(cost: Cost, per_second: int) -> list[str]:
    """One line of a table for each rate."""
    lines = []
    for rate in RATES:
        found, outcome = smallest(rate, cost, per_second, PATIENCE, MOST_WORKERS)
        lines.append(
            f"| {rate:,} | {per_second} | {found.bots} | {found.bots * found.workers} | {_used(outcome)} | "
            f"{outcome.half:.1f} s | {outcome.most:.1f} s |"
        )
    return lines


def _used(outcome: Outcome) -> str:
    return f"{outcome.workers_used:.0%} | {outcome.loop_used:.0%} | {outcome.telegram_used:.0%}"


def main() -> int:
    """Measure, simulate, print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        measured = asyncio.run(measure(Path(folder)))
    cost = Cost(measured.worker, measured.loop, measured.messages)
    said = [
        f"A scan with its PDF, mean of {SCANS}, one after another:",
        "",
        "| what | measured |",
        "|---|---|",
        f"| processor time in a worker | {1000 * measured.worker:.0f} ms |",
        f"| processor time in the bot's process | {1000 * measured.loop:.0f} ms |",
        f"| kept in the database | {measured.bytes_kept / 1024:.0f} KiB |",
        *(f"| `{name}` | {count:.1f} |" for name, count in sorted(measured.calls.items())),
        f"| messages that can't be left out | {measured.messages} |",
        "",
        f"The fewest bots and workers with which 95 of 100 scans take at most {PATIENCE:.0f} s:",
        "",
        "| scans an hour | messages a second | bots | workers, all bots | workers used | loop used | Telegram used | "
        "half take | 95 of 100 take |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows(cost, 30),
        *rows(cost, 1000)[-1:],
        "",
        "One bot at Telegram's limit of 30 messages a second:",
        "",
        "| scans an hour | Telegram used | 95 of 100 take |",
        "|---|---|---|",
    ]
    for rate in (10_000, 15_000, 20_000, 25_000, 30_000):
        outcome = simulate(rate, cost, Stage(1, 16))
        said.append(f"| {rate:,} | {outcome.telegram_used:.0%} | {outcome.most:.1f} s |")
    sys.stdout.write("\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
