"""Why a picture is refused, in as much detail as can be told: what it is sure to be, or only that it is no scan."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason
from inference.arrays import misfit, read_arrays
from inference.card import ModelCard

REFUSALS_FILE: Final = "refusals.npz"
KINDS: Final = (Reason.PHOTO_OF_SCREEN, Reason.PHOTO_OR_PAGE, Reason.OTHER_MEDICAL, Reason.OTHER_CELLS)
"""What a refused picture can be told to be."""
SIGNS: Final = 8
"""How many numbers ``signs`` gives."""
_DARK: Final = 36
"""Below this level (of 255) for 99 of 100 pixels nothing can be made out."""


@dataclass(frozen=True, slots=True)
class RejectionReasons:
    """A linear reading of the gate's features and of a picture's colours: what kind of other picture this is."""

    names: tuple[str, ...]
    """One of ``KINDS`` for each output; anything else stands for "no kind that has a name"."""
    weights: NDArray[np.float32]
    """[F + SIGNS, G]."""
    biases: NDArray[np.float32]
    """[G]."""
    sure: float
    """A kind is told at or above this probability."""

    @classmethod
    def load(cls, folder: Path, card: ModelCard) -> Self | None:
        """Open the gate's ``refusals.npz``; None when its card has none. Raises ModelError when it does not fit."""
        arrays = read_arrays(folder, card, REFUSALS_FILE, ("names", "weights", "biases", "sure"))
        if arrays is None:
            return None
        names = tuple(str(name) for name in arrays["names"])
        weights, biases, sure = (arrays[name].astype(np.float32) for name in ("weights", "biases", "sure"))
        features = card.architecture.widths[-1] + SIGNS
        shapes = weights.shape, biases.shape, sure.shape
        if shapes != ((features, len(names)), (len(names),), ()) or not 0 <= sure <= 1:
            raise misfit(folder / REFUSALS_FILE)
        return cls(names, weights, biases, float(sure))

    def reason(self, features: NDArray[np.float32], rgb: NDArray[np.uint8]) -> Reason:
        """Tell the reason for a refused picture (H x W x 3) from the gate's features [F] and its own signs."""
        scores = np.concatenate([features, signs(rgb)]) @ self.weights + self.biases
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        best = int(chances.argmax())
        named = self.names[best] in KINDS and float(chances[best]) >= self.sure
        return Reason(self.names[best]) if named else Reason.NOT_A_SCAN


def signs(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What colours alone tell of a picture (H x W x 3), of a sample of its pixels: [SIGNS], each in 0..1.

    Mean and 90th percentile of the chroma, mean and spread of the levels, and the shares of black, of white, of pixels
    that are exactly like their neighbour, and of hard edges.
    """
    step = max(1, min(rgb.shape[:2]) // 96)
    levels = rgb[::step, ::step].astype(np.float32) / 255
    chroma, grey = np.ptp(levels, axis=-1), levels.mean(-1)
    steps = np.abs(np.diff(grey, axis=1)) if grey.shape[1] > 1 else np.zeros((1, 1), np.float32)
    values = (
        *(chroma.mean(), np.percentile(chroma, 90), grey.mean(), grey.std()),
        *((grey < 0.06).mean(), (grey > 0.92).mean(), (steps == 0).mean(), (steps > 0.25).mean()),
    )
    return np.array(values, np.float32)


def too_dark(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture (H x W x 3) is so dark that nobody could make anything out."""
    step = max(1, min(rgb.shape[:2]) // 128)
    return float(np.percentile(rgb[::step, ::step].max(-1), 99)) < _DARK
