"""Promises of how the gate is made: what is drawn, what a fold leaves out, how sure a told reason must be."""

from pathlib import Path

import numpy as np
import pytest

from inference.analyser import Analyser
from inference.gate.rejection_reason import KINDS, REFUSALS_FILE, RejectionReasons
from inference.training.data import dataset
from inference.training.drawn import more_outliers, ood_kinds, outliers
from inference.training.fit import gate_distances, gate_reasons
from inference.training.measure import gate_folds
from inference.training.recipes import GATE
from inference.training.report import gate_card
from tests import pictures


def test_every_kind_and_every_source_but_the_base_is_left_out_by_exactly_one_fold(shared_data: Path) -> None:
    examples = [e for e in dataset.gate_examples(shared_data) if e.part != "test"]
    domains = {e.domain for e in examples}
    left_out = [name for names in gate_folds.FOLDS.values() for name in names]
    assert len(left_out) == len(set(left_out))
    assert domains == {*left_out, *gate_folds.BASE}


@pytest.mark.parametrize("fold", ["base", *gate_folds.FOLDS])
def test_a_fold_learns_nothing_of_what_it_is_judged_on(shared_data: Path, fold: str) -> None:
    training, validation, left_out = gate_folds.parts(dataset.gate_examples(shared_data), fold)
    assert training
    assert not {e.domain for e in [*training, *validation]} & {e.domain for e in left_out}
    assert all(e.part != "test" for e in [*training, *validation, *left_out])
    assert bool(left_out) == (fold != "base")


def test_every_kind_of_the_data_that_a_reason_names_is_in_the_data(shared_data: Path) -> None:
    kinds = {e.source for e in dataset.gate_examples(shared_data) if e.label == "other"}
    assert {kind for names in gate_reasons.GROUPS.values() for kind in names} <= kinds


@pytest.mark.parametrize("draw", dict.fromkeys(more_outliers.KINDS))
def test_what_is_drawn_is_a_picture_and_never_twice_the_same(draw: object) -> None:
    assert callable(draw)
    rng = np.random.default_rng(2)
    nothing = np.zeros((1, 64, 64, 3), np.uint8)
    one, other = (draw(rng, 64, nothing) for _ in range(2))
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.uint8
    assert not np.array_equal(one, other)


def test_every_drawn_picture_has_its_reason_or_none() -> None:
    names = outliers.groups(100)
    assert set(names) == {*(kind.value for kind in KINDS), ""}
    assert outliers.groups(7) == names[:7]


def test_a_linear_reading_tells_apart_what_a_line_can_tell_apart() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 600)
    labels[:20] = 2
    centres = np.array([[4, 0, 0, 9], [0, 4, 0, 9], [0, 0, 4, 9]], np.float32)
    features = (centres[labels] + rng.normal(0, 0.7, (600, 4))).astype(np.float32)
    weights, biases = gate_reasons.regress(features[:400], labels[:400], 3)
    told = (features[400:] @ weights + biases).argmax(1)
    assert (told == labels[400:]).mean() > 0.97


def test_a_reason_is_told_only_from_where_it_is_nearly_always_true() -> None:
    told = np.linspace(1, 0.61, 100)
    right = np.arange(100) < 80
    sure = gate_reasons.least_sure(told, right)
    kept = right[told >= sure - 1e-4]
    assert kept.mean() >= gate_reasons.PRECISION
    assert len(kept) >= 80
    assert gate_reasons.least_sure(told, np.zeros(100, bool)) == 1.0


def test_what_is_kept_of_the_reasons_is_plain_numbers(tmp_path: Path) -> None:
    fit = RejectionReasons(("a", "b"), np.zeros((3, 2), np.float32), np.ones(2, np.float32), 0.75)
    assert gate_reasons.save(fit, tmp_path).name == REFUSALS_FILE
    with np.load(tmp_path / REFUSALS_FILE, allow_pickle=False) as kept:
        assert tuple(kept["names"]) == ("a", "b")
        assert float(kept["sure"]) == 0.75


def unseen(rng: np.random.Generator) -> gate_folds.Unseen:
    """Two organs and "other" as three clouds, and one unseen kind on each side of the border."""
    labels = np.array([0, 1, 2] * 60 + [2] * 20 + [0] * 20, np.int32)
    centres = 6 * np.eye(3, 4)
    features = (centres[labels] + rng.normal(0, 0.5, (len(labels), 4))).astype(np.float32)
    features[-20:] += np.array([0, 0, 0, 9], np.float32)  # a hospital that looks like nothing before
    roles = np.array(["train"] * 90 + ["val"] * 90 + ["unseen"] * 40)
    domains = np.array(["seen"] * 180 + ["knee"] * 20 + ["clinic"] * 20)
    return gate_folds.Unseen(features[:, :3], features, labels, domains, roles)


