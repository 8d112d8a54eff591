"""Opens a file of plain numbers that lies beside a model's weights, such as the gate's distances."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.card import ModelCard, ModelError

Arrays = dict[str, NDArray[np.generic]]


def read_arrays(folder: Path, card: ModelCard, file: str, names: Sequence[str]) -> Arrays | None:
    """The arrays ``names`` of ``folder / file``; None when the card lists no such file. Raises ModelError."""
    if file not in card.sha256:
        return None
    path = folder / file
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} can't be read ({error}): reinstall the package") from None


def misfit(path: Path) -> ModelError:
    """The error to raise when what was read has the wrong shape or range."""
    return ModelError(f"{path} does not fit its card: reinstall the package")
