"""Fits the rule by which slices of one person become one answer, on people who took no part in the training.

What is fitted is what such people can tell apart: how many neighbours have to agree, how far the hottest place may move
from one to the next, which share of the series has to show signs, and how many slices may stand out alone. Millimetres
are not: the collections tell no distance between slices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Verdict
from inference.card import ModelCard, StudyRule
from inference.study.case import SeriesFindings, judge_case

GRID: Final[Mapping[str, tuple[float, ...]]] = {
    "least": (1, 2, 3),
    "distance": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6),
    "series_share": (0.2, 0.33, 0.5, 0.7),
    "lone_share": (0.0, 0.02, 0.05, 0.1, 0.2),
}
WORTH: Final[Mapping[bool, Mapping[Verdict | None, float]]] = {
    True: {Verdict.TUMOR_SIGNS: 1.0, Verdict.NO_TUMOR_SIGNS: -2.0},
    False: {Verdict.TUMOR_SIGNS: -2.0, Verdict.NO_TUMOR_SIGNS: 1.0},
}
"""What an answer is worth to somebody with a tumour (True) and without: a wrong one costs twice what a right one gains,
"not sure" neither. Both kinds of people count alike, however many there are."""

Case = tuple[Sequence[SeriesFindings], bool]
"""The judged slices of one person, and whether there is a tumour."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rule, and what it is worth on the people it was fitted on."""

    rule: StudyRule
    worth: float
    before: float
    """What the rule that the card had is worth on them."""
    people: tuple[int, int]
    """With a tumour, and without."""


def fit(cases: Sequence[Case], cards: Mapping[str, ModelCard], organ: str, bar: Callable[[], None]) -> Fitted:
    """Try every combination of ``GRID``; of the best, take the one whose neighbours in the grid are best as well.

    Raises ValueError unless there are people of both kinds.
    """
    counts = sum(is_ill for _, is_ill in cases), sum(not is_ill for _, is_ill in cases)
    if not all(counts):
        raise ValueError("people with and without a tumour are needed to fit a rule")
    present = cards[organ].study
    worth = np.full([len(values) for values in GRID.values()], -np.inf)
    for place in np.ndindex(*worth.shape):
        worth[place] = worth_of(cases, cards, organ, _rule(present, place))
        bar()
    smooth = _with_neighbours(worth)
    best = np.argwhere(worth >= worth.max() - 1e-9)
    # Of those that are as good with their neighbours, the one nearest to the middle of the grid.
    middle = (np.array(worth.shape) - 1) / 2
    chosen = max(best, key=lambda place: (round(smooth[tuple(place)], 9), -float(np.abs(place - middle).sum())))
    rule = _rule(present, tuple(int(i) for i in chosen))
    return Fitted(rule, float(worth.max()), worth_of(cases, cards, organ, present), counts)


def worth_of(cases: Sequence[Case], cards: Mapping[str, ModelCard], organ: str, rule: StudyRule) -> float:
    """What a rule is worth: the mean over both kinds of people of the mean of their answers."""
    changed = {**cards, organ: cards[organ].model_copy(update={"study": rule})}
    by_kind: dict[bool, list[float]] = {True: [], False: []}
    for series, is_ill in cases:
        by_kind[is_ill].append(WORTH[is_ill].get(verdict(series, changed), 0.0))
    return float(np.mean([np.mean(values) for values in by_kind.values() if values]))


def verdict(series: Sequence[SeriesFindings], cards: Mapping[str, ModelCard]) -> Verdict | None:
    """The answer about one person; None when the slices are refused."""
    try:
        return judge_case(series, cards).verdict
    except PictureError:
        return None


def _rule(present: StudyRule, place: Sequence[int]) -> StudyRule:
    values: dict[str, Any] = {name: options[i] for (name, options), i in zip(GRID.items(), place, strict=True)}
    return present.model_copy(update=values | {"most": max(present.most, int(values["least"]))})


def _with_neighbours(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over each place and those beside it."""
    padded = np.pad(worth, 1, constant_values=np.nan)
    shifted = [
        padded[tuple(slice(1 + d, 1 + d + n) for d, n in zip(step, worth.shape, strict=True))]
        for step in product((-1, 0, 1), repeat=worth.ndim)
    ]
    return np.asarray(np.nanmean(shifted, axis=0))
