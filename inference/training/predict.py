"""Runs shipped models over many pictures: through the very path that serves, or tensor by tensor."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.analysis import PictureError, Verdict
from inference.backends import WEIGHTS
from inference.card import ModelCard
from inference.decision import decide
from inference.decode.imaging import decode
from inference.model import Model, Prediction
from inference.training.data.example import DataError

Rgb = NDArray[np.uint8]
MEANING = {Verdict.TUMOR_SIGNS: 1, Verdict.NO_TUMOR_SIGNS: -1}


@dataclass(frozen=True, slots=True)
class Predictions:
    """logits [N, K], maps [N, h, w, K], features [N, F]; float32."""

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """What serving says of N pictures with K classes."""

    logits: NDArray[np.float32]
    """[N, K]."""
    probabilities: NDArray[np.float64]
    """[N, K], calibrated by the card."""
    maps: NDArray[np.float32]
    """[N, h, w, K]."""
    evidence: NDArray[np.float32]
    """[N, h, w, K]: the class maps that people see (see ``Prediction.evidence``)."""
    features: NDArray[np.float32]
    """[N, F]."""
    tta_disagreement: NDArray[np.float64]
    """[N]: how far the views of each picture differ."""
    said: NDArray[np.int_]
    """[N]: what people are told: 1 signs, -1 no signs, 0 not sure."""


def predict(folder: Path, tensors: NDArray[np.float32]) -> Predictions:
    """Run ``folder``'s LiteRT file once on each of ``tensors`` [N, side, side, C], on one thread."""
    runner = Interpreter(model_path=str(folder / WEIGHTS["litert"]), num_threads=1).get_signature_runner()
    logits, maps, features = [], [], []
    for tensor in tensors:
        outputs = runner(picture=tensor[None])
        logits.append(outputs["logits"][0])
        maps.append(outputs["maps"][0])
        features.append(outputs["features"][0])
    return Predictions(np.stack(logits), np.stack(maps), np.stack(features))


def open_picture(path: Path) -> Rgb:
    """The pixels that serving makes of a file (H x W x 3). Raises DataError naming it."""
    try:
        return decode(path.read_bytes()).rgb
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except PictureError as error:
        raise DataError(f"{path} is no picture that serving can read: {error}") from None


def read(organ_model: Model, pictures: Sequence[Rgb], progress: Callable[[], None] | None = None) -> PredictionBatch:
    """Let an expert read ``pictures`` as it does in the bot: every view, then the verdict of its card."""
    return gather(organ_model.card, (_told(organ_model.read(rgb), progress) for rgb in pictures))


def read_files(
    organ_model: Model, paths: Sequence[Path], progress: Callable[[], None] | None = None
) -> PredictionBatch:
    """As ``read``, from files. Raises DataError naming one that cannot be read."""
    return gather(organ_model.card, (_told(organ_model.read(open_picture(path)), progress) for path in paths))


def _told(reading: Prediction, progress: Callable[[], None] | None) -> Prediction:
    if progress:
        progress()
    return reading


def gather(card: ModelCard, predictions: Iterable[Prediction]) -> PredictionBatch:
    """Stack what was read; the verdict is that of ``card``."""
    rows = list(predictions)
    return PredictionBatch(
        logits=np.stack([row.outputs.logits for row in rows]),
        probabilities=np.array([[row.probabilities[name] for name in card.class_names] for row in rows]),
        maps=np.stack([row.outputs.maps for row in rows]),
        evidence=np.stack([row.evidence for row in rows]),
        features=np.stack([row.outputs.features for row in rows]),
        tta_disagreement=np.array([row.tta_disagreement for row in rows]),
        said=np.array([MEANING.get(decide(row.probabilities, card, row.tta_disagreement).verdict, 0) for row in rows]),
    )


def said(
    card: ModelCard, probabilities: NDArray[np.float64], tta_disagreement: NDArray[np.float64] | None = None
) -> NDArray[np.int_]:
    """What serving says to each row of probabilities [N, K] under ``card``: 1 signs, -1 no signs, 0 not sure."""
    tta_disagreement = np.zeros(len(probabilities)) if tta_disagreement is None else tta_disagreement
    rows = (dict(zip(card.class_names, row, strict=True)) for row in probabilities.tolist())
    return np.array(
        [MEANING.get(decide(row, card, far).verdict, 0) for row, far in zip(rows, tta_disagreement, strict=True)]
    )


def probabilities_of(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Softmax of ``logits / temperature``: [N, K], rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))
