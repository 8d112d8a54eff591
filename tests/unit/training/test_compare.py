"""Promises of the table that sets two models side by side."""

from pathlib import Path

import numpy as np
import pytest

from inference.training.data.example import EXTRA_TEST, LEFT_OUT, Example
from inference.training.measure import compare
from inference.training.predict import PredictionBatch
from inference.training.recipes import BRAIN

KINDS = ("glioma", "meningioma", "pituitary", "no_tumor")


def example(label: str, part: str, source: str = "cheng") -> Example:
    return Example(Path("x"), label, part, source, "g")


def predictions(probabilities: list[list[float]], said: list[int]) -> PredictionBatch:
    n = len(said)
    maps = np.zeros((n, 1, 1, 1), np.float32)
    array = np.array(probabilities)
    return PredictionBatch(
        array.astype(np.float32), array, maps, maps, np.zeros((n, 1), np.float32), np.zeros(n), np.array(said)
    )


def test_each_picture_counts_in_the_set_of_its_place() -> None:
    rows = [("val", "cheng"), ("val", "medpix_vqa"), (LEFT_OUT, "tcga_lgg"), (EXTRA_TEST, "jammu"), ("train", "cheng")]
    found = [compare.set_of(example("glioma", part, source)) for part, source in rows]
    assert found == ["val", "archive", LEFT_OUT, EXTRA_TEST, None]


def test_models_with_other_classes_are_compared_on_pictures() -> None:
    labels = ["glioma", "tumor_other", "no_tumor", "other_finding"]
    shown = [example(label, "test") for label in labels]
    four = predictions([[0.9, 0.1, 0, 0], [0.2, 0.2, 0.1, 0.5], [0.1, 0, 0, 0.9], [0.6, 0, 0, 0.4]], [1, -1, -1, 1])
    six = predictions(np.eye(6)[[0, 3, 5, 4]].tolist(), [1, 0, -1, 0])
    found = compare.figures(BRAIN, {"old": (KINDS, four), "new": (BRAIN.class_names, six)}, shown)["test"]

    assert found["old"].auc == pytest.approx(0.75)
    assert found["new"].auc == 1.0
    assert found["new"].macro_f1 == 1.0
    assert found["old"].macro_f1 == pytest.approx((2 / 3 + 2 / 3) / 4)  # it knows neither of the other two
    assert (found["old"].tumors.no_signs, found["new"].tumors.no_signs) == (0.5, 0.0)
    assert (found["old"].findings.signs, found["new"].findings.not_sure) == (1.0, 1.0)
    assert found["old"].clear.no_signs == 1.0
    assert "| test | new | 1.000 | 1.000 | 0.500 / 0.000 / 0.500 of 2 |" in "\n".join(compare.lines({"test": found}))


def test_set_without_healthy_pictures_has_no_shares_of_them() -> None:
    shown = [example("glioma", LEFT_OUT)]
    found = compare.figures(BRAIN, {"new": (BRAIN.class_names, predictions(np.eye(6)[[0]].tolist(), [1]))}, shown)
    assert list(found) == [LEFT_OUT]
    assert "| left_out | new | nan | 1.000 | 1.000 / 0.000 / 0.000 of 1 | - | - |" in compare.lines(found)