def test_the_figures_of_a_fold_judge_each_signal_at_the_same_share_of_scans_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = unseen(np.random.default_rng(0))
    monkeypatch.setattr(gate_folds, "FOLDS", {"one": ("knee", "clinic")})
    (tmp_path / "gate-one").mkdir()
    np.savez(
        tmp_path / "gate-one" / "unseen.npz",
        **{name: getattr(kept, name) for name in ("logits", "features", "labels", "domains", "roles")},
    )
    found = gate_folds.figures(GATE, tmp_path)
    knee, clinic = found["others_let_in"]["knee"], found["scans_refused"]["clinic"]
    assert (knee["pictures"], knee["classifier"], knee["classifier_auroc"]) == (20, 0.0, 1.0)
    assert clinic["classifier"] == 0.0
    assert clinic["distance"] == 1.0  # the distance alone takes what is new for what is wrong
    assert found["folds"]["one"]["classifier_auroc"] == 1.0
    assert any("knee" in line for line in gate_card.lines(found))


def test_folds_that_were_not_trained_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        dataset.DataError, match=r"unseen\.npz is missing: run python -m inference\.training folds gate"
    ):
        gate_folds.figures(GATE, tmp_path)


def test_the_distance_learned_is_mahalanobis_under_the_organs_own_spread() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(0, 1, (8000, 3)) * (1, 2, 5) + 20).astype(np.float32)
    mean, whitening = gate_distances.learn(features, np.array(["one"] * 8000), shrinkage=0.0)
    found = (((features - mean) @ whitening) ** 2).sum(1)
    assert found.mean() == pytest.approx(3, abs=0.05)  # chi-squared with three degrees of freedom


def test_a_large_hospital_does_not_drown_a_small_one() -> None:
    features = np.repeat(np.array([[0.0], [1.0]], np.float32), (900, 100), axis=0)
    mean, _ = gate_distances.learn(features, np.repeat(["large", "small"], (900, 100)))
    assert mean[0] == pytest.approx(0.25)  # by the square roots of 100 and 900


def test_the_point_lies_midway_where_scans_and_others_lie_apart_and_refuses_few_where_not() -> None:
    scans = np.linspace(10, 20, 1001, dtype=np.float32)
    assert gate_distances.point(scans, np.full(50, -10, np.float32), 0.01) == pytest.approx(0, abs=0.02)
    overlapping = gate_distances.point(scans, np.full(50, 15, np.float32), 0.01)
    assert (scans < overlapping).mean() == pytest.approx(0.01, abs=1e-3)


def test_what_is_fitted_lets_scans_in_and_keeps_the_rest_out() -> None:
    kept = unseen(np.random.default_rng(3))
    role = {name: kept.roles == name for name in ("train", "val")}
    train, val = (
        gate_distances.Seen(kept.logits[rows], kept.features[rows], kept.labels[rows], kept.domains[rows])
        for rows in role.values()
    )
    detector = gate_distances.fit(train, val)
    weighed = detector.weigh(val.logits, val.features)
    admitted = weighed[:, :2].max(1) >= weighed[:, 2]
    assert admitted[val.labels < 2].mean() >= 0.95
    assert not admitted[val.labels == 2].any()


@pytest.mark.parametrize("kind", ood_kinds.KINDS)
def test_a_kind_that_only_the_test_draws_is_the_same_each_time_and_never_twice_the_same(kind: str) -> None:
    first, again = ood_kinds.draw(kind, 3), ood_kinds.draw(kind, 3)
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in first)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert min(float(picture.std()) for picture in first) > 5


def test_no_kind_of_the_test_is_drawn_for_training() -> None:
    trained = {draw.__name__.strip("_") for draw in (*more_outliers.KINDS, *(kind for kind, _ in outliers._kinds()))}
    assert not trained & set(ood_kinds.KINDS)


def test_the_drawn_kinds_are_shown_to_the_gate_that_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_folds, "OF_EACH", 1)
    (tmp_path / "scan.jpg").write_bytes(pictures.brain())
    scan = dataset.Example(tmp_path / "scan.jpg", "brain_mri", "val", "drawn", "drawn")
    found = gate_folds.drawn_figures(Analyser.load().gate, [scan])
    assert set(found["kinds"]) == set(ood_kinds.KINDS)
    assert found["kinds"]["code"] == {"let_in": 0.0, "auroc": 1.0}
    assert 0 <= found["let_in"] <= 1
    assert any("code" in line for line in gate_card.drawn(found))
