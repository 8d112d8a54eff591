"""The gate's second signal: how far a picture's features lie from those of the scans that the gate learned from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.card import ModelCard
from inference.side_file import misfit, read_arrays

DISTANCES_FILE: Final = "distances.npz"


@dataclass(frozen=True, slots=True)
class Familiar:
    """Mahalanobis distance to the nearer organ's mean under one shrunk covariance (Lee et al. 2018)."""

    means: NDArray[np.float32]
    """[organs, F]."""
    whitening: NDArray[np.float32]
    """[F, F]: features times this have unit covariance within an organ."""
    limit: float
    """A squared distance above this is no scan, whatever the classifier says."""

    @classmethod
    def load(cls, folder: Path, card: ModelCard) -> Self | None:
        """Open the gate's ``distances.npz``; None when its card has none. Raises ModelError when it does not fit."""
        kept = read_arrays(folder, card, DISTANCES_FILE, ("means", "whitening", "limit"))
        if kept is None:
            return None
        means, whitening, limit = (kept[name].astype(np.float32) for name in ("means", "whitening", "limit"))
        features = card.architecture.widths[-1]
        shapes = means.shape[1:], whitening.shape, limit.shape
        if shapes != ((features,), (features, features), ()) or not limit > 0:
            raise misfit(folder / DISTANCES_FILE)
        return cls(means, whitening, float(limit))

    def distance(self, features: NDArray[np.float32]) -> float:
        """Squared distance of a picture's features [F] to the nearer organ."""
        return float((((features - self.means) @ self.whitening) ** 2).sum(1).min())

    def knows(self, features: NDArray[np.float32]) -> bool:
        """Whether a picture is near enough to what the gate has learned scans from."""
        return self.distance(features) <= self.limit
