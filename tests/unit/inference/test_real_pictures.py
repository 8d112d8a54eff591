"""Twenty real pictures of each kind: what is a scan is read, what is none is refused, and most answers are right.

The bounds are what the shipped models reach with room for one more mistake; their cards tell the exact figures.
"""

import csv
import random
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest

from inference.analyser import Analyser
from inference.analysis import Analysis, Verdict

HOW_MANY = 20
Read = Callable[[Iterable[bytes]], list[Analysis]]


def some(folder: Path, wanted: Callable[[dict[str, str]], bool]) -> list[bytes]:
    """Twenty pictures, the same ones each time."""
    with (folder / "index.csv").open() as file:
        files = sorted(row["file"] for row in csv.DictReader(file) if wanted(row))
    return [(folder / name).read_bytes() for name in random.Random(7).sample(files, HOW_MANY)]  # noqa: S311 - no secret


def slices_to_test(shared_data: Path, *, tumor: bool) -> list[bytes]:
    def wanted(row: dict[str, str]) -> bool:
        return row["part"] == "test" and (row["label"] != "no_tumor") == tumor

    return some(shared_data / "brain", wanted)


@pytest.fixture(scope="module")
def read() -> Read:
    """Reads pictures, each of them once."""
    reader = cache(Analyser.load().analyse)
    return lambda pictures: [reader(picture) for picture in pictures]


@pytest.mark.parametrize("tumor", [True, False], ids=["with tumour", "without"])
def test_brain_slices_are_taken_for_brain_slices(read: Read, shared_data: Path, *, tumor: bool) -> None:
    slices = slices_to_test(shared_data, tumor=tumor)
    assert sum(answer.organ == "brain_mri" for answer in read(slices)) >= 18


@pytest.mark.parametrize("label", ["malignant", "benign"])
def test_blood_smears_are_taken_for_blood_smears(read: Read, shared_data: Path, label: str) -> None:
    smears = some(shared_data / "blood", lambda row: row["label"] == label)
    assert sum(answer.organ == "blood_smear" for answer in read(smears)) >= 18


@pytest.mark.parametrize("kind", ["pet_photo", "screenshot", "xray_chest", "document", "face_photo", "natural_photo"])
def test_other_pictures_are_refused(read: Read, shared_data: Path, kind: str) -> None:
    others = some(shared_data / "other", lambda row: row["kind"] == kind)
    answers = read(others)
    assert sum(answer.verdict is Verdict.NOT_READABLE for answer in answers) >= 18
    for answer in answers:
        if answer.verdict is Verdict.NOT_READABLE:
            assert sum(answer.withheld.values()) == pytest.approx(1)


def test_a_doubtful_answer_is_rather_not_sure_than_wrong(read: Read, shared_data: Path) -> None:
    wrong = 0
    for tumor, opposite in ((True, Verdict.NO_TUMOR_SIGNS), (False, Verdict.TUMOR_SIGNS)):
        slices = slices_to_test(shared_data, tumor=tumor)
        wrong += sum(answer.verdict is opposite for answer in read(slices))
    assert wrong <= 4
