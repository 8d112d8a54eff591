"""Promises of how the gate is made: what is drawn, what is left out, and what is fitted to features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.card import Input
from inference.gate.ood_detector import DETECTOR_FILE, REASONS
from inference.training.data import gate_pictures
from inference.training.data.example import DataError, Example
from inference.training.data.vary import restain, vary
from inference.training.drawn import flat, more_outliers, ood_kinds, outliers, unseen
from inference.training.fit import features
from inference.training.fit import gate as gate_fit
from inference.training.fit.features import Features
from inference.training.measure import gate_figures
from inference.training.report import gate_card
from tests import pictures

ORGANS = ("brain_mri", "blood_smear")


def clouds(seed: int = 0, count: int = 90) -> Features:
    """Brains of three hospitals, smears of three laboratories and two other kinds, as clouds in ten directions."""
    rng = np.random.default_rng(seed)
    rows = [
        *(("brain_mri", place, 0) for place in ("cheng", "web", "archive")),
        *(("blood_smear", place, 1) for place in ("bccd", "pbc_normal", "mehrad_all")),
        ("ct_head", "ct_head", 2),
        ("page", "page", 3),
    ]
    kinds, places, centres = (np.repeat([row[i] for row in rows], count) for i in range(3))
    values = 6 * np.eye(10)[centres.astype(int)] + rng.normal(0, 0.7, (len(kinds), 10))
    labels = np.where(np.isin(kinds, ORGANS), kinds, "other")
    keys = np.array([f"{place}/{i}" for i, place in enumerate(places)])
    return Features(values.astype(np.float32), keys, kinds, labels, places, np.full(len(kinds), "train"))


def test_fitted_gate_admits_unseen_places_and_rejects_other_kinds() -> None:
    found = clouds()
    fitted = gate_fit.weighed(gate_fit.detector(found, ORGANS), gate_fit.held_out_signals(found, ORGANS), found)
    fresh = clouds(1)
    scores = fitted.scores(fresh.values)
    for k, organ in enumerate(ORGANS):
        assert (scores[fresh.kinds == organ, k] >= 0).mean() > 0.9
        assert (scores[fresh.kinds != organ, k] >= 0).mean() < 0.01


def test_fold_learns_nothing_from_what_it_judges() -> None:
    found = clouds(count=12)
    for name, learned, judged in gate_fit.folds(found):
        assert not (learned & judged).any()
        if name.startswith("without"):
            assert not set(found.places[learned]) & set(found.places[judged])


def test_picture_copy_is_judged_with_its_original() -> None:
    found = clouds(count=12)
    twice = replace(found, keys=np.array([f"{i // 2}" + " varied 0" * (i % 2) for i in range(len(found.keys))]))
    for name, learned, judged in gate_fit.folds(twice):
        if name.startswith("known"):
            assert (judged[::2] == judged[1::2]).all()
            assert not (learned & judged).any()


def test_a_large_hospital_does_not_drown_a_small_one() -> None:
    found = clouds(count=16)
    weights = gate_fit.shares(replace(found, places=np.where(found.kinds == "page", "page", "one")))
    assert weights[found.kinds == "page"].sum() == pytest.approx(4)
    assert weights[found.kinds == "brain_mri"].sum() == pytest.approx(np.sqrt(48))


def test_organ_without_pictures_is_named_before_fitting() -> None:
    found = clouds(count=5)
    with pytest.raises(DataError, match="no picture of blood_smear"):
        gate_fit.detector(found.rows(found.kinds != "blood_smear"), ORGANS)


def test_stored_detector_holds_plain_numbers_and_names(tmp_path: Path) -> None:
    fitted = gate_fit.detector(clouds(count=10), ORGANS)
    assert gate_fit.save(fitted, tmp_path).name == DETECTOR_FILE
    with np.load(tmp_path / DETECTOR_FILE, allow_pickle=False) as kept:
        assert tuple(kept["kinds"]) == ("blood_smear", "brain_mri", "ct_head", "page")
        assert kept["examples"].dtype == np.float16


def test_figures_tell_unseen_places_from_known_ones(tmp_path: Path) -> None:
    found = clouds(count=30)
    judged = gate_fit.held_out_signals(found, ORGANS)
    fitted = gate_fit.weighed(gate_fit.detector(found, ORGANS), judged, found)
    gate_fit.save_held_out(fitted, judged, found, tmp_path)
    figures = gate_figures.left_out(tmp_path / gate_fit.HELD_OUT_FILE, ORGANS)
    assert figures["scans_refused"]["brain_mri: archive"]["pictures"] == 30
    assert figures["scans_refused"]["brain_mri: archive"]["known"] <= 0.1
    assert figures["others_let_in"]["page"]["known"] == 0.0
    assert any("archive" in line for line in gate_card.lines({"left_out": figures}))


def test_every_data_kind_and_refusal_reason_is_known(shared_data: Path) -> None:
    examples = gate_pictures.gate_examples(shared_data)
    kinds = {example.detail for example in examples}
    assert set(gate_pictures.KINDS) <= kinds
    assert set(gate_pictures.REASONS.values()) <= set(REASONS)
    named = {place for places in gate_fit.FOLDS.values() for place in places}
    made = {"drawn_other", "drawing", "screen_photo"}
    assert {gate_pictures.place(e) for e in examples} - {"object"} <= named | made


def test_a_kind_that_nobody_knows_is_named() -> None:
    with pytest.raises(DataError, match="'xylophone' is no kind"):
        gate_pictures.kind_of("xylophone")


def test_no_gate_picture_group_lies_on_two_sides(shared_data: Path) -> None:
    sides: dict[str, set[str]] = {}
    for example in gate_pictures.gate_examples(shared_data):
        sides.setdefault(example.group, set()).add(example.part)
    assert not [group for group, parts in sides.items() if len(parts) > 1]


@pytest.mark.parametrize("smear", [False, True])
def test_a_varied_picture_is_repeatable_and_another_picture(*, smear: bool) -> None:
    picture = np.asarray(pictures.smear_image()) if smear else np.repeat(
        (pictures.brain_array(200) * 255).astype(np.uint8)[..., None], 3, -1
    )  # fmt: skip
    for seed in range(12):
        one, again = (vary(picture, np.random.default_rng(seed), smear=smear) for _ in range(2))
        assert np.array_equal(one, again)
        assert one.dtype == np.uint8
        assert one.shape != picture.shape or not np.array_equal(one, picture)


def test_restaining_keeps_dark_parts_darker_than_the_ground() -> None:
    levels = np.asarray(pictures.smear_image(), np.float64) / 255
    dark, pale = levels.sum(-1) < 1.3, levels.sum(-1) > 2.6
    for seed in range(10):
        changed = restain(levels, np.random.default_rng(seed)).sum(-1)
        assert changed[dark].mean() < changed[pale].mean()


def test_features_are_cached_and_broken_cache_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "features.npz"
    features._keep(cache, {"a": np.zeros(3, np.float16)}, "one net")
    assert set(features._known(cache, "one net")) == {"a"}
    cache.write_bytes(b"no numbers")
    with pytest.raises(DataError, match="delete it"):
        features._known(cache, "one net")


def test_what_another_net_has_read_is_read_again(tmp_path: Path) -> None:
    cache = tmp_path / "features.npz"
    features._keep(cache, {"a": np.zeros(3, np.float16)}, "float16")
    assert not features._known(cache, "int8")


def test_integers_of_the_gate_are_calibrated_by_every_kind(tmp_path: Path) -> None:
    labels, kinds = ("brain_mri", "blood_smear", "other"), ("brain_mri", "blood_smear", "ct_head")
    examples = []
    for i in range(60):
        path = tmp_path / f"{i}.png"
        Image.fromarray(np.full((120, 120, 3), 4 * i, np.uint8)).save(path)
        examples.append(Example(path, labels[i % 3], "train", f"place {i % 3}", str(i), detail=kinds[i % 3]))
    tensors = features.calibration(examples, Input(side=32, channels=3, normalisation="none"))
    known = {item.kind for item in features.items(examples)}
    assert tensors.shape[1:] == (32, 32, 3)
    assert len(known) < len(tensors) <= features.OF_A_KIND * len(known)
    assert tensors.std((1, 2, 3)).max() > 0.1  # drawings, too


def test_no_source_gives_more_than_its_share_of_pictures(tmp_path: Path) -> None:
    many = [Example(tmp_path / f"{i}.jpg", "brain_mri", "train", "cheng", str(i)) for i in range(2 * features.MOST)]
    few = [Example(tmp_path / "x.jpg", "brain_mri", "val", "web", "x")]
    assert len(features.chosen([*many, *few])) == features.MOST


@pytest.mark.parametrize(("count", "drawn"), [(30, 30 + 30 + 20), (6000, 15 * 100 + 320 + 60)])
def test_what_is_drawn_does_not_drown_a_small_set(tmp_path: Path, count: int, drawn: int) -> None:
    labels = ("brain_mri", "blood_smear", "other")
    examples = [Example(tmp_path / f"{i}.jpg", labels[i % 3], "train", f"place {i % 40}", str(i)) for i in range(count)]
    places = [item.place for item in features.items(examples)]
    assert sum(place in ("drawing", "drawn_other", "drawn_cells", "screen_photo") for place in places) == drawn


@pytest.mark.parametrize("kind", flat.KINDS)
def test_training_drawings_come_in_many_sizes_and_colours(kind: str) -> None:
    rng = np.random.default_rng(1)
    drawn = [flat.draw(kind, rng) for _ in range(6)]
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in drawn)
    assert len({picture.shape for picture in drawn}) > 2


def test_a_hundred_drawings_are_kept_for_the_test_alone() -> None:
    drawn = list(unseen.draw_all())
    again = list(unseen.draw_all())
    assert len(drawn) >= 100
    assert all(np.array_equal(one[1], two[1]) for one, two in zip(drawn, again, strict=True))
    assert min(min(Image.fromarray(picture).size) for _, picture in drawn) >= 48


@pytest.mark.parametrize("draw", dict.fromkeys(more_outliers.KINDS))
def test_every_drawing_is_a_picture_and_never_repeats(draw: object) -> None:
    assert callable(draw)
    rng = np.random.default_rng(2)
    nothing = np.zeros((1, 64, 64, 3), np.uint8)
    one, other = (draw(rng, 64, nothing) for _ in range(2))
    assert one.shape == (64, 64, 3)
    assert one.dtype == np.uint8
    assert not np.array_equal(one, other)


def test_every_drawn_picture_has_its_reason_or_none() -> None:
    names = outliers.groups(100)
    assert set(names) == {"photo_or_page", "other_cells", "other_medical", "photo_of_screen", ""}
    assert outliers.groups(7) == names[:7]


@pytest.mark.parametrize("kind", ood_kinds.KINDS)
def test_kind_drawn_for_test_is_repeatable_and_varied(kind: str) -> None:
    first, again = ood_kinds.draw(kind, 3), ood_kinds.draw(kind, 3)
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in first)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])
    assert min(float(picture.std()) for picture in first) > 5


def test_no_kind_of_the_test_is_drawn_for_training() -> None:
    trained = {draw.__name__.strip("_") for draw in (*more_outliers.KINDS, *(kind for kind, _ in outliers._kinds()))}
    assert not (trained | set(flat.KINDS)) & {*ood_kinds.KINDS, *unseen.KINDS}
