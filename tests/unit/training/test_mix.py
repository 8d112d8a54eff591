"""Promises of how the parts of the brain's model are weighed against each other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.training.data.example import Example
from inference.training.fit import mix
from inference.training.fit.mix import Scores, Weights
from inference.training.recipes import BRAIN

NAMES = BRAIN.class_names


def drawn(count: int, knows: float, lesion: float, member: float) -> tuple[Scores, list[Example]]:
    """Scores that tell ``count`` pictures as well as the strengths say; a third is of a place left out.

    There the member knows nothing.
    """
    rng = np.random.default_rng(3)
    labels = rng.choice(len(NAMES), count)
    unseen = np.arange(count) % 3 == 0
    classes = rng.normal(0, 1, (count, len(NAMES)))
    classes[np.arange(count), labels] += knows
    known = [BRAIN.member_classes.index(NAMES[k]) if NAMES[k] in BRAIN.member_classes else 0 for k in labels]
    third = rng.normal(0, 1, (count, len(BRAIN.member_classes)))
    third[np.arange(count), known] += np.where(unseen, 0, member)
    spots = rng.normal(0, 1, count) + lesion * BRAIN.tumors[labels]
    examples = [
        Example(Path(f"{i}.png"), NAMES[k], "left_out" if away else "val", "elsewhere" if away else "cheng", str(i))
        for i, (k, away) in enumerate(zip(labels, unseen, strict=True))
    ]
    return Scores(classes, spots, third), examples


def test_parts_together_tell_more_than_class_maps_alone() -> None:
    scores, examples = drawn(900, 1.0, 2.0, 2.0)
    labels = np.array([NAMES.index(e.label) for e in examples])
    weights = mix.fit(BRAIN, scores, examples)

    def right(chosen: Weights) -> float:
        told = BRAIN.score(mix.softmax(mix.mixed(BRAIN, scores, chosen) / chosen.temperature)) >= 0.5
        return float((told == BRAIN.tumors[labels]).mean())

    assert right(weights) > right(Weights.of(BRAIN, 0.0, 0.0)) + 0.05


def test_member_that_adds_nothing_has_no_say() -> None:
    def asked(lesion: float, hint: float) -> float:
        scores, examples = drawn(900, 1.0, lesion, 0.0)
        ill = BRAIN.tumors[[NAMES.index(e.label) for e in examples]]
        member = scores.member + hint * np.where(ill[:, None], [1, 1, 1, -1], 0)
        return mix.fit(BRAIN, replace(scores, member=member), examples).member_any

    assert asked(2.0, 0.15) == 0
    assert asked(1.0, 2.0) > 0, "elsewhere it is heard"


def test_member_that_knows_kind_is_asked_for_it() -> None:
    scores, examples = drawn(900, 0.3, 2.0, 3.0)
    blind = Scores(scores.classes, scores.lesion, np.random.default_rng(0).normal(0, 1, scores.member.shape))

    assert mix.fit(BRAIN, scores, examples).member_kind > mix.fit(BRAIN, blind, examples).member_kind + 0.2


def test_member_weighs_kinds_without_raising_tumor_score() -> None:
    one = Weights(0.0, 2.0, 0.0, np.zeros(len(NAMES)), 1.0)
    scores = Scores(np.zeros((1, len(NAMES))), np.zeros(1), np.array([[3.0, 0.0, 0.0, -3.0]]))
    logits = mix.mixed(BRAIN, scores, one)[0]

    assert logits[:3].argmax() == 0
    assert logits[:3].sum() == pytest.approx(0)
    assert logits[3:] == pytest.approx([0, 0, 0])
    asked = mix.mixed(BRAIN, scores, replace(one, member_any=1.0))[0]
    assert asked[3] > 0 > asked[5]


def test_score_of_the_unusual_counts_against_clear_alone() -> None:
    scores = Scores(np.zeros((1, len(NAMES))), np.zeros(1), np.zeros((1, 0)), np.array([2.0]))
    logits = mix.mixed(BRAIN, scores, Weights.of(BRAIN, 0.5, 0.0, abnormal=0.5))[0]

    assert logits == pytest.approx([1, 1, 1, 1, 1, 0])


def test_abnormal_map_that_knows_findings_is_listened_to() -> None:
    scores, examples = drawn(900, 0.5, 1.0, 1.0)
    labels = np.array([NAMES.index(e.label) for e in examples])
    rng = np.random.default_rng(5)
    knowing, noise = (rng.normal(0, 1, 900) + shift * (labels != BRAIN.tumor_free) for shift in (3, 0))
    heard, ignored = (mix.fit(BRAIN, replace(scores, abnormal=each), examples) for each in (knowing, noise))

    assert heard.abnormal > ignored.abnormal + 0.2


def test_places_count_alike_unseen_ones_as_much_as_others() -> None:
    _, examples = drawn(90, 1, 1, 1)
    examples += [replace(e, source="btp", part="val") for e in examples[:10]]
    weights = mix.place_weights(examples)
    unseen = mix.unseen_places(examples)
    btp = np.array([e.source == "btp" for e in examples])

    assert weights.sum() == pytest.approx(1)
    assert weights[unseen].sum() == pytest.approx(0.5)
    assert weights[btp].sum() == pytest.approx(0.25)
