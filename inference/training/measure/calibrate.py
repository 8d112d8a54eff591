"""Sets what turns logits into an answer: temperature, operating points, prediction sets, full scale of the heat map.

All of it is chosen on pictures that no training saw: on ``val`` and, where there are such, on whole places left out,
which weigh as much as all of val (``fit.mix.place_weights``). For the blood smears, where the laboratory's look says
more than the disease, it is chosen on domains that a model of the same recipe has not seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.card import OperatingPoints, ScoreBin
from inference.training.predict import probabilities_of
from inference.training.recipes import Limits

COVERAGE = 0.95
LEAST_QUANTILE = 0.5
"""A class with more than half of the probability is never ruled out, however sure the model is of that class on val:
without this floor the sets of pictures from other places, where it is less sure, are empty too often."""
LEAST_POSITIVE, MOST_NEGATIVE = 0.7, 0.3
"""Between these people hear "not sure", however well the model does on val: closer to a coin than to a finding."""
DARK, FULL_SCALE_SHARE = 98, 0.5
"""So many of 100 pictures without tumour stay below this share of the heat map's full scale: no red blob."""
PEAK_PERCENTILES = (50, 75, 90)
"""How many of the true tumours' peaks may stay below the full scale: the lower, the brighter the maps, and the more of
them are cut off flat, so that they no longer tell where their highest place is (see ``heatmaps.clearest``)."""
WITHHELD_FOR_VIEWS = 0.02
"""Share of the right answers on val that may become "not sure" because the views disagree."""
WITHHELD_FOR_FINDINGS = 0.2
"""Share of the clear pictures that may become "not sure" because they look like a finding of another kind."""
LEAST_APART = 0.15
BIN_EDGES = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1)
MOST_AGAINST = 0.2
"""Of five test pictures with such a score at most one may have shown the opposite of what is told."""
LEAST_IN_BIN, LEAST_OF_FEW = 50, 10
"""Fewer pictures than that say too little of those that score alike; more would hide where the doubt begins."""

Floats = NDArray[np.float64]


LEAST_OF_A_SOURCE = 20


