"""What an interrupted training needs to go on where it was: weights, their average, the optimizer, the counters."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from inference.training.data.dataset import DataError

STATE_FILE = "state.npz"


@dataclass(slots=True)
class Progress:
    """How far a training has come."""

    step: int = 0
    elapsed: float = 0.0
    """Seconds spent training."""
    checked: int = 0
    """How often val was looked at."""
    seen: float = 0.0
    """Running mean of the loss."""
    best: float = float("inf")
    """The lowest log loss on val."""


def keep(path: Path, groups: Sequence[Sequence[Any]], progress: Progress) -> None:
    """Write the values of ``groups`` of Keras variables and the counters; the file is replaced as a whole."""
    named = {f"{g}.{i}": v for g, group in enumerate(groups) for i, v in enumerate(group)}
    arrays = {name: np.asarray(ops.convert_to_numpy(v)) for name, v in named.items()}
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **arrays, **{name: np.array(value) for name, value in asdict(progress).items()})  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
    draft.replace(path)


def go_on(path: Path, groups: Sequence[Sequence[Any]]) -> Progress:
    """Fill ``groups`` from the file and return the counters. Raises DataError when they don't fit."""
    with np.load(path, allow_pickle=False) as kept:
        expected = sum(len(group) for group in groups) + len(asdict(Progress()))
        values = [(v, kept.get(f"{g}.{i}")) for g, group in enumerate(groups) for i, v in enumerate(group)]
        if len(kept.files) != expected or any(found is None or found.shape != tuple(v.shape) for v, found in values):
            raise DataError(f"{path} is of another net or optimizer: delete it to begin anew")
        for variable, found in values:
            variable.assign(found)
        return Progress(**{name: type(default)(kept[name]) for name, default in asdict(Progress()).items()})
