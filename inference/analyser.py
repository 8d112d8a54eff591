"""Bytes in, Analysis out: decode, gate, classify, explain."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import Analysis, JudgedCell, PictureError, Reason, Verdict, of_turned
from inference.backends import BackendName
from inference.card import MODELS_DIR
from inference.cells import measures
from inference.decision import decide, likeliest_tumor
from inference.decode.dicom_subject import Subject
from inference.decode.imaging import Picture, decode, encode_jpeg
from inference.decode.limits import FINE_SIDE
from inference.explain import heat, heat_image, overlay
from inference.gate import part_finder
from inference.gate.gate import Admission, Gate
from inference.gate.ood_detector import REASONS
from inference.gate.turning import TurningGate
from inference.gate.upright import UprightNet
from inference.model import Model, Prediction
from inference.preprocess import whole
from inference.registry import check_models


@dataclass(frozen=True, slots=True)
class Analyser:
    """The gate and, by organ, the model that reads what it lets in. Not to be shared between threads."""

    gate: Gate
    experts: Mapping[str, Model]
    upright: Mapping[str, UprightNet] = field(default_factory=dict)
    """What tells how a slice of an organ lies, by organ; an organ without it is read as it lies."""

    @classmethod
    def load(cls, models_dir: Path = MODELS_DIR, backend: BackendName = "litert") -> Self:
        """Open the gate and every expert's folder beside it.

        Raises ModelError when one that the gate needs is missing, incomplete or altered.
        """
        gate, experts = check_models(models_dir)
        return cls(
            Gate.load(gate, backend),
            {organ: Model.load(entry, backend) for organ, entry in experts.items()},
            {organ: net for organ, entry in experts.items() if (net := UprightNet.load(entry)) is not None},
        )

    def analyse(self, picture: bytes, hint: str | None = None, *, bare_map: bool = True) -> Analysis:
        """Read one picture; ``hint`` names the organ and skips the gate, without ``bare_map`` ``heatmap`` stays None.

        Raises PictureError when the bytes can't be decoded, or show nothing that can be judged alone. A picture that
        the gate refuses comes back with the verdict NOT_READABLE and, withheld, what the model of the nearest organ
        would have said. Raises KeyError for a hint that is no organ of ``experts``.
        """
        decoded = decode(picture, believe_tags=hint is None)
        has_more = max(decoded.width, decoded.height) > 1.2 * max(decoded.rgb.shape)
        finer = cache(lambda: decode(picture, FINE_SIDE, believe_tags=False).rgb) if has_more else None
        digest = hashlib.sha256(picture).hexdigest()
        return self.analyse_decoded(decoded, digest, hint, bare_map=bare_map, finer=finer)

    def analyse_decoded(
        self,
        decoded: Picture,
        digest: str,
        hint: str | None = None,
        *,
        bare_map: bool = True,
        finer: Callable[[], NDArray[np.uint8]] | None = None,
    ) -> Analysis:
        """Read a picture that is decoded already; ``digest`` (SHA-256, hex) names the bytes that it came in.

        ``finer`` gives it with more pixels, where a part of it is to be cut out.
        """
        if hint is not None:
            return self._answer(hint, None, decoded, digest, bare_map)
        admission = self.admit(decoded.rgb, finer, tells_directions=decoded.tells_directions)
        if admission.organ is None:
            return self._refuse(admission, decoded, digest)
        admitted = replace(decoded, rgb=admission.picture)
        answer = self._answer(admission.organ, admission.scores, admitted, digest, bare_map)
        return replace(answer, reason=_of_what(answer.reason, admission, decoded))

    @property
    def turning(self) -> TurningGate:
        """The gate for what comes without directions."""
        return TurningGate(self.gate, self.upright)

    def admit(
        self,
        rgb: NDArray[np.uint8],
        finer: Callable[[], NDArray[np.uint8]] | None = None,
        *,
        tells_directions: bool = False,
    ) -> Admission:
        """What is to be read of a picture (H x W x 3), or why nothing is; ``finer`` gives it with more pixels.

        A slice is made upright unless its file ``tells_directions``. Raises PictureError (SEVERAL_SLICES) for a sheet
        of slices.
        """
        gate = self.gate if tells_directions else self.turning
        return part_finder.admit(gate, rgb, self._in_slices, finer)

    def _in_slices(self, organ: str) -> bool:
        return self.experts[organ].card.slices

    def warm_up(self) -> None:
        """Run every model once on an empty picture: the first run is the slow one."""
        empty = np.zeros((64, 64, 3), np.uint8)
        for model in (self.gate.model, *self.experts.values()):
            model.read(empty)

    def _answer(
        self, organ: str, scores: Mapping[str, float] | None, picture: Picture, digest: str, bare_map: bool
    ) -> Analysis:
        model = self.experts[organ]
        prediction = model.read(picture.rgb)
        if prediction.outline is not None and not prediction.outline.cells:
            raise PictureError(Reason.NO_WHITE_CELLS)
        decision = decide(prediction.probabilities, model.card, prediction.tta_disagreement)
        shown = Image.fromarray(picture.rgb)
        heat_map = draw_heat(model, prediction, shown.size)
        return Analysis(
            organ=organ,
            verdict=decision.verdict,
            reason=decision.reason,
            label=decision.label,
            confidence=decision.confidence,
            probabilities=prediction.probabilities,
            prediction_set=decision.prediction_set,
            withheld={},
            gate=scores,
            model=model.identity,
            picture_sha256=digest,
            width=picture.width,
            height=picture.height,
            shown=encode_jpeg(shown),
            overlay=encode_jpeg(overlay(shown, heat_map)),
            heatmap=_encode_grey(heat_map) if bare_map else None,
            cells=judged_cells(model, prediction),
        )

    def _refuse(self, admission: Admission, picture: Picture, digest: str) -> Analysis:
        return Analysis(
            organ=None,
            verdict=Verdict.NOT_READABLE,
            reason=_told(admission.reason, picture),
            label=None,
            confidence=None,
            probabilities={},
            prediction_set=(),
            withheld=self.experts[admission.nearest].read(picture.rgb).probabilities,
            gate=admission.scores,
            model=self.gate.model.identity,
            picture_sha256=digest,
            width=picture.width,
            height=picture.height,
            shown=encode_jpeg(Image.fromarray(picture.rgb)),
            overlay=None,
            heatmap=None,
        )


def _of_what(reason: Reason, admission: Admission, picture: Picture) -> Reason:
    """The reason of an answer, which also says whether it is about a part of the picture, and about a turned one."""
    before = admission.picture if admission.as_sent is None else admission.as_sent
    told = reason if before is picture.rgb else Reason.READ_PART
    return told if admission.as_sent is None else of_turned(told)


def _told(reason: Reason, picture: Picture) -> Reason:
    """The reason as far as the file does not contradict it: an MRI is not told that it is a CT or a photo."""
    contradicted = reason in (*REASONS, Reason.NOT_A_SCAN) and picture.subject is Subject.MR
    return Reason.MR_NOT_READ if contradicted else reason


def tumor_heat(model: Model, prediction: Prediction, kind: str | None = None) -> NDArray[np.float32]:
    """Heat (h x w, 0..1) of a tumour class, by default the likeliest, whatever the verdict.

    The scale alone decides what is seen. Raises ValueError for a class that the model has not.
    """
    index = model.card.class_names.index(kind or likeliest_tumor(prediction.probabilities, model.card))
    return heat(prediction.evidence[..., index], model.card.heatmap_full_scale)


def draw_heat(model: Model, prediction: Prediction, size: tuple[int, int], kind: str | None = None) -> Image.Image:
    """The heat over the picture of ``size`` that was read, 8-bit grey; of a model of cells it lies on these."""
    values = tumor_heat(model, prediction, kind)
    if prediction.outline is not None:
        return measures.heat_image(values, prediction.outline, size)
    return heat_image(values, prediction.placement or whole(*size, model.card.input.side), size)


def judged_cells(model: Model, prediction: Prediction) -> tuple[JudgedCell, ...]:
    """The white cells of a smear, each with what it says by itself; none where the model reads no cells."""
    outline = prediction.outline
    if outline is None:
        return ()
    long_side = max(outline.width, outline.height)
    return tuple(
        JudgedCell((c.x + 0.5) / outline.width, (c.y + 0.5) / outline.height, c.radius / long_side, float(value))
        for c, value in zip(outline.cells, tumor_heat(model, prediction).ravel(), strict=False)
    )


def _encode_grey(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
