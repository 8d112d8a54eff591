"""One model folder, opened: card, weights and the way to run them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import ModelIdentity
from inference.backends import WEIGHTS, Backend, BackendName, Outputs, load_backend
from inference.card import ModelCard, ModelError
from inference.cells.finder import Outline, find
from inference.cells.measures import cell_tensor, own_evidence
from inference.decision import any_tumor, probabilities
from inference.preprocess import Placement, place
from inference.registry import Entry


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one picture."""

    chances: dict[str, float]
    """Class name -> calibrated probability."""
    outputs: Outputs
    """The mean over the card's views, seen from the plain one."""
    tta_disagreement: float = 0.0
    """How far two views differ at most in the probability of any tumour."""
    outline: Outline | None = None
    """The cells that were judged, in the order of the map's places; None for a model that reads the picture itself."""
    placement: Placement | None = None
    """Which part of the picture the maps lie over; None for a model that judges cells."""

    @property
    def evidence(self) -> NDArray[np.float32]:
        """The class maps [h, w, K] that people see: of cells what each says by itself, however many there are."""
        return self.outputs.maps if self.outline is None else own_evidence(self.outputs.maps, self.outline)


@dataclass(frozen=True, slots=True)
class Model:
    """A model ready to read pictures: an organ's or the gate's."""

    card: ModelCard
    backend: Backend
    identity: ModelIdentity

    @classmethod
    def load(cls, entry: Entry, backend: BackendName = "litert") -> Self:
        """Open a checked model folder. Raises ModelError when its weights do not fit its card."""
        card, weights = entry.card, WEIGHTS[backend]
        if weights not in card.sha256:
            raise ModelError(f"{entry.folder / 'card.json'} has no checksum for {weights}: reinstall the package")
        identity = ModelIdentity(card.name, card.version, card.sha256[weights])
        return cls(card, load_backend(backend, entry.folder, card), identity)

    def read(self, rgb: NDArray[np.uint8]) -> Prediction:
        """Run the model on a picture (H x W x 3). Raises ModelError when what comes out is no number."""
        field = find(rgb) if self.card.input.normalisation == "cells" else None
        plain, placement = (cell_tensor(field), None) if field else place(rgb, self.card.input)
        views = self._views(plain)
        outputs = views[0] if len(views) == 1 else mean(views)
        if not np.isfinite(outputs.logits).all():
            raise ModelError(f"the model {self.card.name} {self.card.version} gives no numbers: export it again")
        tumor = (
            [any_tumor(probabilities(view.logits, self.card), self.card) for view in views] if len(views) > 1 else [0.0]
        )
        chances = probabilities(outputs.logits, self.card)
        return Prediction(chances, outputs, max(tumor) - min(tumor), field.outline if field else None, placement)

    def _views(self, plain: NDArray[np.float32]) -> list[Outputs]:
        """Run every view of a tensor [1, side, side, channels]; the maps lie as in the plain one."""
        views = []
        for view in self.card.views:
            if view == "mirrored":
                outputs = self.backend.run(np.ascontiguousarray(plain[:, :, ::-1]))
                views.append(Outputs(outputs.logits, outputs.maps[:, ::-1], outputs.features))
            else:
                views.append(self.backend.run(plain))
        return views


def mean(views: Sequence[Outputs]) -> Outputs:
    """Average logits, maps and features over views."""
    return Outputs(
        *(np.mean([getattr(view, name) for view in views], axis=0) for name in ("logits", "maps", "features"))
    )
