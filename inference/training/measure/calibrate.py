"""Sets what turns logits into an answer: temperature, operating points, prediction sets, full scale of the heat map.

All of it is chosen on ``val``. For the blood smears, where the laboratory's look says more than the disease, it is
chosen on looks that a model of the same recipe has not seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.card import OperatingPoints, ScoreBin
from inference.training.predict import probabilities
from inference.training.recipes import Limits

COVERAGE = 0.95
LEAST_QUANTILE = 0.5
"""A class with more than half of the probability is never ruled out, however sure the model is of that class on val:
without this floor the sets of pictures from other places, where it is less sure, are empty too often."""
LEAST_POSITIVE, MOST_NEGATIVE = 0.7, 0.3
"""Between these people hear "not sure", however well the model does on val: closer to a coin than to a finding."""
FULL_SCALE_SHARE = 0.45
"""95 of 100 pictures without tumour stay below this share of the heat map's full scale: no red blob."""
PEAK_PERCENTILES = (50, 75, 90)
"""How many of the true tumours' peaks may stay below the full scale: the lower, the brighter the maps, and the more of
them are cut off flat, so that they no longer tell where their highest place is (see ``heatmaps.clearest``)."""
WITHHELD_FOR_VIEWS = 0.02
"""Share of the right answers on val that may become "not sure" because the views disagree."""
LEAST_APART = 0.15
BIN_EDGES = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1)
MOST_AGAINST = 0.2
"""Of five test pictures with such a score at most one may have shown the opposite of what is told."""
LEAST_IN_BIN = 10
"""Fewer pictures than that say too little of those that score alike; more would hide where the doubt begins."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Logits [N, K] with what is known about each picture."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int32]
    sources: tuple[str, ...]


def temperature(scored: Scored) -> float:
    """The temperature with the least log loss, each class counting alike (Guo et al. 2017), within 0.3 and 8."""
    candidates = np.exp(np.linspace(np.log(0.3), np.log(8), 160))

    def loss(value: float) -> float:
        chosen = probabilities(scored.logits, value)[np.arange(len(scored.labels)), scored.labels]
        each = -np.log(chosen.clip(1e-12))
        return float(np.mean([each[scored.labels == k].mean() for k in np.unique(scored.labels)]))

    return round(float(min(candidates, key=loss)), 3)


def conformal(
    chances: Floats, labels: NDArray[np.int32], names: tuple[str, ...], sources: tuple[str, ...] | None = None
) -> dict[str, float]:
    """Class-conditional split-conformal quantiles of ``1 - p(true class)`` (Vovk 2012), at least ``LEAST_QUANTILE``.

    With ``sources`` a source counts by the square root of its pictures, so that one large set does not speak for all
    (weighted quantile as in Tibshirani et al. 2019).
    """
    quantiles = {}
    for k, name in enumerate(names):
        chosen = labels == k
        scores = 1 - chances[chosen, k]
        here = np.array(sources)[chosen] if sources else np.zeros(len(scores))
        _, inverse, counts = np.unique(here, return_inverse=True, return_counts=True)
        weights = counts[inverse] ** -0.5
        order = np.argsort(scores)
        # A new picture weighs as much as a mean one and may score worse than all.
        reached = np.cumsum(weights[order]) / (weights.sum() + weights.mean()) if len(scores) else np.zeros(0)
        rank = int(np.searchsorted(reached, COVERAGE - 1e-12))
        quantile = float(scores[order][rank]) if rank < len(scores) else 1.0
        quantiles[name] = round(max(quantile, LEAST_QUANTILE), 4)
    return quantiles


def max_tta_disagreement(tta_disagreement: Floats, right: NDArray[np.bool_]) -> float:
    """How far views may differ: ``WITHHELD_FOR_VIEWS`` of the answers that are ``right`` on val differ by more."""
    if not right.any() or not tta_disagreement.any():
        return 1.0
    return round(max(LEAST_APART, float(np.quantile(tta_disagreement[right], 1 - WITHHELD_FOR_VIEWS))), 3)


def reliability(tumor: Floats, is_tumor: NDArray[np.bool_]) -> tuple[ScoreBin, ...]:
    """What pictures with such a probability of any tumour really showed.

    Neighbouring bins are joined until each holds ``LEAST_IN_BIN`` pictures and a higher score never means fewer tumours
    (pool adjacent violators, Zadrozny & Elkan 2002).
    """
    which = np.minimum(np.searchsorted(BIN_EDGES, tumor, "right") - 1, len(BIN_EDGES) - 2)
    bins = [
        ScoreBin(
            low=BIN_EDGES[b],
            high=BIN_EDGES[b + 1],
            pictures=int((which == b).sum()),
            tumors=int(is_tumor[which == b].sum()),
        )
        for b in range(len(BIN_EDGES) - 1)
    ]
    while len(bins) > 1 and min(b.pictures for b in bins) < LEAST_IN_BIN:
        i = min(range(len(bins)), key=lambda i: bins[i].pictures)
        neighbours = [j for j in (i - 1, i + 1) if 0 <= j < len(bins)]
        first = min(i, min(neighbours, key=lambda j: bins[j].pictures))
        bins[first : first + 2] = [_joined(bins[first], bins[first + 1])]
    rising: list[ScoreBin] = []
    for found in bins:
        rising.append(found)
        while len(rising) > 1 and rising[-2].tumors * rising[-1].pictures > rising[-1].tumors * rising[-2].pictures:
            upper = rising.pop()
            rising[-1] = _joined(rising[-1], upper)
    return tuple(rising)


def agreeing(points: OperatingPoints, bins: tuple[ScoreBin, ...]) -> OperatingPoints:
    """Move the points to where tests agree with what is told.

    No signs are told only below, and signs only above, every bin in which more than ``MOST_AGAINST`` of the pictures
    showed the opposite: the others are "not sure".
    """
    shares = [found.tumors / max(1, found.pictures) for found in bins]
    negative = [found.low for found, share in zip(bins, shares, strict=True) if share > MOST_AGAINST]
    positive = [found.high for found, share in zip(bins, shares, strict=True) if 1 - share > MOST_AGAINST]
    return OperatingPoints(positive=max(points.positive, *positive, 0.0), negative=min(points.negative, *negative, 1.0))


def _joined(lower: ScoreBin, upper: ScoreBin) -> ScoreBin:
    return ScoreBin(
        low=lower.low,
        high=upper.high,
        pictures=lower.pictures + upper.pictures,
        tumors=lower.tumors + upper.tumors,
    )


def expert_points(
    tumor: Floats,
    is_tumor: NDArray[np.bool_],
    sources: tuple[str, ...],
    limits: Limits,
) -> OperatingPoints:
    """Choose both points on the probability of any tumour, overall and in each source with 20 pictures or more.

    ``positive`` keeps false alarms within ``limits``, ``negative`` misses; from 0.3 to 0.7 nothing is ever reported.
    """
    names = np.array(sources)
    positive, negative = LEAST_POSITIVE, MOST_NEGATIVE
    for source in {*sources, ""}:
        chosen = (names == source) | (source == "")
        alarms, missed = limits.false_alarms[bool(source)], limits.misses[bool(source)]
        healthy, ill = np.sort(tumor[chosen & ~is_tumor]), np.sort(tumor[chosen & is_tumor])
        if len(healthy) >= 20:
            positive = max(positive, float(healthy[len(healthy) - 1 - int(alarms * len(healthy))]) + 1e-4)
        if len(ill) >= 20:
            negative = min(negative, float(ill[int(missed * len(ill))]) - 1e-4)
    return OperatingPoints(positive=round(float(min(positive, 1.0)), 4), negative=round(float(max(negative, 0.0)), 4))


def full_scale(
    maps: NDArray[np.float32], labels: NDArray[np.int32], tumor: NDArray[np.bool_], percentile: float
) -> float:
    """The class-map value drawn at full strength: a percentile of true tumours' peaks, more if healthy slices need it.

    ``maps`` [N, h, w, K], ``tumor`` [K] says which classes are tumours.
    """
    peaks = maps.max((1, 2))
    true_peaks = peaks[np.arange(len(labels)), labels][tumor[labels]]
    healthy = peaks[~tumor[labels]][:, tumor].max(1)
    scale = max(
        float(np.percentile(true_peaks, percentile)), float(np.percentile(healthy, 95)) / FULL_SCALE_SHARE, 1e-3
    )
    return round(scale, 3)
