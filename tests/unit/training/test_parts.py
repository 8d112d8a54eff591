"""Promises of the training's parts that need no TensorFlow graph: splits, calibration, figures, drawn pictures."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from inference.training.data import blood_smear, dataset, gate_pictures
from inference.training.data.brain_mri import brain_mri_examples
from inference.training.data.example import CT_AMONG_MRI, DataError, read_index, read_picture
from inference.training.drawn import outliers
from inference.training.fit import baselines
from inference.training.fit.lesions import feather
from inference.training.fit.ranking import auc
from inference.training.measure import calibrate, metrics
from inference.training.predict import probabilities_of
from inference.training.recipes import BLOOD, BRAIN, GATE, NO_TUMOR, Limits


def test_no_smear_field_lies_on_two_sides(shared_data: Path) -> None:
    parts = defaultdict(set)
    for example in blood_smear.blood_examples(shared_data):
        parts[example.group].add(example.part)

    assert all(len(found) == 1 for found in parts.values())


def test_the_test_domains_are_never_trained_on(shared_data: Path) -> None:
    trained = {e.detail for e in blood_smear.blood_examples(shared_data) if e.part != "test"}

    assert not trained & set(blood_smear.TEST_DOMAINS)


def test_no_person_has_brain_slices_on_two_sides(shared_data: Path) -> None:
    parts = defaultdict(set)
    for example in brain_mri_examples(shared_data):
        parts[example.group].add(example.part)

    assert all(len(found) == 1 for found in parts.values())


def test_stripped_heads_are_a_tenth_of_healthy_draws(shared_data: Path) -> None:
    healthy = [e for e in brain_mri_examples(shared_data) if e.part == "train" and e.label == NO_TUMOR]
    stripped = {"ad_nondemented", "oasis_trt20_slices", "stripped_misc"}
    share = sum(e.weight for e in healthy if e.source in stripped) / sum(e.weight for e in healthy)

    assert 0.05 < share < 0.15


def test_ct_slices_labelled_mri_never_train_the_gate(shared_data: Path) -> None:
    examples = gate_pictures.gate_examples(shared_data)
    slices = {e.path.name for e in examples if e.label == "brain_mri" and e.path.parent.parent.name == "brain"}

    assert len(CT_AMONG_MRI) == 21
    assert not slices & CT_AMONG_MRI


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        dataset.data_root(str(tmp_path))


def test_an_index_without_a_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["file"], ["a.jpg"]])

    with pytest.raises(DataError, match=r"index\.csv lacks the column\(s\) label"):
        read_index(path, ("file", "label"))


def test_a_broken_training_picture_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "00017.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")

    with pytest.raises(DataError, match=r"00017\.jpg"):
        read_picture(broken)


def test_the_scale_bar_corner_is_painted_over() -> None:
    picture = np.full((224, 224, 3), 200, np.uint8)
    picture[200:220, 170:220] = 0

    assert dataset.blank_scale_bar(picture).min() == 200


def test_temperature_brings_back_honest_probabilities() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (6000, 3)).astype(np.float32)
    labels = np.array([rng.choice(3, p=p) for p in probabilities_of(logits, 1.0)], np.int32)

    found = calibrate.temperature(calibrate.Scored(logits * 3, labels, ("",) * len(labels)))

    assert found == pytest.approx(3.0, rel=0.1)


def test_prediction_sets_hold_true_class_19_of_20_times() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 2)).astype(np.float32)
    probabilities = probabilities_of(logits, 1.0)
    labels = (rng.random(4000) < probabilities[:, 1]).astype(np.int32)
    quantiles = calibrate.conformal(probabilities[:2000], labels[:2000], ("a", "b"))
    for k, name in enumerate(("a", "b")):
        fresh = probabilities[2000:][labels[2000:] == k, k]

        assert (fresh >= 1 - quantiles[name]).mean() == pytest.approx(0.95, abs=0.03)


def test_operating_points_keep_their_limits_in_every_source() -> None:
    rng = np.random.default_rng(0)
    ill = np.repeat([True, False], 300)
    sources = tuple(["a"] * 150 + ["b"] * 150 + ["c"] * 250 + ["d"] * 50)
    tumor = np.where(ill, rng.beta(5, 2, 600), rng.beta(2, 5, 600))

    points = calibrate.verdict_points(tumor, ill, sources, Limits((0.04, 0.05), (0.02, 0.05)))

    assert (tumor[~ill] >= points.positive).mean() <= 0.04
    assert (tumor[ill] <= points.negative).mean() <= 0.02
    for source in "abcd":
        here = np.array(sources) == source
        assert (tumor[here & ~ill] >= points.positive).sum() <= 0.05 * here.sum()
        assert (tumor[here & ill] <= points.negative).sum() <= 0.05 * here.sum()
    assert points.negative <= 0.5 <= points.positive


def test_healthy_slices_stay_below_full_heat_scale() -> None:
    maps = np.zeros((40, 4, 4, 4), np.float32)
    maps[:20, 1, 1, 0] = 10
    maps[20:, 2, 2, 1] = 7
    labels = np.repeat([0, 3], 20).astype(np.int32)

    tumor = np.array([True, True, True, False])

    assert 7 / calibrate.full_scale(maps, labels, tumor, 90) <= calibrate.FULL_SCALE_SHARE + 1e-3
    maps[..., 1] /= 100
    assert calibrate.full_scale(maps, labels, tumor, 90) == pytest.approx(10)


def test_auc_knows_best_and_worst_and_halves_ties() -> None:
    ill = np.array([True, True, False, False])

    assert auc(np.array([0.9, 0.8, 0.2, 0.1]), ill) == 1
    assert auc(np.array([0.1, 0.2, 0.8, 0.9]), ill) == 0
    assert auc(np.ones(4), ill) == 0.5


def test_interval_widens_when_pictures_share_few_groups() -> None:
    hits = np.repeat(np.tile([1.0, 0.0], 10), 10)
    alone = metrics.interval(lambda i: float(hits[i].mean()), [str(i) for i in range(200)])
    together = metrics.interval(lambda i: float(hits[i].mean()), [str(i // 10) for i in range(200)])

    def width(figure: dict[str, float | list[float]]) -> float:
        ends = figure["ci95"]
        assert isinstance(ends, list)
        return ends[1] - ends[0]

    assert alone["value"] == together["value"] == 0.5
    assert width(together) > 2 * width(alone)


def test_a_colour_baseline_learns_colour() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int32)
    features = rng.normal(0, 1, (200, 5)) + labels[:, None]

    assert (baselines.linear_classifier(features, labels)(features).argmax(1) == labels).mean() > 0.85


def test_drawn_pictures_are_all_different_and_full_size() -> None:
    scans = np.random.default_rng(0).integers(0, 255, (6, 48, 48, 3), dtype=np.uint8)

    drawn = outliers.draw(60, 48, scans, scans, seed=1)

    assert drawn.shape == (60, 48, 48, 3)
    assert len({picture.tobytes() for picture in drawn}) == 60


def test_a_feathered_mask_covers_the_mask_and_fades_out() -> None:
    mask = np.zeros((32, 32), bool)
    mask[12:20, 12:20] = True
    soft = feather(mask)

    assert soft[mask].min() > 0.99
    assert ((soft > 0.01) & (soft < 0.99)).any()
    assert soft[0].max() == 0


def test_every_recipe_balances_classes_and_has_tumor_free_one() -> None:
    for recipe in (BRAIN, BLOOD, GATE):
        assert sum(recipe.class_shares) == pytest.approx(1)
        assert len(recipe.class_shares) == len(recipe.classes)
    assert BRAIN.class_names[BRAIN.tumor_free] == NO_TUMOR


def test_what_a_label_stands_for_adds_up_to_one() -> None:
    targets = BRAIN.targets()

    assert np.allclose(targets.sum(1), 1)
    assert (targets.argmax(1) == np.arange(len(targets))).all()
    assert targets.min() > 0


def test_finding_of_another_kind_is_no_tumor_in_score() -> None:
    probabilities = np.array([[0.1, 0.1, 0.1, 0.1, 0.5, 0.1]])

    assert BRAIN.score(probabilities) == pytest.approx(0.4)
    assert BRAIN.positive(np.arange(6, dtype=np.int32)).tolist() == [True] * 4 + [False] * 2
