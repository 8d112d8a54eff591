"""Slices become one answer: it rests on neighbours that agree about a place, and not on how many slices there are."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from inference.analyser import Analyser
from inference.analysis import PictureError, Reason, Verdict
from inference.card import MODELS_DIR, ModelCard, StudyRule, load_card
from inference.decision import decide
from inference.decode.imaging import decode
from inference.study.case import CaseVerdict, SeriesFindings, close, decide_case, needed
from inference.study.opening import open_study
from inference.study.slice_analysis import analyse_slice
from inference.study.study import Kind, SetAside, Slice, SliceFinding
from tests import pictures, studies

HERE, THERE = (0.3, 0.4), (0.7, 0.6)
QUIET, LOUD = 0.01, 0.99


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return load_card(MODELS_DIR / "brain_mri")


def finding(card: ModelCard, score: float, place: tuple[float, float] = HERE) -> SliceFinding:
    free = [c.name for c in card.classes if c.role == "clear"]
    ill = [c.name for c in card.classes if c.tumor]
    probabilities = dict.fromkeys(card.class_names, 0.0) | {free[0]: 1 - score, ill[0]: score}
    answer = decide(probabilities, card)
    return SliceFinding(
        "brain_mri", answer.reason, answer.verdict, probabilities, score, 0.0, place, None, None, b"", b"", 256, 256
    )


def refused(card: ModelCard) -> SliceFinding:
    return dataclasses.replace(finding(card, 0), organ=None, reason=Reason.PHOTO_OR_PAGE, verdict=Verdict.NOT_READABLE)


def answer(
    card: ModelCard, *series: Sequence[SliceFinding], spacing: float | None = None, **rule: object
) -> CaseVerdict:
    used = card.model_copy(update={"study": StudyRule.model_validate({**card.study.model_dump(), **rule})})
    return decide_case([SeriesFindings(tuple(one), spacing=spacing) for one in series], {"brain_mri": used})


def head(card: ModelCard, slices: int, loud: Sequence[int], *, scattered: bool = False) -> list[SliceFinding]:
    places = [THERE if scattered and i % 2 else HERE for i in range(slices)]
    return [finding(card, LOUD if i in loud else QUIET, places[i]) for i in range(slices)]


def test_neighbours_that_agree_about_a_place_are_signs(card: ModelCard) -> None:
    told = answer(card, head(card, 20, [7, 8, 9]), spacing=6.0)
    assert (told.verdict, told.agreeing, told.alone, told.judged) == (Verdict.TUMOR_SIGNS, (7, 8, 9), 0, 20)
    assert told.best in told.agreeing
    assert told.probabilities[told.label] == told.confidence > 0.9


def test_neighbours_at_different_places_are_no_signs(card: ModelCard) -> None:
    told = answer(card, head(card, 20, [7, 8, 9], scattered=True), spacing=6.0)
    assert (told.verdict, told.agreeing, told.alone) == (Verdict.NOT_SURE, (), 3)


def test_one_loud_slice_alone_is_doubt(card: ModelCard) -> None:
    told = answer(card, head(card, 20, [7]), spacing=6.0)
    assert (told.verdict, told.agreeing, told.alone) == (Verdict.NOT_SURE, (), 1)


def test_a_quiet_head_shows_no_signs(card: ModelCard) -> None:
    assert answer(card, head(card, 20, [])).verdict is Verdict.NO_TUMOR_SIGNS


@pytest.mark.parametrize("slices", [10, 20, 50, 150, 400])
def test_more_slices_of_the_same_head_change_no_answer(card: ModelCard, slices: int) -> None:
    lesion = range(int(0.4 * slices), int(0.6 * slices))
    assert answer(card, head(card, slices, list(lesion))).verdict is Verdict.TUMOR_SIGNS
    assert answer(card, head(card, slices, [])).verdict is Verdict.NO_TUMOR_SIGNS


def test_false_alarms_do_not_grow_with_slice_count(card: ModelCard) -> None:
    random = np.random.default_rng(0)
    alarms = {}
    for slices in (20, 60, 180):
        told = []
        for _ in range(60):
            loud = np.flatnonzero(random.random(slices) < 0.05).tolist()
            places = random.random((slices, 2))
            told.append(
                answer(card, [finding(card, LOUD if i in loud else QUIET, tuple(places[i])) for i in range(slices)])
            )
        alarms[slices] = sum(one.verdict is Verdict.TUMOR_SIGNS for one in told) / 60
    assert alarms[180] <= alarms[20] <= 0.05


def test_thinner_slices_need_more_that_agree() -> None:
    rule = StudyRule()
    assert [needed(rule, 200, spacing) for spacing in (6.0, 4.0, 2.0, 1.0, 0.5)] == [2, 2, 4, 8, 8]
    assert [needed(rule, slices, None) for slices in (1, 2, 20, 60, 150, 400)] == [1, 2, 2, 4, 8, 8]


def test_lone_slices_are_tolerated_by_their_share(card: ModelCard) -> None:
    assert answer(card, head(card, 100, [10, 50])).verdict is Verdict.NO_TUMOR_SIGNS
    assert answer(card, head(card, 100, [10, 50, 90])).verdict is Verdict.NOT_SURE


def test_one_series_of_many_is_not_enough_for_signs(card: ModelCard) -> None:
    ill, well = head(card, 20, [7, 8, 9]), head(card, 20, [])
    assert answer(card, ill, well, well).verdict is Verdict.TUMOR_SIGNS
    told = answer(card, well, ill, well, well)
    assert (told.verdict, told.series_with_signs, told.series_judged) == (Verdict.NOT_SURE, 1, 4)
    assert told.series == 1


def test_two_slice_series_says_nothing_beside_whole_one(card: ModelCard) -> None:
    told = answer(card, head(card, 20, []), head(card, 2, [0, 1]))
    assert (told.verdict, told.series_judged, told.judged) == (Verdict.NO_TUMOR_SIGNS, 1, 20)


def test_slices_that_the_gate_refused_are_passed_over(card: ModelCard) -> None:
    found = head(card, 20, [7, 9])
    found[8] = refused(card)
    told = answer(card, found, spacing=6.0)
    assert (told.verdict, told.agreeing, told.judged) == (Verdict.TUMOR_SIGNS, (7, 9), 19)


def test_too_few_slices_are_refused_with_commonest_reason(card: ModelCard) -> None:
    with pytest.raises(PictureError) as error:
        answer(card, [finding(card, LOUD), *[refused(card)] * 9])
    assert error.value.reason is Reason.PHOTO_OR_PAGE


def test_pictures_without_an_order_agree_by_their_share(card: ModelCard) -> None:
    fields = [finding(card, LOUD if i % 2 else QUIET, (0.1 * i, 0.5)) for i in range(9)]
    assert answer(card, fields, ordered=False).verdict is Verdict.TUMOR_SIGNS
    assert answer(card, [*fields[:2], *[finding(card, QUIET)] * 7], ordered=False).verdict is not Verdict.TUMOR_SIGNS


def test_a_drawn_mass_is_found_where_it_was_drawn() -> None:
    analyser = Analyser.load()
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    volume = studies.head(12)
    study = open_study(studies.pack(studies.series_files(volume)))
    case = close(study, [analyse_slice(analyser, one) for one in study.slices], cards)
    drawn = {n for n in range(12) if 0.4 <= (n + 0.5) / 12 < 0.65}
    assert case.answer.verdict is Verdict.TUMOR_SIGNS
    assert set(case.answer.agreeing) & drawn
    assert case.kind is Kind.ZIP
    assert case.best.number - 1 in drawn
    x, y = case.best.finding.place
    assert abs(x - 0.66) < 0.15
    assert abs(y - 0.36) < 0.15


def test_non_scan_slices_are_counted_as_not_taken() -> None:
    analyser = Analyser.load()
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    study = open_study(studies.nifti(studies.head(6)))
    cat = Slice(decode(pictures.cat(256)).rgb.tobytes(), (256, 256, 3), 256, 256)
    findings = [analyse_slice(analyser, one) for one in (*study.slices[:5], cat)]
    assert close(study, findings, cards).set_aside == {SetAside.NOT_TAKEN: 1}