@dataclass(frozen=True, slots=True)
class Scored:
    """Logits [N, K] with what is known about each picture."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int32]
    sources: tuple[str, ...]


def temperature(scored: Scored, weights: Floats | None = None) -> float:
    """The temperature with the least log loss within 0.3 and 8 (Guo et al. 2017).

    Each class counts alike, or each picture as ``weights`` [N] say.
    """
    candidates = np.exp(np.linspace(np.log(0.3), np.log(8), 160))

    def loss(value: float) -> float:
        chosen = probabilities_of(scored.logits, value)[np.arange(len(scored.labels)), scored.labels]
        each = -np.log(chosen.clip(1e-12))
        if weights is not None:
            return float((each * weights).sum() / weights.sum())
        return float(np.mean([each[scored.labels == k].mean() for k in np.unique(scored.labels)]))

    return round(float(min(candidates, key=loss)), 3)


def conformal(
    probabilities: Floats, labels: NDArray[np.int32], names: tuple[str, ...], weights: Floats | None = None
) -> dict[str, float]:
    """Class-conditional split-conformal quantiles of ``1 - p(true class)`` (Vovk 2012), at least ``LEAST_QUANTILE``.

    Pictures count by ``weights`` [N], so that one large place does not speak for all (Tibshirani et al. 2019).
    """
    counted = np.ones(len(labels)) if weights is None else weights
    quantiles = {}
    for k, name in enumerate(names):
        chosen = labels == k
        scores, own = 1 - probabilities[chosen, k], counted[chosen]
        order = np.argsort(scores)
        # A new picture weighs as much as a mean one and may score worse than all.
        reached = np.cumsum(own[order]) / (own.sum() + own.mean()) if len(scores) else np.zeros(0)
        rank = int(np.searchsorted(reached, COVERAGE - 1e-12))
        quantile = float(scores[order][rank]) if rank < len(scores) else 1.0
        quantiles[name] = round(max(quantile, LEAST_QUANTILE), 4)
    return quantiles


def by_source(sources: tuple[str, ...]) -> Floats:
    """A weight a picture [N]: a source counts by the square root of its pictures."""
    _, inverse, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] ** -0.5)


def max_tta_disagreement(tta_disagreement: Floats, right: NDArray[np.bool_]) -> float:
    """How far views may differ: ``WITHHELD_FOR_VIEWS`` of the answers that are ``right`` on val differ by more."""
    if not right.any() or not tta_disagreement.any():
        return 1.0
    return round(max(LEAST_APART, float(np.quantile(tta_disagreement[right], 1 - WITHHELD_FOR_VIEWS))), 3)


def reliability(tumor: Floats, is_tumor: NDArray[np.bool_], apart: tuple[float, ...] = ()) -> tuple[ScoreBin, ...]:
    """What pictures with such a probability of any tumour really showed.

    Neighbouring bins are joined until each holds ``LEAST_IN_BIN`` pictures (a sixteenth of all where there are few) and
    a higher score never means fewer tumours (pool adjacent violators, Zadrozny & Elkan 2002). Across the scores of
    ``apart``, at which something else is told, a bin is joined only where its own side has no other: what is told of
    the surer ones must not hang on the doubtful ones beside them.
    """
    edges = sorted({*BIN_EDGES, *apart})
    which = np.minimum(np.searchsorted(edges, tumor, "right") - 1, len(edges) - 2)
    bins = [
        ScoreBin(
            low=edges[b],
            high=edges[b + 1],
            pictures=int((which == b).sum()),
            tumors=int(is_tumor[which == b].sum()),
        )
        for b in range(len(edges) - 1)
    ]
    # Of few pictures in all, bins of fifty would be one bin, which tells nothing.
    least = min(LEAST_IN_BIN, max(LEAST_OF_FEW, len(tumor) // 16))
    while len(bins) > 1 and min(b.pictures for b in bins) < least:
        i = min(range(len(bins)), key=lambda i: bins[i].pictures)
        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(bins)]
        neighbours = [j for j in beside if bins[max(i, j)].low not in apart] or beside
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
    return points.model_copy(
        update={
            "positive": max(points.positive, *positive, 0.0),
            "negative": min(points.negative, *negative, 1.0),
        }
    )


def _joined(lower: ScoreBin, upper: ScoreBin) -> ScoreBin:
    return ScoreBin(
        low=lower.low,
        high=upper.high,
        pictures=lower.pictures + upper.pictures,
        tumors=lower.tumors + upper.tumors,
    )


def verdict_points(
    tumor: Floats,
    is_tumor: NDArray[np.bool_],
    sources: tuple[str, ...],
    limits: Limits,
    weights: Floats | None = None,
) -> OperatingPoints:
    """Choose both points, overall (pictures counting by ``weights``) and in each source with 20 pictures or more.

    Both are on the probability of any tumour: ``positive`` keeps false alarms within ``limits``, ``negative`` misses.
    From 0.3 to 0.7 nothing is ever reported.
    """
    names = np.array(sources)
    counted = np.ones(len(names)) if weights is None else weights
    positive, negative = LEAST_POSITIVE, MOST_NEGATIVE
    for source in {*sources, ""}:
        chosen = (names == source) | (source == "")
        alarms, missed = limits.false_alarms[bool(source)], limits.misses[bool(source)]
        healthy, ill = chosen & ~is_tumor, chosen & is_tumor
        if healthy.sum() >= LEAST_OF_A_SOURCE:
            positive = max(positive, _share_above(tumor[healthy], counted[healthy], alarms) + 1e-4)
        if ill.sum() >= LEAST_OF_A_SOURCE:
            negative = min(negative, -_share_above(-tumor[ill], counted[ill], missed) - 1e-4)
    return OperatingPoints(positive=round(float(min(positive, 1.0)), 4), negative=round(float(max(negative, 0.0)), 4))


def finding_point(finding: Floats, clear: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """The share of what is no tumour from which on a finding of another kind keeps "no signs" from being told.

    ``WITHHELD_FOR_FINDINGS`` of the pictures that are ``clear`` [N], counting by ``weights``, lie above it.
    """
    if not clear.any():
        return 1.0
    counted = np.ones(len(clear)) if weights is None else weights
    return round(_share_above(finding[clear], counted[clear], WITHHELD_FOR_FINDINGS) + 1e-4, 4)


def _share_above(values: Floats, weights: Floats, share: float) -> float:
    """The smallest of ``values`` that at most ``share`` of the weight lies above."""
    order = np.argsort(-values)
    above = np.cumsum(weights[order]) - weights[order]
    within = above <= share * weights.sum() + 1e-12
    return float(values[order][within][-1])


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
        float(np.percentile(true_peaks, percentile)), float(np.percentile(healthy, DARK)) / FULL_SCALE_SHARE, 1e-3
    )
    return round(scale, 3)
