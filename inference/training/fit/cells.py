"""Trains the blood smear's model: what each cell's measures say for leukaemia, learned from the labels of pictures.

No cell has a label, only its picture has one. A picture's logit is the mean of what its cells say (and of one cell that
says nothing), so the model is a logistic regression on the mean of the measures: its loss has one minimum, which
Newton's method finds in a second, the same on every machine. Each class counts alike, and within a class each look
(slide or laboratory): otherwise the largest set would decide what leukaemia is.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.architecture import build
from inference.layers import LOGITS, MAPS
from inference.preprocess import tensor
from inference.training.data import dataset
from inference.training.data.dataset import DataError, Example
from inference.training.fit import baselines
from inference.training.recipes import Recipe

SHEETS_FILE, UNSEEN_FILE = "sheets.npz", "unseen.npz"
STRENGTH = 0.01
"""How strongly the weights are drawn towards 0; between 0.001 and 0.1 the looks left out are told apart alike."""
STEPS = 25

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sheets:
    """What is measured in N pictures: tensors [N, side, side, C] as serving makes them, and what is known of each [N].

    ``colours`` [N, 27] are what the baseline may know (``baselines.colours``).
    """

    tensors: NDArray[np.float32]
    labels: NDArray[np.int32]
    domains: NDArray[np.str_]
    parts: NDArray[np.str_]
    sources: NDArray[np.str_]
    colours: Floats

    @property
    def cells(self) -> NDArray[np.int_]:
        """Cells found in each picture [N]."""
        return np.asarray((self.tensors[..., -1] > 0).sum((1, 2)))


def train(
    recipe: Recipe, examples: Sequence[Example], folder: Path, progress: Callable[[float], None], log: Any
) -> Path:
    """Measure every picture, train on ``train``, and keep the logits of each look as a model without it gives them.

    Writes ``sheets.npz``, ``unseen.npz`` and ``best.npz`` into ``folder`` and returns the last one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheets = measure(recipe, examples, progress)
    np.savez(folder / SHEETS_FILE, **asdict(sheets))
    log(f"{recipe.name}: {int(sheets.cells.sum())} cells in {len(sheets.labels)} pictures")
    means, seen = pooled(sheets.tensors), sheets.parts != "test"
    logits, labels, domains = left_out(recipe, means[seen], sheets.labels[seen], sheets.domains[seen])
    np.savez(folder / UNSEEN_FILE, logits=logits, labels=labels, domains=domains)
    training = sheets.parts == "train"
    weights = fit(means[training], sheets.labels[training] != recipe.tumor_free, sheets.domains[training])
    log(f"{recipe.name}: weights {np.round(weights, 3).tolist()}")
    model = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    kernel = spread(recipe, weights[:, None])
    arrays = {
        model.get_layer(MAPS).weights[0].path: kernel[None, None].astype(np.float32),
        model.get_layer(LOGITS).weights[0].path: np.zeros(len(recipe.classes), np.float32),
    }
    best = folder / "best.npz"
    np.savez(best, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
    return best


def measure(recipe: Recipe, examples: Sequence[Example], progress: Callable[[float], None]) -> Sheets:
    """Find and measure the cells of every picture; scale bars are painted over first."""
    side, channels = recipe.input.side, recipe.input.channels
    tensors = np.zeros((len(examples), side, side, channels), np.float32)
    colours = []
    for i, example in enumerate(examples):
        picture = dataset.training_picture(example)
        tensors[i] = tensor(picture, recipe.input)[0]
        colours.append(baselines.colours(picture))
        progress((i + 1) / len(examples))
    labels = np.array([recipe.class_names.index(e.label) for e in examples], np.int32)
    domains, parts, sources = (np.array([getattr(e, name) for e in examples]) for name in ("domain", "part", "source"))
    return Sheets(tensors, labels, domains, parts, sources, np.array(colours))


def load(file: Path) -> Sheets:
    """Read ``sheets.npz``. Raises DataError when there is none, or one of another version."""
    again = "run python -m inference.training train blood_smear"
    if not file.exists():
        raise DataError(f"{file} is missing: {again}")
    with np.load(file, allow_pickle=False) as arrays:
        if set(arrays.files) != {field.name for field in fields(Sheets)}:
            raise DataError(f"{file} was written by another version: {again}")
        return Sheets(**{field.name: arrays[field.name] for field in fields(Sheets)})


def pooled(tensors: NDArray[np.float32]) -> Floats:
    """The mean over the sheet of each measure, and of having been found at all: [N, C]."""
    values = tensors.astype(np.float64)
    part = values[..., -1:]
    return np.asarray(np.concatenate([values[..., :-1] * part, part], axis=-1).mean((1, 2)))


def fit(means: Floats, ill: NDArray[np.bool_], domains: NDArray[np.str_], strength: float = STRENGTH) -> Floats:
    """Weights [C] of the log odds for leukaemia. Raises DataError when a class is missing."""
    share = np.zeros(len(ill))
    for side in (ill, ~ill):
        names = np.unique(domains[side])
        if not len(names):
            raise DataError("the blood smear's model needs pictures with leukaemia and without")
        for name in names:
            chosen = side & (domains == name)
            share[chosen] = 0.5 / len(names) / chosen.sum()
    weights = np.zeros(means.shape[1])
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-np.clip(means @ weights, -30, 30)))
        slope = means.T @ (share * (chances - ill)) + strength * weights
        bend = (means * (share * chances * (1 - chances))[:, None]).T @ means + strength * np.eye(len(weights))
        weights -= np.linalg.solve(bend, slope)
    return weights


def spread(recipe: Recipe, odds: Floats) -> Floats:
    """Log odds for leukaemia [..., 1] as one number a class [..., K] whose softmax has these odds."""
    signs = np.where([c.tumor for c in recipe.classes], 0.5, -0.5)
    return np.asarray(odds * signs)


def left_out(
    recipe: Recipe, means: Floats, labels: NDArray[np.int32], domains: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.str_]]:
    """Logits of every look from a model that has not seen it: logits [M, K], labels [M], looks [M].

    A look without which a class would be gone can't be left out; with one look only M is 0.
    """
    ill = recipe.positive(labels)
    logits, chosen = np.zeros((len(labels), len(recipe.classes)), np.float32), np.zeros(len(labels), bool)
    for domain in np.unique(domains):
        here = domains == domain
        if len(np.unique(ill[~here])) == 2:
            weights = fit(means[~here], ill[~here], domains[~here])
            logits[here] = spread(recipe, (means[here] @ weights)[:, None])
            chosen |= here
    return logits[chosen], labels[chosen], domains[chosen]
