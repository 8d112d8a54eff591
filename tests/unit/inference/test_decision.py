"""One answer, and an honest "not sure" whenever the figures allow two."""

import math
from pathlib import Path

import numpy as np
import pytest

from inference.analysis import Reason, Verdict
from inference.card import ModelCard, ModelClass, OperatingPoints, load_card
from inference.decision import decide, likeliest_tumor, other_finding, prediction_set, probabilities_of
from inference.registry import check_models

_, EXPERTS = check_models()
BRAIN = next(entry.card for organ, entry in EXPERTS.items() if organ == "brain_mri")


KINDS = (
    ModelClass(name="glioma", words="glioma", role="tumor"),
    ModelClass(name="meningioma", words="meningioma", role="tumor"),
    ModelClass(name="pituitary", words="pituitary tumour", role="tumor"),
    ModelClass(name="no_tumor", words="no tumour", role="clear"),
)
FINDING = ModelClass(name="other_finding", words="something else", role="finding")


def card(positive: float = 0.7, negative: float = 0.2, quantile: float = 0.8) -> ModelCard:
    return BRAIN.model_copy(
        update={
            "operating_points": OperatingPoints(positive=positive, negative=negative),
            "conformal": dict.fromkeys([*(c.name for c in KINDS), FINDING.name], quantile),
            "classes": KINDS,
            "role_conformal": {},
            "temperature": 1.0,
            "max_tta_disagreement": ModelCard.model_fields["max_tta_disagreement"].default,
        }
    )


def probabilities(glioma: float, meningioma: float, pituitary: float, no_tumor: float) -> dict[str, float]:
    return {"glioma": glioma, "meningioma": meningioma, "pituitary": pituitary, "no_tumor": no_tumor}


def test_probabilities_sum_to_one_and_soften_with_temperature() -> None:
    logits = np.array([2.0, 1.0, 0.0, -1.0], np.float32)
    sharp = probabilities_of(logits, card())
    soft = probabilities_of(logits, card().model_copy(update={"temperature": 2.0}))
    assert math.isclose(sum(sharp.values()), 1)
    assert math.isclose(sharp["glioma"] / sharp["meningioma"], math.e, rel_tol=1e-6)
    assert math.isclose(soft["glioma"] / soft["meningioma"], math.exp(0.5), rel_tol=1e-6)


def test_huge_logits_do_not_overflow() -> None:
    said = probabilities_of(np.array([4000, 0, 0, -4000], np.float32), card())
    assert said["glioma"] == 1.0


def test_prediction_set_holds_every_class_not_ruled_out() -> None:
    assert prediction_set(probabilities(0.5, 0.3, 0.15, 0.05), card(quantile=0.8)) == ("glioma", "meningioma")


def test_a_class_without_a_quantile_is_never_ruled_out() -> None:
    bare = card().model_copy(update={"conformal": {}})
    assert len(prediction_set(probabilities(1, 0, 0, 0), bare)) == 4


@pytest.mark.parametrize(
    ("said", "verdict", "label"),
    [
        (probabilities(0.90, 0.05, 0.03, 0.02), Verdict.TUMOR_SIGNS, "glioma"),
        (probabilities(0.40, 0.35, 0.24, 0.01), Verdict.TUMOR_SIGNS, "glioma"),  # any tumour counts, not one alone
        (probabilities(0.02, 0.02, 0.02, 0.94), Verdict.NO_TUMOR_SIGNS, "no_tumor"),
        (probabilities(0.45, 0.05, 0.05, 0.45), Verdict.NOT_SURE, "glioma"),  # both kinds possible
        (
            probabilities(0.60, 0.05, 0.05, 0.30),
            Verdict.NOT_SURE,
            "glioma",
        ),  # above the point, yet "none" not ruled out
    ],
)
def test_the_verdict_follows_the_operating_points_and_the_set(
    said: dict[str, float], verdict: Verdict, label: str
) -> None:
    judgement = decide(said, card())
    assert (judgement.verdict, judgement.label) == (verdict, label)
    assert judgement.confidence == said[label]
    assert judgement.reason == (Reason.UNDECIDED if verdict is Verdict.NOT_SURE else Reason.READ)


