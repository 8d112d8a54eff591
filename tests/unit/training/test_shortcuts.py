"""Promises of the shortcut test, on drawn heads and numbers."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.card import MODELS_DIR, load_card
from inference.training.data.dataset import Arrays
from inference.training.data.example import Example
from inference.training.measure import shortcuts
from inference.training.recipes import BRAIN

SIDE = 96
FREE = BRAIN.tumor_free


def example(name: str, source: str, group: str = "", label: str = "glioma") -> Example:
    return Example(Path(name), label, "val", source, group or name)


def drawn(count: int) -> Arrays:
    """Heads [S, S] with a bright spot (source "here"), then as many without (source "there")."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    far = np.hypot(xs / 38, ys / 44)
    pictures, masks, examples = [], [], []
    for i in range(2 * count):
        level = 100 if i < count else 60
        picture = np.where(far < 0.9, level, np.where(far < 1, 200.0, 0)) + rng.normal(0, 3, far.shape) * (far < 1)
        mask = np.hypot(xs - 18, ys - rng.integers(-5, 5)) < 6 if i < count else np.zeros(far.shape, bool)
        pictures.append(np.where(mask, 240, picture).clip(0, 255).astype(np.uint8)[..., None])
        masks.append(mask * np.uint8(255))
        examples.append(
            example(f"{i}.png", "here" if i < count else "there", label="glioma" if i < count else "no_tumor")
        )
    labels = np.array([0] * count + [FREE] * count, np.int32)
    return Arrays(tuple(examples), np.stack(pictures), labels, np.stack(masks), labels != FREE)


def told(features: NDArray[np.float64], sources: list[str], groups: list[str]) -> float:
    return float(shortcuts.source_recognised(features, sources, groups)["balanced_accuracy"]["value"])


def test_source_is_told_only_when_features_name_it() -> None:
    rng = np.random.default_rng(0)
    sources = ["a", "b", "c"] * 40
    groups = [str(i) for i in range(120)]
    named = np.array([[s == "a", s == "b", s == "c"] for s in sources], float) + rng.normal(0, 0.1, (120, 3))
    found = shortcuts.source_recognised(named, sources, groups)

    assert found["balanced_accuracy"]["value"] > 0.95
    assert found["by_chance"] == 0.3333
    assert told(rng.normal(size=(120, 4)), sources, groups) < 0.5


def test_knowing_the_person_is_not_knowing_the_source() -> None:
    rng = np.random.default_rng(1)
    groups = [str(i // 12) for i in range(240)]
    sources = ["a" if int(g) % 2 else "b" for g in groups]
    people = np.eye(20)[[int(g) for g in groups]] + rng.normal(0, 0.01, (240, 20))

    assert told(people, sources, groups) < 0.75, "the folds must not split a person"


def test_small_sources_are_left_out_and_large_ones_sampled() -> None:
    many = [example(f"m{i}", "many") for i in range(300)]
    few = [example(f"f{i}", "few") for i in range(5)]
    one_person = [example(f"p{i}", "one person", "p") for i in range(50)]
    chosen = shortcuts.known_sources(many + few + one_person)

    assert {e.source for e in chosen} == {"many"}
    assert len(chosen) == shortcuts.MOST_PICTURES


def test_tumors_move_only_into_slices_of_other_places() -> None:
    arrays = drawn(8)
    indices, filled = shortcuts.tumors_taken_out(BRAIN, arrays)
    tumors, into, mixed = shortcuts.tumors_put_in(BRAIN, arrays)

    assert indices == list(range(8))
    assert all(picture[arrays.masks[i] > 0].max() < 140 for i, picture in zip(indices, filled, strict=True))
    assert tumors == list(range(8))
    assert all(arrays.examples[i].source == "there" for i in into)
    assert all(picture[arrays.masks[i] > 0].mean() > 225 for i, picture in zip(tumors, mixed, strict=True))


def test_shipped_model_gives_worded_figures_for_both_changes() -> None:
    folder = MODELS_DIR / "brain_mri"
    found = shortcuts.changed(BRAIN, load_card(folder), folder, drawn(4))

    for name in ("tumor_taken_out", "tumor_put_into_another_place"):
        assert found[name]["pictures"] == 4
        assert 0.5 <= found[name]["auc_before_against_after"]["value"] <= 1
    assert found["tumor_put_into_another_place"]["places"] == {"there": 4}
    text = shortcuts.lines({"source_from_features": {}} | found)
    assert len(text) == 2
    assert "4 pictures" in text[0]


def test_figures_of_other_weights_are_not_shown() -> None:
    found = {"weights": "abc", "source_from_features": {}}

    assert "## Shortcuts" in shortcuts.card_lines(found, "abc")
    assert shortcuts.card_lines(found, "def") == []
    assert shortcuts.card_lines(None, "abc") == []
