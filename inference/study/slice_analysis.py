"""What the models say about one slice of a study, small enough to travel and to keep. Runs in a worker."""

import io
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser, draw_heat, tumor_heat
from inference.analysis import Reason, Verdict
from inference.decision import any_tumor, decide
from inference.decode.imaging import encode_jpeg
from inference.model import Model, Prediction
from inference.preprocess import letterbox_geometry
from inference.study.study import Slice, SliceFinding

HEAT_SIDE: Final = 96
"""Long side of a kept heat map in pixels: the maps themselves have 20 cells a side."""


def as_rgb(one: Slice) -> NDArray[np.uint8]:
    """H x W x 3."""
    pixels = np.frombuffer(one.pixels, np.uint8).reshape(one.shape)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def analyse_slice(analyser: Analyser, one: Slice, hint: str | None = None) -> SliceFinding:
    """Let the gate and the model of an organ look at a slice; ``hint`` names the organ and skips the gate.

    What lies on a side, nobody knows which one, is refused.
    """
    rgb = as_rgb(one)
    organ, gate, seen, reason = hint, None, rgb, Reason.READ
    if hint is None:
        admission = analyser.gate.admit(rgb)
        organ, gate, seen, reason = admission.organ, admission.scores, admission.picture, admission.reason
        if one.is_unclear and organ is not None:
            organ, reason = None, Reason.ON_ITS_SIDE
    shown = Image.fromarray(seen)
    kept = encode_jpeg(shown.convert("L") if len(one.shape) == 2 else shown)
    if organ is None:
        return _refused(one, reason, gate, kept)
    model = analyser.experts[organ]
    prediction = model.read(seen)
    decision = decide(prediction.probabilities, model.card, prediction.tta_disagreement)
    heat = draw_heat(model, prediction, shown.size)
    heat.thumbnail((HEAT_SIDE, HEAT_SIDE))
    buffer = io.BytesIO()
    heat.save(buffer, "PNG", compress_level=6)
    return SliceFinding(
        organ=organ,
        reason=decision.reason,
        verdict=decision.verdict,
        probabilities=prediction.probabilities,
        score=any_tumor(prediction.probabilities, model.card),
        tta_disagreement=prediction.tta_disagreement,
        place=_strongest(model, prediction, shown.size),
        gate=gate,
        model=model.identity,
        shown=kept,
        heat=buffer.getvalue(),
        width=one.width,
        height=one.height,
    )


def _refused(one: Slice, reason: Reason, gate: Mapping[str, float] | None, shown: bytes) -> SliceFinding:
    nothing: dict[str, float] = {}
    return SliceFinding(
        None, reason, Verdict.NOT_READABLE, nothing, 0.0, 0.0, (0.5, 0.5), gate, None, shown, b"", *_size(one)
    )


def _size(one: Slice) -> tuple[int, int]:
    return one.width, one.height


def _strongest(model: Model, prediction: Prediction, size: tuple[int, int]) -> tuple[float, float]:
    """Find the cell of the class map with the most evidence, in shares of the picture."""
    if prediction.outline is not None:
        return 0.5, 0.5  # of cells: their order says nothing about a place
    values: NDArray[np.float32] = tumor_heat(model, prediction)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    left, top, right, bottom = letterbox_geometry(*size, model.card.input.side).crop(values.shape[0])
    return (
        min(1.0, max(0.0, (float(column) + 0.5 - left) / (right - left))),
        min(1.0, max(0.0, (float(row) + 0.5 - top) / (bottom - top))),
    )