def test_between_the_operating_points_nobody_is_sure() -> None:
    strict = card(positive=0.99, negative=0.01)
    assert decide(probabilities(0.90, 0.05, 0.03, 0.02), strict).verdict is Verdict.NOT_SURE
    assert decide(probabilities(0.01, 0.01, 0.01, 0.97), strict).verdict is Verdict.NOT_SURE


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (probabilities(0.90, 0.05, 0.03, 0.02), Verdict.TUMOR_SIGNS),
        (probabilities(0.01, 0.01, 0.01, 0.97), Verdict.NO_TUMOR_SIGNS),
    ],
)
def test_views_that_disagree_allow_neither_answer(said: dict[str, float], verdict: Verdict) -> None:
    strict = card().model_copy(update={"max_tta_disagreement": 0.3})
    assert decide(said, strict, tta_disagreement=0.31).verdict is Verdict.NOT_SURE
    assert decide(said, strict, tta_disagreement=0.30).verdict is verdict


def test_a_score_on_the_point_itself_is_told() -> None:
    exact = card(positive=0.875, negative=0.125)
    assert decide(probabilities(0.875, 0, 0, 0.125), exact).verdict is Verdict.TUMOR_SIGNS
    assert decide(probabilities(0.125, 0, 0, 0.875), exact).verdict is Verdict.NO_TUMOR_SIGNS


def test_logits_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        probabilities_of(np.zeros(3, np.float32), card())


def test_class_on_its_quantile_is_still_possible() -> None:
    halves = probabilities(0.5, 0.25, 0.25, 0.0)
    assert prediction_set(halves, card(quantile=0.5)) == ("glioma",)
    assert prediction_set(halves, card(quantile=0.75)) == ("glioma", "meningioma", "pituitary")


def test_role_on_its_quantile_is_still_possible() -> None:
    told = card().model_copy(update={"role_conformal": {"tumor": 0.75, "clear": 0.75}})
    assert decide(probabilities(0.75, 0, 0, 0.25), told).verdict is Verdict.NOT_SURE
    assert decide(probabilities(0.8125, 0, 0, 0.1875), told).verdict is Verdict.TUMOR_SIGNS


def test_pictures_seen_once_disagree_with_nothing() -> None:
    never = card().model_copy(update={"max_tta_disagreement": 0.0})
    assert decide(probabilities(0.90, 0.05, 0.03, 0.02), never).verdict is Verdict.TUMOR_SIGNS


def test_share_of_findings_leaves_tumors_out_of_account() -> None:
    told = card().model_copy(update={"classes": (*KINDS, FINDING)})
    assert other_finding(unusual(0.5, 0.125, 0.375), told) == 0.25
    assert other_finding(unusual(0.0, 0.25, 0.75), told) == 0.25


def test_finding_exactly_on_its_point_is_no_obstacle() -> None:
    points = card().operating_points.model_copy(update={"finding": 0.25})
    told = card().model_copy(update={"classes": (*KINDS, FINDING), "operating_points": points})
    assert decide(unusual(0.0, 0.25, 0.75), told).verdict is Verdict.NO_TUMOR_SIGNS
    assert decide(unusual(0.0, 0.3125, 0.6875), told).reason is Reason.UNUSUAL_FINDING


def test_the_set_names_the_likeliest_class_first() -> None:
    assert prediction_set(probabilities(0.25, 0.45, 0.3, 0.0), card(quantile=0.8)) == (
        "meningioma",
        "pituitary",
        "glioma",
    )


def test_card_without_views_reads_once_and_never_disagrees() -> None:
    assert (ModelCard.model_fields["views"].default, ModelCard.model_fields["max_tta_disagreement"].default) == (
        ("plain",),
        1.0,
    )
    assert decide(probabilities(0.90, 0.05, 0.03, 0.02), card(), tta_disagreement=1.0).verdict is Verdict.TUMOR_SIGNS


def test_an_empty_set_is_not_sure() -> None:
    nothing_is_possible = probabilities(0.4, 0.3, 0.2, 0.1), card(quantile=0.1)
    assert prediction_set(*nothing_is_possible) == ()
    assert decide(*nothing_is_possible).verdict is Verdict.NOT_SURE


