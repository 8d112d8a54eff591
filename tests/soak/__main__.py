"""The command: ``python -m tests.soak --minutes 5 --people 64 --kill-every 7 --faults``."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.report import as_json, as_table, broken_promises
from tests.soak.run import Plan, soak

SCANS_A_SECOND = 1.6
"""What is sent when ``--scans`` does not say it: far from what the bot can do, so that it catches up after a kill."""


def main() -> int:
    """SoakRun, report, and return 1 when a promise was broken."""
    args = _arguments()
    seconds = args.minutes * 60
    plan = Plan(
        seconds=seconds,
        people=args.people,
        scans=args.scans or round(seconds * SCANS_A_SECOND),
        kill_every=args.kill_every,
        kills=args.kills,
        faults=args.faults,
        seed=args.seed,
        workers=args.workers,
        replicas=args.replicas,
        cluster=args.cluster,
    )
    folder = Path(tempfile.mkdtemp(prefix="tumorscan-soak-"))
    result = asyncio.run(soak(plan, folder))
    broken = broken_promises(result)
    verdict = [f"BROKEN: {sentence}" for sentence in broken] or ["Every promise was kept."]
    sys.stdout.write(
        "\n".join(
            [as_table(result), "", *verdict, f"The database, the log and the chats that went wrong are in {folder}", ""]
        )
    )
    if args.out:
        args.out.write_text(as_json(result) + "\n", "utf-8")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Kill the bot and count what is lost.")
    parser.add_argument("--minutes", type=float, default=5, help="how long people send (default 5)")
    parser.add_argument("--people", type=int, default=64, help="how many (default 64)")
    parser.add_argument("--scans", type=int, help=f"pictures in all (default {SCANS_A_SECOND} a second)")
    parser.add_argument("--kill-every", type=float, metavar="SECONDS", help="kill -9 about so often (default: never)")
    parser.add_argument("--kills", type=int, help="exactly so many kills, however long it takes")
    parser.add_argument("--faults", action="store_true", help="have Telegram fail in every way it knows")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same soak (default 1)")
    parser.add_argument("--workers", type=int, default=2, help="analysing processes (default 2)")
    parser.add_argument(
        "--replicas", type=int, default=0, help="processes that share a PostgreSQL (default: one, SQLite)"
    )
    parser.add_argument(
        "--cluster", type=int, default=0, help="Dask workers, which are killed in place of the bot (default: none)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
