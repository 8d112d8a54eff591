"""The fuzzer: the same for the same seed, it finds what is wrong, and a few inputs of each kind on every run."""

import random
from pathlib import Path

import pytest

from bot.scan import worker_jobs
from inference.workers.local import LocalExecutor
from tests.fuzz import corpus
from tests.fuzz.__main__ import Findings, fuzz
from tests.fuzz.mutator import changed_json, mutated, text
from tests.fuzz.targets import Target, targets


def test_the_same_seed_changes_the_same() -> None:
    first, again = ([mutated(b"x" * 900, random.Random(seed), (b"other",)) for seed in range(50)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 40
    assert text(random.Random(3)) == text(random.Random(3))


def test_changed_updates_can_always_be_written_down() -> None:
    import json

    for seed in range(500):
        rng = random.Random(seed)
        update = corpus.an_update(rng)
        for _ in range(5):
            update = changed_json(update, rng)
        json.dumps(update)


async def test_what_is_wrong_is_kept_with_its_input_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def feed(data: bytes) -> str:
        if data[0] == 7:
            raise ZeroDivisionError("seven")
        return "well"

    findings = Findings(tmp_path)
    target = Target("sevens", lambda rng: bytes([rng.randrange(10)]), feed)
    answers = await fuzz([target], 0.5, 1, findings)
    assert answers["sevens"]["FOUND"] > 0
    assert answers["sevens"]["well"] > answers["sevens"]["FOUND"]
    ((_, path),) = findings.kinds.items()
    assert path.read_bytes() == b"\x07"
    assert capsys.readouterr().out.count("FOUND in sevens: ZeroDivisionError") == 1


async def test_few_changed_inputs_of_every_kind_have_their_answer(tmp_path: Path) -> None:
    async with LocalExecutor(1, jobs=worker_jobs.MODULES) as executor:
        findings = Findings(tmp_path)
        wanted = targets(executor)
        answers = await fuzz(wanted, 0.001, 2, findings)  # one round
    assert {name: counted.total() for name, counted in answers.items()} == {target.name: 20 for target in wanted}
    assert not findings.kinds
