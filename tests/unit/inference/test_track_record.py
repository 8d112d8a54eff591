"""What tests showed of a model: at an even base, with its interval, and nothing of few pictures."""

import pytest

from inference.card import ModelCard, ScoreBin
from inference.registry import check_models
from inference.track_record import of_bin, scored_alike, training_pictures, verdict_rates

_, MODELS = check_models()


def card(**changes: object) -> ModelCard:
    return MODELS["brain_mri"].card.model_copy(update=changes)


def probabilities(glioma: float, meningioma: float, pituitary: float, no_tumor: float) -> dict[str, float]:
    said = {"glioma": glioma, "meningioma": meningioma, "pituitary": pituitary, "no_tumor": no_tumor}
    return dict.fromkeys(MODELS["brain_mri"].card.class_names, 0.0) | said


def share(scores: dict[str, float], of: ModelCard) -> float:
    rate = scored_alike(scores, of)
    assert rate is not None
    assert rate.low < rate.share < rate.high
    return rate.share


def test_pictures_scored_alike_are_told_at_an_even_base() -> None:
    bins = (ScoreBin(low=0, high=0.5, pictures=60, tumors=0), ScoreBin(low=0.5, high=1, pictures=400, tumors=360))
    told = card(reliability=bins)
    ill, healthy = (0 + 0.5) / (360 + 1), (60 + 0.5) / (100 + 1)
    assert share(probabilities(0.1, 0.1, 0.1, 0.7), told) == pytest.approx(ill / (ill + healthy))
    ill, healthy = (360 + 0.5) / (360 + 1), (40 + 0.5) / (100 + 1)  # 9 of 10 in the set, but 7 of 10 at an even base
    assert share(probabilities(0.2, 0.2, 0.1, 0.5), told) == pytest.approx(ill / (ill + healthy))
    assert share(probabilities(1, 0, 0, 0), told) == pytest.approx(ill / (ill + healthy))


def test_nothing_is_told_of_fewer_than_fifty_pictures() -> None:
    bins = (ScoreBin(low=0, high=0.5, pictures=49, tumors=0), ScoreBin(low=0.5, high=1, pictures=50, tumors=45))
    told = card(reliability=bins)
    assert scored_alike(probabilities(0.1, 0.1, 0.1, 0.7), told) is None
    assert scored_alike(probabilities(1, 0, 0, 0), told) is not None
    assert scored_alike(probabilities(1, 0, 0, 0), card(reliability=())) is None


def test_ten_times_as_many_pictures_make_the_interval_narrower() -> None:
    def width(times: int) -> float:
        bins = tuple(
            ScoreBin(low=low, high=low + 0.5, pictures=100 * times, tumors=ill * times)
            for low, ill in ((0, 20), (0.5, 80))
        )
        rate = of_bin(card(reliability=bins), 1)
        assert rate is not None
        return rate.high - rate.low

    assert width(10) < width(1) / 2.5


@pytest.mark.parametrize("organ", MODELS)
def test_what_people_were_told_sums_up(organ: str) -> None:
    for with_finding in (True, False):
        row = verdict_rates(MODELS[organ].card, with_finding=with_finding)
        assert row is not None
        assert row.signs.share + row.no_signs.share + row.not_sure.share == pytest.approx(1, abs=1e-3)


def test_what_nobody_measured_is_not_told() -> None:
    assert verdict_rates(card(figures={}), with_finding=True) is None


@pytest.mark.parametrize("organ", MODELS)
def test_what_a_model_learned_from_adds_up(organ: str) -> None:
    card = MODELS[organ].card
    known = training_pictures(card)
    assert known.pictures == sum(row["pictures"] for row in card.trained_on)
    assert 0 < known.with_finding < known.pictures
    assert sum(known.kinds.values()) in (0, known.with_finding)


def test_both_kinds_of_leukaemia_are_counted() -> None:
    assert set(training_pictures(MODELS["blood_smear"].card).kinds) == {"all", "aml"}
