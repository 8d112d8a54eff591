"""Figures with their uncertainty: accuracy, AUC, calibration, and how well a heat map points."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int32]
DRAWS = 1000


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve (Mann-Whitney, ties count half); nan when a side is empty."""
    ill, healthy = np.sort(scores[positive]), scores[~positive]
    if not len(ill) or not len(healthy):
        return float("nan")
    below = np.searchsorted(ill, healthy, "left") + np.searchsorted(ill, healthy, "right")
    return float(1 - below.mean() / 2 / len(ill))


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


def interval(
    figure: Callable[[NDArray[np.intp]], float], groups: Sequence[str], seed: int = 0
) -> dict[str, float | list[float]]:
    """``figure`` of all indices, with a 95 % interval by bootstrap over ``groups`` (a group stays whole)."""
    rng = np.random.default_rng(seed)
    names, inverse = np.unique(np.array(groups), return_inverse=True)
    members = [np.flatnonzero(inverse == g) for g in range(len(names))]
    draws = []
    for _ in range(DRAWS):
        drawn = rng.integers(0, len(members), len(members))
        draws.append(figure(np.concatenate([members[g] for g in drawn])))
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    whole = figure(np.arange(len(groups)))
    return {"value": round(whole, 4), "ci95": [round(float(low), 4), round(float(high), 4)]}


def fit_linear(features: Floats, labels: Labels, classes: int, steps: int = 600) -> Callable[[Floats], Floats]:
    """A balanced softmax regression on standardised features: what can be told without looking at shapes."""
    mean, spread = features.mean(0), features.std(0) + 1e-6
    x = np.c_[(features - mean) / spread, np.ones(len(features))]
    weights = np.zeros((x.shape[1], classes))
    balance = 1 / np.bincount(labels, minlength=classes)[labels]
    balance /= balance.sum()
    targets = np.eye(classes)[labels]
    momentum = np.zeros_like(weights)
    for _ in range(steps):
        momentum = 0.9 * momentum + x.T @ ((_softmax(x @ weights) - targets) * balance[:, None]) + 1e-4 * weights
        weights -= 0.5 * momentum
    return lambda new: _softmax(np.c_[(new - mean) / spread, np.ones(len(new))] @ weights)


def _softmax(scores: Floats) -> Floats:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def pointing(evidence: NDArray[np.float32], masks: NDArray[np.uint8]) -> dict[str, float]:
    """How well positive evidence [N, h, w] points at masks [N, S, S], beside chance and the middle of the picture.

    ``pointing_game``: the highest place lies inside. ``energy_inside``: share of the positive evidence that lies inside
    (arXiv 1910.01279). Chance for both is the mean share of the picture that the tumour covers.
    """
    cells = evidence.shape[1]
    factor = masks.shape[1] // cells
    inside = (masks > 0).reshape(len(masks), cells, factor, cells, factor).mean((2, 4))
    positive = np.maximum(evidence, 0).astype(np.float64)
    peak = positive.reshape(len(masks), -1).argmax(1)
    touched = inside.reshape(len(masks), -1) > 0
    energy = (positive * inside).sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-9)
    middle = masks[:, masks.shape[1] // 2, masks.shape[1] // 2] > 0
    centre = np.mgrid[:cells, :cells] - (cells - 1) / 2
    blob = np.exp(-(centre**2).sum(0) / (2 * (cells / 8) ** 2))
    return {
        "pictures": len(masks),
        "pointing_game": round(float(touched[np.arange(len(masks)), peak].mean()), 4),
        "pointing_game_by_chance": round(float(touched.mean()), 4),
        "pointing_game_of_the_centre": round(float(middle.mean()), 4),
        "energy_inside": round(float(energy.mean()), 4),
        "energy_inside_by_chance": round(float(inside.mean()), 4),
        "energy_inside_of_the_centre": round(float(((blob * inside).sum((1, 2)) / blob.sum()).mean()), 4),
    }
