"""The fuzzer: the same for the same seed, it finds what is wrong, and a few inputs of each kind on every run."""

import os
import random
import signal
from pathlib import Path

import pytest

from bot.scan import worker_jobs
from inference.analysis import PictureError, Reason
from inference.decode import isolation
from inference.decode.imaging import decode
from inference.study.opening import holds_several, open_study
from inference.workers.local import LocalExecutor
from tests.fuzz import corpus, many
from tests.fuzz.__main__ import Findings, fuzz
from tests.fuzz.mutator import changed_json, mutated, text
from tests.fuzz.small import SMALL
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


UNREAD = {Reason.BLANK: 2, Reason.DICOM_WITHOUT_PICTURE: 1, Reason.DICOM_DIRECTORY: 1, Reason.DICOM_UNSUPPORTED: 1}
"""Of the small DICOM files: what comes before the pixels counts in those, or they have none."""


@pytest.mark.parametrize("kind", SMALL)
def test_small_files_are_read_before_they_are_changed(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in many.decoding_modules():
        monkeypatch.setattr(module, "run_isolated", many._here)
    refused: dict[Reason, int] = {}
    for data in SMALL[kind]():
        try:
            assert open_study(data).slices if holds_several(data) else decode(data).rgb.size
        except PictureError as error:
            refused[error.reason] = refused.get(error.reason, 0) + 1
    assert refused == (UNREAD if kind == "dicom" else {})


def _rows(monkeypatch: pytest.MonkeyPatch, opened: dict[int, object]) -> many.Fed:
    """Open nine files; those with these numbers end the process by a signal, raise an error or kill it always."""

    def fake(data: bytes) -> None:
        what = opened.get(data[0])
        if isinstance(what, signal.Signals) and isolation.run_isolated is many._here:
            os.kill(os.getpid(), what)
        if isinstance(what, Exception):
            raise what
        if isinstance(what, int) and not isinstance(what, signal.Signals):
            os._exit(what)

    monkeypatch.setattr(many, "changed_file", lambda _files, _seed, number: bytes([number]))
    monkeypatch.setattr(many, "holds_several", lambda _: False)
    monkeypatch.setattr(many, "decode", fake)
    return many.open_many([], "", 0, 9)


def test_what_ends_a_row_is_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = _rows(monkeypatch, {2: signal.SIGKILL, 3: signal.SIGKILL, 7: PictureError(Reason.BLANK)})
    assert fed == many.Fed({"a picture": 8, "refused: blank": 1}, [])


def test_slow_inputs_in_a_row_are_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = _rows(monkeypatch, {0: signal.SIGVTALRM, 8: signal.SIGVTALRM})
    assert fed == many.Fed({"a picture": 7, "out of time": 2}, [])


def test_what_ends_its_process_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = _rows(monkeypatch, {5: 77})
    assert fed.answers == {"a picture": 8, "FOUND": 1}
    assert fed.found == [(5, "its process ended with status 77")]


def test_an_error_in_a_row_is_found_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    fed = _rows(monkeypatch, {4: ZeroDivisionError("four")})
    assert fed.answers == {"a picture": 8, "FOUND": 1}
    ((number, words),) = fed.found
    assert (number, words[:17], words[-4:]) == (4, "ZeroDivisionError", "four")
