"""Runs an exported LiteRT file over many pictures, as serving does: one picture at a time, one thread."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.training.export import LITERT_FILE


@dataclass(frozen=True, slots=True)
class Predictions:
    """logits [N, K], maps [N, h, w, K], features [N, F]; float32."""

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    features: NDArray[np.float32]


def predict(folder: Path, tensors: NDArray[np.float32]) -> Predictions:
    """Run ``folder``'s LiteRT file on ``tensors`` [N, side, side, C]."""
    runner = Interpreter(model_path=str(folder / LITERT_FILE), num_threads=1).get_signature_runner()
    logits, maps, features = [], [], []
    for tensor in tensors:
        outputs = runner(picture=tensor[None])
        logits.append(outputs["logits"][0])
        maps.append(outputs["maps"][0])
        features.append(outputs["features"][0])
    return Predictions(np.stack(logits), np.stack(maps), np.stack(features))


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Softmax of ``logits / temperature``: [N, K], rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))
