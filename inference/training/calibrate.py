"""Sets what turns logits into an answer: temperature, operating points, prediction sets, full scale of the heat map.

All of it is chosen on ``val``. For the blood smears, where the laboratory's look says more than the disease, it is
chosen on looks that a model of the same recipe has not seen (``train --fold``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.card import OperatingPoints
from inference.training.predict import probabilities

COVERAGE = 0.95
LEAST_QUANTILE = 0.5
"""Without it the sets of a class that is nearly always sure would be empty for a picture that is merely likely."""
LEAST_POSITIVE, MOST_NEGATIVE = 0.7, 0.3
"""Between these people hear "not sure", however well the model does on val: closer to a coin than to a finding."""
FULL_SCALE_SHARE = 0.45
"""95 of 100 pictures without tumour stay below this share of the heat map's full scale: no red blob."""

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


def conformal(chances: Floats, labels: NDArray[np.int32], names: tuple[str, ...]) -> dict[str, float]:
    """Class-conditional split-conformal quantiles of ``1 - p(true class)`` (Vovk 2012), at least ``LEAST_QUANTILE``."""
    quantiles = {}
    for k, name in enumerate(names):
        scores = np.sort(1 - chances[labels == k, k])
        rank = int(np.ceil((len(scores) + 1) * COVERAGE)) - 1
        quantile = float(scores[rank]) if 0 <= rank < len(scores) else 1.0
        quantiles[name] = round(max(quantile, LEAST_QUANTILE), 4)
    return quantiles


def expert_points(
    tumor: Floats,
    is_tumor: NDArray[np.bool_],
    sources: tuple[str, ...],
    *,
    false_alarms: float,
    misses: float,
    by_source: float,
) -> OperatingPoints:
    """Choose both points on the probability of any tumour, overall and in each source with 20 pictures or more.

    ``positive`` keeps false alarms at or below the share ``false_alarms``, ``negative`` keeps misses at or below
    ``misses``, and no source goes beyond ``by_source`` of either; between 0.3 and 0.7 nothing is ever reported.
    """
    names = np.array(sources)
    positive, negative = LEAST_POSITIVE, MOST_NEGATIVE
    for source in {*sources, ""}:
        chosen = (names == source) | (source == "")
        alarms, missed = (by_source, by_source) if source else (false_alarms, misses)
        healthy, ill = np.sort(tumor[chosen & ~is_tumor]), np.sort(tumor[chosen & is_tumor])
        if len(healthy) >= 20:
            positive = max(positive, float(healthy[len(healthy) - 1 - int(alarms * len(healthy))]) + 1e-4)
        if len(ill) >= 20:
            negative = min(negative, float(ill[int(missed * len(ill))]) - 1e-4)
    return OperatingPoints(positive=round(float(min(positive, 1.0)), 4), negative=round(float(max(negative, 0.0)), 4))


def gate_points(chances: Floats, labels: NDArray[np.int32], other: int) -> OperatingPoints:
    """Accept at or above ``positive``: midway between refusing 1 % of the scans and letting 0.5 % of the rest in."""
    organs = np.delete(chances, other, axis=1)
    scans = np.sort(chances[labels != other, labels[labels != other]])
    rest = np.sort(organs[labels == other].max(1))
    refuses = float(scans[int(0.01 * len(scans))])
    admits = float(rest[len(rest) - 1 - int(0.005 * len(rest))])
    positive = (refuses + admits) / 2 if admits < refuses else refuses
    positive = float(np.clip(positive, 0.5, 0.99))
    return OperatingPoints(positive=round(positive, 4), negative=round(1 - positive, 4))


def full_scale(maps: NDArray[np.float32], labels: NDArray[np.int32], tumor: NDArray[np.bool_]) -> float:
    """The class-map value drawn at full strength: the median peak on true tumours, more if healthy slices need it.

    ``maps`` [N, h, w, K], ``tumor`` [K] says which classes are tumours.
    """
    peaks = maps.max((1, 2))
    true_peaks = peaks[np.arange(len(labels)), labels][tumor[labels]]
    healthy = peaks[~tumor[labels]][:, tumor].max(1)
    scale = max(float(np.median(true_peaks)), float(np.percentile(healthy, 95)) / FULL_SCALE_SHARE, 1e-3)
    return round(scale, 3)
