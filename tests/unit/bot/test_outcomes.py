"""How the models do in this place: counts, intervals, the card beside them, and drift."""

from datetime import UTC, datetime

import pytest

from bot.chat.texts import Texts
from bot.scan.outcome_words import outcome_lines
from bot.scan.outcomes import BY_THE_GATE, drifts, performances
from inference.analysis import Reason
from inference.card import GATE, MODELS_DIR, load_card
from inference.registry import check_models
from inference.track_record import mean_certainty, verdict_rates, wilson
from storage.outcomes import NOTHING, SOMETHING_ELSE, OutcomeCount
from storage.statistics import Tally

GATE_CARD = load_card(MODELS_DIR / GATE)
_, MODELS = check_models()
BRAIN = MODELS["brain_mri"].card
DIGEST = next(iter(BRAIN.sha256.values()))
TODAY = datetime.now(UTC).date()
english = Texts.load()


def outcome(verdict: str, label: str, found: str, count: int, digest: str = DIGEST) -> OutcomeCount:
    return OutcomeCount("brain_mri", BRAIN.version, digest, verdict, label, found, count)


def verdicts(signs: int, none: int, unsure: int, sure: float, organ: str = "brain_mri") -> list[Tally]:
    counts = {"tumor_signs": signs, "no_tumor_signs": none, "not_sure": unsure}
    return [Tally(TODAY, "verdict", organ, name, count, count * sure) for name, count in counts.items()]


def refusals(reason: str, count: int) -> Tally:
    return Tally(TODAY, "refusal", "", reason, count, 0.0)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval_is_that_of_the_books(hits: int, of: int, low: float, high: float) -> None:
    """The last one is Newcombe's example (Statistics in Medicine 17, 1998)."""
    rate = wilson(hits, of)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert rate.share == hits / of


def test_not_sure_and_something_else_are_counted_apart() -> None:
    counts = [
        outcome("tumor_signs", "glioma", "glioma", 6),
        outcome("tumor_signs", "meningioma", "glioma", 2),
        outcome("not_sure", "glioma", "meningioma", 1),
        outcome("no_tumor_signs", "no_tumor", "glioma", 1),
        outcome("no_tumor_signs", "no_tumor", NOTHING, 3),
        outcome("not_sure", "glioma", NOTHING, 1),
        outcome("tumor_signs", "glioma", SOMETHING_ELSE, 1),
        outcome("no_tumor_signs", "no_tumor", SOMETHING_ELSE, 1),
    ]
    [found] = performances(counts, MODELS.values())
    assert (found.sensitivity.hits, found.sensitivity.of) == (8, 10)
    assert (found.specificity.hits, found.specificity.of) == (3, 4)
    assert (found.kind.hits, found.kind.of) == (6, 8)
    assert (found.something_else, found.something_else_told_signs) == (2, 1)
    ill, well = verdict_rates(BRAIN, with_finding=True), verdict_rates(BRAIN, with_finding=False)
    assert ill is not None
    assert well is not None
    assert (found.sensitivity.card, found.specificity.card) == (ill.signs, well.no_signs)


def test_another_models_outcomes_are_not_put_beside_this_card() -> None:
    [found] = performances([outcome("tumor_signs", "glioma", "glioma", 5, "f" * 64)], MODELS.values())
    assert found.sensitivity.card is None
    lines = outcome_lines([found], [], english)
    assert any("The card says nothing of that." in line for line in lines)


def test_the_figures_are_told_with_intervals_beside_the_card() -> None:
    [found] = performances(
        [outcome("tumor_signs", "glioma", "glioma", 8), outcome("not_sure", "glioma", "glioma", 2)], MODELS.values()
    )
    text = "\n".join(outcome_lines([found], [], english))
    assert "8 of 10 were told signs. That is 80% (49% to 94%)." in text
    card = verdict_rates(BRAIN, with_finding=True)
    assert card is not None
    share, low, high = (f"{round(100 * number)}%" for number in (card.signs.share, card.signs.low, card.signs.high))
    assert f"The card says {share} ({low} to {high})." in text
    assert outcome_lines([], [], english) == ["Nobody has told yet what a doctor found."]


def test_what_is_as_the_card_says_is_no_drift() -> None:
    expected = mean_certainty(BRAIN)
    assert expected is not None
    usual = verdicts(60, 30, 10, sum(expected) / 2)
    assert drifts([*usual, refusals("not_a_scan", 5)], MODELS, GATE_CARD) == ()


def test_more_not_sure_than_the_card_is_drift() -> None:
    [drift] = drifts(verdicts(5, 5, 90, 0.9), MODELS, GATE_CARD)
    assert (drift.what, drift.organ, drift.here.share) == ("not_sure", "brain_mri", 0.9)
    assert "90%" in outcome_lines([], [drift], english)[-1]


def test_less_sure_scores_than_the_card_are_drift() -> None:
    [drift] = drifts(verdicts(120, 60, 20, 0.65), MODELS, GATE_CARD)
    assert (drift.what, round(drift.here.share, 6)) == ("certainty", 0.65)


def test_more_gate_refusals_than_the_card_says_are_drift() -> None:
    usual = verdicts(60, 30, 10, 0.92)
    [drift] = drifts([*usual, refusals("not_a_scan", 80), refusals("unknown_format", 900)], MODELS, GATE_CARD)
    assert (drift.what, round(drift.here.share, 3)) == ("refused", round(80 / 180, 3))
    assert drifts([*usual, refusals("unknown_format", 900)], MODELS, GATE_CARD) == ()


def test_few_pictures_say_nothing_of_drift() -> None:
    assert drifts(verdicts(0, 0, 49, 0.5), MODELS, GATE_CARD) == ()


def test_the_reasons_of_the_gate_are_reasons() -> None:
    assert {Reason(name).value for name in BY_THE_GATE} == BY_THE_GATE
