"""``python -m tests.fuzz [--minutes N] [--seed N] [--only NAME]``: feed changed input until the time is up."""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from pathlib import Path

from bot.scan import worker_jobs
from inference.workers.executor import AnalysisTimeoutError, WorkerDiedError
from inference.workers.local import LocalExecutor
from tests.fuzz import many
from tests.fuzz.targets import Target, targets

ROUND = 20
"""Inputs of one target before the next has its turn."""
ROW = 4000
"""Files of a kind that are opened, without the models, in the same turn."""
WORDS = 2000
"""Inputs that are no files, in the same turn."""
SAID_EVERY = 60.0
"""Seconds from one line about how far it is to the next."""
JOBS = (*worker_jobs.MODULES, many.MODULE)
SLOW = 30.0
"""Seconds within which each input must have its answer, whatever it is."""
FINDINGS = Path("fuzz-findings")


class Findings:
    """What went wrong; each kind of error is kept once for each target, with the input that showed it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kinds: dict[tuple[str, str], Path] = {}

    def note(self, target: Target, data: bytes, error: BaseException) -> None:
        """Keep the input in a file, and say so."""
        frames = error.__traceback__
        while frames and frames.tb_next:
            frames = frames.tb_next
        place = f"{frames.tb_frame.f_code.co_filename}:{frames.tb_lineno}" if frames else ""
        kind = (target.name, f"{type(error).__name__} at {place}: {str(error)[:400]}")
        if kind in self.kinds:
            return
        self._folder.mkdir(exist_ok=True)
        path = self.kinds[kind] = self._folder / f"{target.name.replace(' ', '-')}-{len(self.kinds) + 1}.bin"
        path.write_bytes(data)
        print(f"FOUND in {target.name}: {kind[1]} ({path})", flush=True)


async def feed(target: Target, data: bytes) -> str:
    """The kind of answer; raises whatever is no known answer, and TimeoutError for none."""
    async with asyncio.timeout(SLOW):
        return await target.feed(data)


async def open_row(
    executor: LocalExecutor, target: Target, seed: str, first: int, count: int, findings: Findings
) -> Counter[str]:
    """Open a row of files in a worker; where that ends it, halve the row until the file is found that did."""
    try:
        fed = await executor.run(many.open_many, list(target.files), seed, first, count, timeout=count * SLOW)
    except (AnalysisTimeoutError, WorkerDiedError) as error:
        if count == 1:
            if isinstance(error, AnalysisTimeoutError):  # the kernel ended it at its last second, as it should
                return Counter({"out of time": 1})
            findings.note(target, many.changed_file(target.files, seed, first), error)
            return Counter({"FOUND": 1})
        half = count // 2
        halves = ((first, half), (first + half, count - half))
        return sum([await open_row(executor, target, seed, *part, findings) for part in halves], Counter())
    for number, words in fed.found:
        findings.note(target, many.changed_file(target.files, seed, number), AssertionError(words))
    return Counter(fed.answers)


async def fuzz(
    wanted: list[Target], seconds: float, seed: int, findings: Findings, executor: LocalExecutor | None = None
) -> dict[str, Counter[str]]:
    """Give each target its turn until the time is up; returns how often each answer came.

    With an ``executor`` that knows JOBS, files are also opened in rows, which costs a hundredth of reading them.
    """
    answers: dict[str, Counter[str]] = {target.name: Counter() for target in wanted}
    end, turn = time.monotonic() + seconds, 0
    told = end - seconds
    while time.monotonic() < end:
        for target in wanted if turn == 0 else (one for one in wanted if time.monotonic() < end):
            rng = random.Random(f"{seed} {turn} {target.name}")
            inputs = [target.make(rng) for _ in range(WORDS if executor is not None and target.is_quick else ROUND)]
            for data in inputs:
                try:
                    answers[target.name][await feed(target, data)] += 1
                except (asyncio.CancelledError, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is what we look for
                    answers[target.name]["FOUND"] += 1
                    findings.note(target, data, error)
            if executor is not None and target.files:
                row = f"{seed} {turn} {target.name}"
                answers[target.name] += await open_row(executor, target, row, 0, ROW, findings)
            if executor is not None and time.monotonic() - told > SAID_EVERY:
                told = time.monotonic()
                total = sum(counted.total() for counted in answers.values())
                print(
                    f"{seconds - end + told:.0f} s: {total} inputs, kinds of findings: {len(findings.kinds)}",
                    flush=True,
                )
        turn += 1
    return answers


async def _main(arguments: argparse.Namespace) -> int:
    findings = Findings(FINDINGS)
    async with LocalExecutor(arguments.workers, jobs=JOBS) as executor:
        wanted = [target for target in targets(executor) if arguments.only in ("", target.name)]
        if not wanted:
            sys.stderr.write(f"there is no target of this name: {', '.join(t.name for t in targets(executor))}\n")
            return 2
        print(f"seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
        answers = await fuzz(wanted, 60 * arguments.minutes, arguments.seed, findings, executor)
        restarts = executor.restarts
    for name, counted in answers.items():
        said = ", ".join(f"{answer} {count}" for answer, count in counted.most_common(6))
        print(f"{name}: {counted.total()} inputs: {said}")
    total = sum(counted.total() for counted in answers.values())
    print(f"{total} inputs in all; workers replaced: {restarts}; kinds of findings: {len(findings.kinds)}")
    return 1 if findings.kinds else 0


def main() -> int:
    """Read the arguments; exit status 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", default="", metavar="NAME", help="one target alone")
    parser.add_argument("--workers", type=int, default=1)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
