"""Figures with their uncertainty: accuracy, AUC, calibration, and how well a heat map points."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
DRAWS = 1000


def macro_f1(predicted: Labels, labels: Labels, classes: int) -> float:
    """Mean F1 over the classes that occur."""
    scores = []
    for k in range(classes):
        hit = float(((predicted == k) & (labels == k)).sum())
        total = float((predicted == k).sum() + (labels == k).sum())
        if (labels == k).any():
            scores.append(2 * hit / total)
    return float(np.mean(scores))


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Naeini et al. 2015)."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        (which == b).mean() * abs(confidence[which == b].mean() - correct[which == b].mean()) for b in np.unique(which)
    ]
    return float(sum(gaps))


def calibration_error_by_chance(confidence: Floats, bins: int = 15, seed: int = 0) -> float:
    """What ``calibration_error`` would come to for this many pictures if every confidence were exactly right."""
    rng = np.random.default_rng(seed)
    draws = [calibration_error(confidence, rng.random(len(confidence)) < confidence, bins) for _ in range(200)]
    return float(np.mean(draws))


def reliability(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, pictures) of every bin that holds any."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[which == b].mean()), float(correct[which == b].mean()), int((which == b).sum()))
        for b in np.unique(which)
    ]


def roc(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False-positive and true-positive rate at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    hit = positive[order]
    last = np.r_[np.flatnonzero(np.diff(scores[order])), len(scores) - 1]
    true, false = np.cumsum(hit)[last], np.cumsum(~hit)[last]
    return np.r_[0, false / max(1, (~hit).sum())], np.r_[0, true / max(1, hit.sum())]


def sensitivity_at(scores: Floats, positive: NDArray[np.bool_], specificity: float) -> float:
    """The best sensitivity that leaves at least ``specificity`` of the rest alone; nan when a side is empty."""
    if positive.all() or not positive.any():
        return float("nan")
    false, true = roc(scores, positive)
    return float(true[false <= 1 - specificity + 1e-12].max())


def risk_coverage(confidence: Floats, correct: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """(coverage, risk): share answered, the surest first, and how many of those are wrong (El-Yaniv & Wiener 2010)."""
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), np.cumsum(~correct[order]) / counts


def risk_at(confidence: Floats, correct: NDArray[np.bool_], coverage: float = 0.9) -> float:
    """Share of wrong answers among the surest ``coverage`` of all pictures."""
    covered, risk = risk_coverage(confidence, correct)
    return float(risk[max(0, int(np.floor(coverage * len(covered) + 1e-9)) - 1)])


def share(hits: NDArray[np.bool_], groups: Sequence[str], seed: int = 0) -> dict[str, float | list[float]]:
    """The share of ``hits`` with a 95 % interval by bootstrap over ``groups``.

    Where every group is alike a bootstrap sees no doubt: then the exact limit for that many groups stands
    (1 - 0.025 ** (1 / groups): none of 90 may still be 4 %).
    """
    _, inverse = np.unique(np.array(groups), return_inverse=True)
    counts = np.bincount(inverse)
    found = np.bincount(inverse, weights=hits.astype(float))
    value, n = float(found.sum() / counts.sum()), len(counts)
    if value in (0.0, 1.0):
        reach = 1 - 0.025 ** (1 / n)
        low, high = (0.0, reach) if value == 0 else (1 - reach, 1.0)
    else:
        drawn = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
        low, high = np.percentile(found[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return {"value": round(value, 4), "ci95": [round(float(low), 4), round(float(high), 4)]}


def interval(
    figure: Callable[[NDArray[np.intp]], float], groups: Sequence[str], seed: int = 0
) -> dict[str, float | list[float]]:
    """``figure`` of all indices, with a 95 % interval by bootstrap over ``groups`` (a group stays whole)."""
    rng = np.random.default_rng(seed)
    names, inverse = np.unique(np.array(groups), return_inverse=True)
    members = [np.flatnonzero(inverse == g) for g in range(len(names))]
    alone = np.concatenate(members) if len(members) == len(inverse) else None  # each group is one picture
    draws = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(members), len(members))
        draws.append(figure(np.concatenate([members[g] for g in drawn]) if alone is None else alone[drawn]))
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    whole = figure(np.arange(len(groups)))
    return {"value": round(whole, 4), "ci95": [round(float(low), 4), round(float(high), 4)]}
