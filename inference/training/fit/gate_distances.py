"""Learns where the features of scans lie, so that the gate can refuse what lies far from all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.gate.ood_detector import DISTANCES_FILE, MahalanobisDetector
from inference.training.data import dataset
from inference.training.data.dataset import Example
from inference.training.predict import Readings, predict
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
SHRINKAGE: Final = 0.1
"""Share of the covariance that is taken to be alike in all directions."""
FARTHEST: Final = 0.995
"""Of the scans of val, so many lie within the distance that half of is still usual."""
REFUSED: Final = 0.01
"""Share of an organ's pictures of val that is refused where some others of val score as high; a recipe may say less."""
POINT: Final = 0.5
"""The probability that a picture is let in at: ``MahalanobisDetector.weigh`` puts each organ's own point there."""
EVERY: Final = 3
"""One training scan in so many is enough for a mean and a covariance."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gate's net says of N pictures that it knows the truth of."""

    logits: NDArray[np.float32]
    """[N, K], "other" last."""
    features: NDArray[np.float32]
    """[N, F]."""
    labels: NDArray[np.int32]
    domains: NDArray[np.str_]
    """``Example.domain`` of each."""


def learn(
    features: NDArray[np.float32], domains: NDArray[np.str_], shrinkage: float = SHRINKAGE
) -> tuple[Floats, Floats]:
    """Mean [F] and whitening matrix [F, F] (of the shrunk covariance) of one organ's features [N, F].

    A domain weighs by the square root of its pictures: no hospital alone says what a scan is.
    """
    wide = features.astype(np.float64)
    _, index, counts = np.unique(domains, return_inverse=True, return_counts=True)
    weights = counts[index] ** -0.5
    weights /= weights.sum()
    mean = weights @ wide
    away = wide - mean
    spread = (away * weights[:, None]).T @ away
    spread = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(len(spread))
    return mean, np.linalg.cholesky(np.linalg.inv(spread))


def fit(train: Seen, val: Seen, refused: Sequence[float] = ()) -> MahalanobisDetector:
    """Means and covariances by organ from scans of ``train``; what is usual, and the points, from ``val``.

    ``refused`` is the share of each organ's scans that ``point`` may refuse; ``REFUSED`` of all when empty.
    """
    other = val.logits.shape[1] - 1
    learned = [learn(train.features[train.labels == k], train.domains[train.labels == k]) for k in range(other)]
    means, whitening = (np.stack(part).astype(np.float32) for part in zip(*learned, strict=True))
    start = MahalanobisDetector(means, whitening, np.ones(other, np.float32), np.zeros(other, np.float32))
    squared = start.squared(val.features)
    usual = [np.quantile(squared[val.labels == k, k], FARTHEST) / 2 for k in range(other)]
    measured = MahalanobisDetector(means, whitening, np.array(usual, np.float32), start.points)
    weighed = measured.weigh(val.logits, val.features)
    above = weighed[:, :other] - weighed[:, other:]
    points = [
        point(above[val.labels == k, k], above[val.labels == other, k], share)
        for k, share in enumerate(refused or (REFUSED,) * other)
    ]
    return MahalanobisDetector(means, whitening, measured.usual, np.array(points, np.float32))


def point(scans: NDArray[np.float32], others: NDArray[np.float32], refused: float) -> float:
    """From which score on a picture is let in, given those of an organ's scans and of other pictures, all of val.

    Midway between the highest 0.5 % of the others and the lowest 0.2 % of the scans where these lie apart: a laboratory
    that nobody knows scores lower than all of val. Where they overlap, the point that refuses ``refused`` of the scans.
    """
    lowest = float(np.quantile(scans, 0.002))
    highest = float(np.quantile(others, 0.995, method="higher")) if len(others) else lowest
    return (lowest + highest) / 2 if highest < lowest else float(np.quantile(scans, refused))


def save(detector: MahalanobisDetector, folder: Path) -> Path:
    """Write ``distances.npz``: plain numbers."""
    path = folder / DISTANCES_FILE
    arrays = {name: getattr(detector, name) for name in ("means", "whitening", "usual", "points")}
    np.savez(path, **arrays)
    return path


def of_shipped(folder: Path, recipe: Recipe, examples: Sequence[Example], answer: Readings) -> MahalanobisDetector:
    """Fit to the net in ``folder``; ``answer`` is what it said of the val pictures among ``examples``."""
    scans = [e for e in examples if e.part == "train" and e.label != recipe.class_names[-1]][::EVERY]
    validation = [e for e in examples if e.part == "val"]
    seen = predict(folder, dataset.tensors(scans, recipe.input))
    return fit(
        Seen(seen.logits, seen.features, *truth(recipe, scans)),
        Seen(answer.logits, answer.features, *truth(recipe, validation)),
        recipe.refused,
    )


def truth(recipe: Recipe, examples: Sequence[Example]) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """Labels and domains of ``examples``."""
    labels = np.array([recipe.class_names.index(e.label) for e in examples], np.int32)
    return labels, np.array([e.domain for e in examples])
