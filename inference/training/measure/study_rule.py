"""Fits the rule by which slices of one person become one answer, on people who took no part in the training.

What is fitted is what such people can tell apart: how many neighbours have to agree, how far the hottest place may move
from one to the next, which share of the series has to show signs, and how many slices may stand out alone. Millimetres
are not: the collections tell no distance between slices. People are few, so the rule that is there stays unless the
best one is better by more than two standard errors over them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import PictureError, Verdict
from inference.card import ModelCard, StudyRule
from inference.study.case import SeriesFindings, decide_case

GRID: Final[Mapping[str, tuple[float, ...]]] = {
    "least": (1, 2, 3),
    "distance": (0.1, 0.15, 0.2, 0.25, 0.3),
    "series_share": (0.2, 0.33, 0.5, 0.7),
    "lone_share": (0.0, 0.02, 0.05, 0.1, 0.2),
}
WORTH: Final[Mapping[bool, Mapping[Verdict | None, float]]] = {
    True: {Verdict.TUMOR_SIGNS: 1.0, Verdict.NO_TUMOR_SIGNS: -2.0},
    False: {Verdict.TUMOR_SIGNS: -2.0, Verdict.NO_TUMOR_SIGNS: 0.5},
}
"""What an answer is worth to somebody with a tumour (True) and without: a wrong one costs two, "not sure" nothing. To
be told signs of a tumour that is there is worth one; to be told of none half, since such a person is sent to a doctor
too. Both kinds of people count alike, however many there are."""

_SURE: Final = 2.0
"""Standard errors by which a rule has to be better."""

Case = tuple[Sequence[SeriesFindings], bool]
"""The judged slices of one person, and whether there is a tumour."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The rule, and what it is worth on the people it was fitted on."""

    rule: StudyRule
    worth: float
    before: float
    """What the rule that the card had is worth on the same people."""
    best: float
    """What the best rule of the grid is worth."""
    error: float
    """Standard error of what it is better by."""
    people: tuple[int, int]
    """With a tumour, and without."""


def fit(cases: Sequence[Case], cards: Mapping[str, ModelCard], organ: str, bar: Callable[[], None]) -> Fitted:
    """Try every combination of ``GRID``, and keep the present rule unless one is better by more than chance.

    Raises ValueError unless there are people of both kinds.
    """
    counts = sum(is_ill for _, is_ill in cases), sum(not is_ill for _, is_ill in cases)
    if not all(counts):
        raise ValueError("people with and without a tumour are needed to fit a rule")
    present = cards[organ].study
    before = worths(cases, cards, organ, present)
    tried: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for place in np.ndindex(*(len(values) for values in GRID.values())):
        tried[place] = worths(cases, cards, organ, _rule(present, place))
        bar()
    ill = np.array([is_ill for _, is_ill in cases])
    worth = np.array(list(tried.values()))
    worth = ((worth[:, ill].mean(1) + worth[:, ~ill].mean(1)) / 2).reshape([len(values) for values in GRID.values()])
    smooth, middle = _with_neighbours(worth), (np.array(worth.shape) - 1) / 2
    # Of those that are as good with their neighbours in the grid, the one nearest to its middle.
    chosen = max(
        (tuple(int(i) for i in place) for place in np.argwhere(worth >= worth.max() - 1e-9)),
        key=lambda place: (round(float(smooth[place]), 9), -float(np.abs(np.array(place) - middle).sum())),
    )
    gain = tried[chosen] - before
    error = float(np.sqrt(sum(gain[kind].var() / kind.sum() for kind in (ill, ~ill)))) / 2
    at_first, best = _mean(before, ill), float(worth.max())
    rule = _rule(present, chosen) if best > at_first + max(_SURE * error, 1e-9) else present
    return Fitted(rule, best if rule is not present else at_first, at_first, best, error, counts)


def _mean(worth: NDArray[np.float64], ill: NDArray[np.bool_]) -> float:
    return float((worth[ill].mean() + worth[~ill].mean()) / 2)


def worths(cases: Sequence[Case], cards: Mapping[str, ModelCard], organ: str, rule: StudyRule) -> NDArray[np.float64]:
    """What the answers by a rule are worth to each person [cases]."""
    changed = {**cards, organ: cards[organ].model_copy(update={"study": rule})}
    return np.array([WORTH[is_ill].get(verdict(series, changed), 0.0) for series, is_ill in cases])


def verdict(series: Sequence[SeriesFindings], cards: Mapping[str, ModelCard]) -> Verdict | None:
    """The answer about one person; None when the slices are refused."""
    try:
        return decide_case(series, cards).verdict
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
