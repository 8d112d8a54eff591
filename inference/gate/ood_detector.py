"""The gate's second signal: how far a picture's features lie from those of the scans that the gate learned from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.arrays import misfit, read_arrays
from inference.card import ModelCard

DISTANCES_FILE: Final = "distances.npz"
PENALTY: Final = 5.0
"""Taken from an organ's logit for each e-fold of distance beyond the usual, as the tail of a Student t falls off.

Chosen on kinds, hospitals and laboratories left out (``python -m inference.training folds gate``).
"""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MahalanobisDetector:
    """Mahalanobis distance to each organ's mean under that organ's own shrunk covariance (Lee et al. 2018)."""

    means: Floats
    """[organs, F]."""
    whitening: Floats
    """[organs, F, F]: features times this have unit covariance within the organ."""
    usual: Floats
    """[organs]: a squared distance above this speaks against the organ."""
    points: Floats
    """[organs]: the weighed logit above that of "other" from which on a picture is let in."""

    @classmethod
    def load(cls, folder: Path, card: ModelCard) -> Self | None:
        """Open the gate's ``distances.npz``; None when its card has none. Raises ModelError when it does not fit."""
        names = ("means", "whitening", "usual", "points")
        arrays = read_arrays(folder, card, DISTANCES_FILE, names)
        if arrays is None:
            return None
        means, whitening, usual, points = (arrays[name].astype(np.float32) for name in names)
        features, organs = card.architecture.widths[-1], len(card.classes) - 1
        shapes = means.shape, whitening.shape, usual.shape, points.shape
        wanted = ((organs, features), (organs, features, features), (organs,), (organs,))
        if shapes != wanted or not (usual > 0).all() or not np.isfinite(points).all():
            raise misfit(folder / DISTANCES_FILE)
        return cls(means, whitening, usual, points)

    def squared(self, features: Floats) -> Floats:
        """Squared distance of features [..., F] to each organ: [..., organs]."""
        away = features[..., None, :] - self.means
        return np.asarray((np.einsum("...of,ofg->...og", away, self.whitening) ** 2).sum(-1), np.float32)

    def weigh(self, logits: Floats, features: Floats, tolerance: float = 1.0) -> Floats:
        """Logits [..., organs + 1], "other" last, by both signals: at its point an organ's equals that of "other".

        ``tolerance`` times the usual distance is still usual.
        """
        beyond = np.log(np.maximum(self.squared(features) / (tolerance * self.usual), 1))
        weighed = logits.astype(np.float32)
        weighed[..., :-1] -= np.float32(PENALTY) * beyond + self.points
        return weighed
