"""Learns where the features of scans lie, so that the gate can refuse what lies far from all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.familiar import DISTANCES_FILE
from inference.training import data
from inference.training.data import Example
from inference.training.predict import predict
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
SHRINKAGE: Final = 0.1
"""Share of the covariance that is taken to be alike in all directions."""
VETO: Final = 0.002
"""Share of the scans of val that lie beyond the limit before ``MARGIN``."""
MARGIN: Final = 1.5
"""Scans of laboratories that the gate has not seen lie farther away than any of val: chosen on those left out."""
EVERY: Final = 5
"""One training scan in so many is enough for means and a covariance."""


def learn(
    features: NDArray[np.float32], labels: NDArray[np.int32], shrinkage: float = SHRINKAGE
) -> tuple[Floats, Floats]:
    """Means by class [K, F] and a whitening matrix [F, F] of the shared, shrunk covariance of [N, F]."""
    classes, index = np.unique(labels, return_inverse=True)
    wide = features.astype(np.float64)
    means = np.stack([wide[labels == k].mean(0) for k in classes])
    spread = np.cov((wide - means[index]).T)
    spread = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(len(spread))
    return means, np.linalg.cholesky(np.linalg.inv(spread))


def squared(features: NDArray[np.float32], means: Floats, whitening: Floats) -> Floats:
    """Squared Mahalanobis distance of each of [N, F] to the nearest mean: [N]."""
    return np.asarray((((features[:, None] - means[None]) @ whitening) ** 2).sum(-1).min(1))


def limit(distances: Floats) -> float:
    """The squared distance from which on a picture is no scan, given those of scans of val."""
    return float(MARGIN * np.quantile(distances, 1 - VETO))


def save(
    folder: Path,
    recipe: Recipe,
    examples: Sequence[Example],
    val_features: NDArray[np.float32],
    val_labels: NDArray[np.int32],
) -> Path:
    """Write ``distances.npz`` from a sample of the training scans; the limit is chosen on val (features [N, F])."""
    other = recipe.tumor_free
    scans = [e for e in examples if e.part == "train" and e.label != recipe.class_names[other]][::EVERY]
    features = predict(folder, data.tensors(scans, recipe.input)).features
    labels = np.array([recipe.class_names.index(e.label) for e in scans], np.int32)
    means, whitening = (part.astype(np.float32) for part in learn(features, labels))
    far = limit(squared(val_features[val_labels != other], means.astype(np.float64), whitening.astype(np.float64)))
    path = folder / DISTANCES_FILE
    np.savez(path, means=means, whitening=whitening, limit=np.array(far, np.float32))
    return path
