"""One model folder, opened: card, weights and the way to run them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import ModelIdentity
from inference.backends import WEIGHTS, Backend, BackendName, Outputs, load_backend
from inference.card import ModelCard, ModelError
from inference.cells.finder import Field, Outline, find
from inference.cells.measures import CHANNELS, cell_tensor, own_evidence
from inference.cells.textures import TEXTURES, TEXTURES_FILE, TextureReader
from inference.decision import any_tumor, probabilities_of
from inference.preprocess import Placement, place
from inference.registry import Entry


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one picture."""

    probabilities: dict[str, float]
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
    textures: TextureReader | None = None
    """Reads each white cell, where the card asks for it."""

    @classmethod
    def load(cls, entry: Entry, backend: BackendName = "litert") -> Self:
        """Open a checked model folder. Raises ModelError when its weights do not fit its card."""
        card, weights = entry.card, WEIGHTS[backend]
        if weights not in card.sha256:
            raise ModelError(f"{entry.folder / 'card.json'} has no checksum for {weights}: reinstall the package")
        identity = ModelIdentity(card.name, card.version, card.sha256[weights])
        textures = _textures(entry)
        return cls(card, load_backend(backend, entry.folder, card), identity, textures)

    def tensor(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the weights are run on for a picture (H x W x 3): [1, side, side, channels]."""
        return self._tensor_of(find(rgb)) if self._of_cells else place(rgb, self.card.input)[0]

    @property
    def _of_cells(self) -> bool:
        return self.card.input.normalisation == "cells"

    def _tensor_of(self, field: Field) -> NDArray[np.float32]:
        return cell_tensor(field, self.textures.read(field) if self.textures else None)

    def read(self, rgb: NDArray[np.uint8]) -> Prediction:
        """Run the model on a picture (H x W x 3). Raises ModelError when what comes out is no number."""
        field = find(rgb) if self._of_cells else None
        plain, placement = (self._tensor_of(field), None) if field else place(rgb, self.card.input)
        views = self._views(plain)
        outputs = views[0] if len(views) == 1 else mean(views)
        if not np.isfinite(outputs.logits).all():
            raise ModelError(f"the model {self.card.name} {self.card.version} gives no numbers: export it again")
        tumor = (
            [any_tumor(probabilities_of(view.logits, self.card), self.card) for view in views]
            if len(views) > 1
            else [0.0]
        )
        probabilities = probabilities_of(outputs.logits, self.card)
        return Prediction(probabilities, outputs, max(tumor) - min(tumor), field.outline if field else None, placement)

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


def _textures(entry: Entry) -> TextureReader | None:
    """The reader of textures beside a model of cells. Raises ModelError when the card and the files don't fit."""
    spec, path = entry.card.input, entry.folder / TEXTURES_FILE
    if spec.normalisation == "cells" and (
        spec.textures not in (0, TEXTURES) or spec.channels != CHANNELS + spec.textures
    ):
        raise ModelError(
            f"{entry.folder / 'card.json'}: input: a model of cells has {CHANNELS} channels, or {CHANNELS + TEXTURES} "
            f"with {TEXTURES} textures: reinstall the package"
        )
    if not spec.textures:
        return None
    if TEXTURES_FILE not in entry.card.sha256:
        raise ModelError(f"{entry.folder / 'card.json'} has no checksum for {TEXTURES_FILE}: reinstall the package")
    return TextureReader.load(path)
