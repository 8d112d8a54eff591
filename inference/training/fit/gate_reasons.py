"""Teaches the gate to tell why it refuses: a linear reading of features and colours over groups of kinds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason
from inference.card import OTHER
from inference.gate.rejection_reason import KINDS, REFUSALS_FILE, RejectionReasons, signs
from inference.training.data import dataset
from inference.training.data.dataset import Example
from inference.training.drawn import outliers
from inference.training.predict import predict, probabilities
from inference.training.recipes import Recipe

NO_NAME: Final = "no_name"
GROUPS: Final = {
    Reason.PHOTO_OR_PAGE: ("document", "screenshot", "natural_photo", "pet_photo", "face_photo", "skin"),
    Reason.OTHER_MEDICAL: (
        *("ct_head", "ct_head64", "ct_abdomen", "ct_body64", "mri_abdomen", "mri_breast64", "mri_spine"),
        *("xray_chest", "xray_hand64", "ultrasound"),
    ),
    Reason.OTHER_CELLS: ("cytology_near", "histology"),
}
"""What each kind of the data is called; other kinds have no name."""
DRAWN: Final = 0.375
"""So many pictures are drawn for each that ``train`` draws."""
PRECISION: Final = 0.94
"""A reason that is told is true so often, on val."""


def group(kind: str) -> str:
    """The reason that is true of a kind of picture."""
    return next((reason.value for reason, kinds in GROUPS.items() if kind in kinds), NO_NAME)


def learn(folder: Path, recipe: Recipe, examples: Sequence[Example]) -> RejectionReasons:
    """Fit on the training pictures that are no scan and on drawn ones; how sure to be is chosen on val."""
    features, groups = {}, {}
    for part, seed in (("train", 21), ("val", 22)):
        others = [e for e in examples if e.part == part and e.label == OTHER]
        scans = [e for e in examples if e.part == part and e.label != OTHER]
        count = round(recipe.drawn * DRAWN / (1 if part == "train" else 3))
        drawn = _drawn(recipe, scans[:: max(1, len(scans) // 200)], others, count, seed)
        tensors = np.concatenate([dataset.tensors(others, recipe.input), drawn.astype(np.float32) / 255])
        colours = [signs(dataset.read_picture(e.path)) for e in others] + [signs(picture) for picture in drawn]
        features[part] = np.concatenate([predict(folder, tensors).features, np.stack(colours)], 1)
        groups[part] = np.array(
            [group(e.source) for e in others] + [name or NO_NAME for name in outliers.groups(len(drawn))]
        )
    names = (*(kind.value for kind in KINDS), NO_NAME)
    weights, biases = regress(features["train"], np.array([names.index(g) for g in groups["train"]]), len(names))
    chances = probabilities((features["val"] @ weights + biases).astype(np.float32), 1.0)
    best = chances.argmax(1)
    named = best < len(KINDS)
    right = np.array(names)[best] == groups["val"]
    return RejectionReasons(names, weights, biases, least_sure(chances.max(1)[named], right[named]))


def least_sure(told: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least probability from which on those told are right at the share ``PRECISION``; at least 0.6."""
    order = np.argsort(-told)
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= PRECISION)
    return round(float(max(0.6, told[order[good[-1]]])), 4) if good.size else 1.0


def regress(
    features: NDArray[np.float32], labels: NDArray[np.int_], classes: int, *, decay: float = 1e-3, rounds: int = 300
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Multinomial logistic regression by accelerated gradient descent, classes weighing alike: [F, K] and [K]."""
    mean, spread = features.mean(0), features.std(0) + 1e-3
    x = np.concatenate([(features - mean) / spread, np.ones((len(features), 1))], 1).astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    each = 1 / (counts[labels] * (counts > 0).sum())
    wanted = np.eye(classes)[labels]
    weights = ahead = np.zeros((x.shape[1], classes))
    step = 1.0 / (0.5 * np.linalg.eigvalsh((x * each[:, None]).T @ x)[-1] + decay)
    for i in range(rounds):
        scores = x @ ahead
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        gradient = x.T @ ((chances - wanted) * each[:, None]) + decay * ahead
        stepped = ahead - step * gradient
        ahead = stepped + i / (i + 3) * (stepped - weights)
        weights = stepped
    plain = weights[:-1] / spread[:, None]
    return plain.astype(np.float32), (weights[-1] - mean @ plain).astype(np.float32)


def save(fit: RejectionReasons, folder: Path) -> Path:
    """Write ``refusals.npz`` (plain numbers and names, no pickled objects)."""
    path = folder / REFUSALS_FILE
    np.savez(
        path, names=np.array(fit.names), weights=fit.weights, biases=fit.biases, sure=np.array(fit.sure, np.float32)
    )
    return path


def _drawn(
    recipe: Recipe, scans: Sequence[Example], others: Sequence[Example], count: int, seed: int
) -> NDArray[np.uint8]:
    side = recipe.input.side
    made_of = [(dataset.tensors(rows, recipe.input) * 255).astype(np.uint8) for rows in (scans, others)]
    return outliers.draw(count, side, made_of[0], made_of[1], seed)
