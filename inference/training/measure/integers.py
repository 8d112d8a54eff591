"""What counting in 8-bit integers changes: the served LiteRT file beside the same weights in float32."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.backends import WEIGHTS
from inference.card import ModelCard
from inference.training.predict import predict, probabilities_of, said

Floats = NDArray[np.float32]
BATCH = 8
MOST = 96
"""Pictures that both ways are asked about."""


def figures(card: ModelCard, folder: Path, tensors: Floats) -> dict[str, Any]:
    """How far LiteRT and the Keras net are apart over ``tensors`` [N, side, side, C].

    Logits in their own units, maps by the mean correlation of a picture's, features by the mean cosine between what
    sets each picture apart from the mean; of experts also how many pictures are told the same.
    """
    served, exact = predict(folder, tensors), in_float(card, folder, tensors)
    apart = np.abs(served.logits - exact["logits"])
    pairs = zip(served.maps, exact["maps"], strict=True)
    middle = exact["features"].mean(0)
    result: dict[str, Any] = {
        "pictures": len(tensors),
        "logits_mean": round(float(apart.mean()), 3),
        "logits_largest": round(float(apart.max()), 3),
        "maps_correlation": round(float(np.mean([_cosine(a - a.mean(), b - b.mean()) for a, b in pairs])), 4),
        "features_cosine": round(
            float(
                np.mean(
                    [_cosine(a - middle, b - middle) for a, b in zip(served.features, exact["features"], strict=True)]
                )
            ),
            4,
        ),
    }
    if card.organ:
        one, other = (
            said(card, probabilities_of(logits, card.temperature)) for logits in (served.logits, exact["logits"])
        )
        result["told_the_same"] = round(float((one == other).mean()), 4)
    return result


def in_float(card: ModelCard, folder: Path, tensors: Floats) -> dict[str, Floats]:
    """Logits, maps and features of the net that is rebuilt of ``weights.npz``."""
    from inference.architecture import build, load_weights

    net = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    load_weights(net, folder / WEIGHTS["tensorflow"])
    batches = [net.predict_on_batch(tensors[i : i + BATCH]) for i in range(0, len(tensors), BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in ("logits", "maps", "features")}


def lines(found: dict[str, Any] | None) -> list[str]:
    """The figures as a part of the model card."""
    if not found:
        return []
    told = f"; {found['told_the_same']:.1%} are told the same" if "told_the_same" in found else ""
    return [
        f"- Convolutions count in 8-bit integers. Against the same net in float32, on {found['pictures']} pictures: "
        f"logits differ by {found['logits_mean']} on average and {found['logits_largest']} at most, maps correlate by "
        f"{found['maps_correlation']}, features by {found['features_cosine']}{told}."
    ]


def _cosine(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = (np.asarray(x, np.float64).ravel() for x in (one, other))
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