def test_what_an_answer_names_never_counts_as_unlikely() -> None:
    # Each class has a quantile of its own, so the likeliest one may be ruled out while a less likely one is not.
    strict = card().model_copy(
        update={"role_conformal": {"tumor": 0.8, "clear": 0.8}, "conformal": {"meningioma": 0.4, "no_tumor": 0.4}}
    )
    judgement = decide(probabilities(0.41, 0.5, 0.08, 0.01), strict)
    assert (judgement.verdict, judgement.label) == (Verdict.TUMOR_SIGNS, "meningioma")
    assert judgement.prediction_set == ("meningioma", "glioma", "pituitary")


def unusual(glioma: float, finding: float, no_tumor: float) -> dict[str, float]:
    return {"glioma": glioma, "meningioma": 0.0, "pituitary": 0.0, "no_tumor": no_tumor, "other_finding": finding}


@pytest.mark.parametrize(
    ("said", "verdict", "reason", "label"),
    [
        (unusual(0.04, 0.92, 0.04), Verdict.NOT_SURE, Reason.UNUSUAL_FINDING, "other_finding"),
        (unusual(0.02, 0.52, 0.46), Verdict.NOT_SURE, Reason.UNUSUAL_FINDING, "other_finding"),
        (unusual(0.02, 0.30, 0.68), Verdict.NOT_SURE, Reason.UNUSUAL_FINDING, "other_finding"),  # nothing else is
        (unusual(0.60, 0.38, 0.02), Verdict.NOT_SURE, Reason.UNDECIDED, "glioma"),
        (unusual(0.90, 0.08, 0.02), Verdict.TUMOR_SIGNS, Reason.READ, "glioma"),
        (unusual(0.02, 0.08, 0.90), Verdict.NO_TUMOR_SIGNS, Reason.READ, "no_tumor"),
        (unusual(0.05, 0.17, 0.78), Verdict.NO_TUMOR_SIGNS, Reason.READ, "no_tumor"),
        (unusual(0.22, 0.10, 0.68), Verdict.NOT_SURE, Reason.UNDECIDED, "no_tumor"),
    ],
)
def test_something_unusual_is_neither_signs_nor_none(
    said: dict[str, float], verdict: Verdict, reason: Reason, label: str
) -> None:
    points = card().operating_points.model_copy(update={"finding": 0.25})
    judgement = decide(said, card().model_copy(update={"classes": (*KINDS, FINDING), "operating_points": points}))
    assert (judgement.verdict, judgement.reason, judgement.label) == (verdict, reason, label)


def test_roles_are_ruled_out_by_quantiles_of_their_own() -> None:
    # No class can be ruled out by itself: each quantile is 1.
    told = card(quantile=1.0).model_copy(update={"classes": (*KINDS, FINDING)})
    assert decide(unusual(0.02, 0.05, 0.93), told).verdict is Verdict.NOT_SURE
    by_role = told.model_copy(update={"role_conformal": {"tumor": 0.9, "clear": 0.8}})
    assert decide(unusual(0.02, 0.05, 0.93), by_role).verdict is Verdict.NO_TUMOR_SIGNS
    assert decide(unusual(0.15, 0.05, 0.80), by_role).verdict is Verdict.NOT_SURE  # the tumour is still possible
    assert decide(unusual(0.90, 0.05, 0.05), by_role).verdict is Verdict.TUMOR_SIGNS
    assert decide(unusual(0.75, 0.00, 0.25), by_role).verdict is Verdict.NOT_SURE  # nothing at all still is


def test_a_card_without_findings_never_sees_one() -> None:
    assert other_finding(probabilities(0.2, 0.0, 0.0, 0.8), card()) == 0.0
    assert other_finding(unusual(1.0, 0.0, 0.0), card().model_copy(update={"classes": (*KINDS, FINDING)})) == 0.0


def test_shown_map_is_always_a_tumour_class() -> None:
    assert likeliest_tumor(probabilities(0.1, 0.2, 0.05, 0.65), card()) == "meningioma"


def test_the_shipped_cards_are_whole(shipped: Path) -> None:
    for folder in shipped.glob("*/card.json"):
        loaded = load_card(folder.parent)
        assert set(loaded.conformal) == set(loaded.class_names)
        assert loaded.operating_points.negative <= loaded.operating_points.positive
        assert {"model.tflite", "weights.npz"} <= set(loaded.sha256)


@pytest.fixture
def shipped() -> Path:
    gate, _ = check_models()
    return gate.folder.parent
