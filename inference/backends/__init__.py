"""Ways to run a model: LiteRT to serve, TensorFlow as the reference that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from inference.card import ModelCard, ModelError

if TYPE_CHECKING:  # whoever only names a backend does without NumPy
    import numpy as np
    from numpy.typing import NDArray

BackendName = Literal["litert", "tensorflow"]
WEIGHTS: dict[BackendName, str] = {"litert": "model.tflite", "tensorflow": "weights.npz"}
"""The file of a model folder that each backend runs."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one forward pass gives. Where a logit is a mean over places, ``logit_c = bias_c + mean_xy(map_c)``."""

    logits: NDArray[np.float32]
    """[K]."""
    maps: NDArray[np.float32]
    """[h, w, K]: the Grad-CAM map of each class before its negative part is cut, in logit units."""
    features: NDArray[np.float32]
    """[F]: mean of the last activations."""


class Backend(Protocol):
    """Runs one model."""

    def run(self, tensor: NDArray[np.float32]) -> Outputs:
        """Run [1, side, side, channels] as ``inference.preprocess.tensor`` makes it."""
        ...


def load_backend(name: BackendName, folder: Path, card: ModelCard) -> Backend:
    """Open the model in ``folder``. Raises ModelError when the backend is not installed or the file does not fit."""
    try:
        module = import_module(f"inference.backends.{name}")
    except ModuleNotFoundError as error:
        extra = (
            "pip install --require-hashes -r requirements-dev.lock" if name == "tensorflow" else "reinstall the package"
        )
        raise ModelError(f"the {name} backend needs the package {error.name}: {extra}") from None
    load: Callable[[Path, ModelCard], Backend] = module.load
    return load(folder, card)
