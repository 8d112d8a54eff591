"""The rule about studies is fitted on people: it learns how far a place may move, and never makes them worse off."""

import pytest

from inference.analysis import Verdict
from inference.card import MODELS_DIR, ModelCard, load_card
from inference.study.case import SeriesFindings
from inference.training.measure import study_rule
from tests.unit.inference.test_study_case import finding

ORGAN = "brain_mri"


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return load_card(MODELS_DIR / ORGAN)


def person(card: ModelCard, apart: float, loud: int) -> list[SeriesFindings]:
    """Five slices; ``loud`` of them beside one another, whose places are ``apart`` from one to the next."""
    places = [(0.2 + (apart if i % 2 else 0.0), 0.5) for i in range(5)]
    return [SeriesFindings(tuple(finding(card, 0.99 if i < loud else 0.01, places[i]) for i in range(5)))]


def test_the_distance_that_tells_people_apart_is_found(card: ModelCard) -> None:
    ill, well = person(card, 0.22, 2), person(card, 0.5, 2)
    cards = {ORGAN: card.model_copy(update={"study": card.study.model_copy(update={"distance": 0.1})})}
    tried = []
    fitted = study_rule.fit([(ill, True), (well, False)] * 3, cards, ORGAN, lambda: tried.append(1))
    assert 0.22 < fitted.rule.distance < 0.5
    assert fitted.worth > fitted.before
    assert fitted.people == (3, 3)
    assert len(tried) == 3 * 5 * 4 * 5
    told = {ORGAN: cards[ORGAN].model_copy(update={"study": fitted.rule})}
    assert study_rule.verdict(ill, told) is Verdict.TUMOR_SIGNS
    assert study_rule.verdict(well, told) is not Verdict.TUMOR_SIGNS


def test_rule_stays_unless_another_is_surely_better(card: ModelCard) -> None:
    quiet, sure = person(card, 0.0, 0), person(card, 0.0, 5)
    fitted = study_rule.fit([(sure, True), (quiet, False)], {ORGAN: card}, ORGAN, lambda: None)
    assert fitted.worth == fitted.best == 0.75
    assert fitted.rule == card.study
    strict = {ORGAN: card.model_copy(update={"study": card.study.model_copy(update={"distance": 0.1})})}
    moving = person(card, 0.15, 2)
    cases = [(moving, True), *[(sure, True)] * 30, (quiet, False)]
    fitted = study_rule.fit(cases, strict, ORGAN, lambda: None)
    assert fitted.best > fitted.before
    assert fitted.rule.distance == 0.1  # one person of many is no evidence


def test_people_of_one_kind_alone_fit_nothing(card: ModelCard) -> None:
    with pytest.raises(ValueError, match="with and without"):
        study_rule.fit([(person(card, 0.0, 5), True)], {ORGAN: card}, ORGAN, lambda: None)
