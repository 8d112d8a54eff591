"""One model folder, opened: card, weights and the way to run them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import ModelIdentity
from inference.backends import WEIGHTS, Backend, BackendName, Outputs, load_backend
from inference.card import ModelCard, ModelError
from inference.preprocess import tensor
from inference.registry import Entry
from inference.verdict import probabilities


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model says about one picture."""

    chances: dict[str, float]
    """Class name -> calibrated probability."""
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Expert:
    """A model ready to read pictures (the gate is one too)."""

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

    def read(self, rgb: NDArray[np.uint8]) -> Reading:
        """Run the model on a picture (H x W x 3). Raises ModelError when what comes out is no number."""
        outputs = self.backend.run(tensor(rgb, self.card.input))
        if not np.isfinite(outputs.logits).all():
            raise ModelError(f"the model {self.card.name} {self.card.version} gives no numbers: export it again")
        return Reading(probabilities(outputs.logits, self.card), outputs)
