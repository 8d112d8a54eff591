"""What kind of picture is this, and has the gate seen anything like it? Two signals that are hard to fool together.

A linear reading of the features tells kinds apart that it has learned; the nearest training pictures tell whether a
picture lies among those of an organ or of anything else. Each organ weighs them as kinds and places left out of the
training had it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason
from inference.arrays import misfit, read_arrays
from inference.card import ModelCard

DETECTOR_FILE: Final = "kinds.npz"
SIGNALS: Final = ("linear", "ratio", "near")
"""``linear``: log odds of the organ's kind against all others. ``ratio``: log of how much nearer the organ's pictures
lie than the others'. ``near``: minus the log of the distance to the organ's nearest pictures."""
REASONS: Final = (
    Reason.PHOTO_OF_SCREEN,
    Reason.PHOTO_OR_PAGE,
    Reason.OTHER_MEDICAL,
    Reason.OTHER_CELLS,
    Reason.NO_WHITE_CELLS,
)
"""What a refused picture can be told to be."""
NEIGHBOURS: Final = 3
"""So many of the nearest pictures are averaged: one alone may be a mistake in the data."""
_BOUND: Final = 60.0
_LEAST: Final = 1e-4
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OodDetector:
    """Kinds are finer than classes; a kind with an organ's name is that organ."""

    organs: tuple[str, ...]
    kinds: tuple[str, ...]
    reasons: tuple[str, ...]
    """Of each kind: the ``Reason`` to refuse it with, or nothing where only "no scan" can be told."""
    weights: Floats
    """[F, kinds]."""
    biases: Floats
    """[kinds]."""
    centre: Floats
    """[F]: the mean of the training pictures."""
    projection: Floats
    """[F, D]: directions in which pictures are compared."""
    examples: Floats
    """[N, D]: training pictures, each of length 1."""
    example_kinds: NDArray[np.intp]
    """[N]."""
    mixing: Floats
    """[organs, SIGNALS]: how much each signal counts."""
    points: Floats
    """[organs]: the mixed score from which on a picture is let in."""

    @classmethod
    def load(cls, folder: Path, card: ModelCard) -> Self | None:
        """Open the gate's ``kinds.npz``; None when its card has none. Raises ModelError when it does not fit."""
        names = ("kinds", "reasons", "weights", "biases", "centre", "projection", "examples", "example_kinds")
        arrays = read_arrays(folder, card, DETECTOR_FILE, (*names, "mixing", "points"))
        if arrays is None:
            return None
        numbers = {name: arrays[name].astype(np.float32) for name in (*names[2:7], "mixing", "points")}
        kinds, reasons = (tuple(str(value) for value in arrays[name]) for name in ("kinds", "reasons"))
        example_kinds = arrays["example_kinds"].astype(np.intp)
        if example_kinds.shape == numbers["examples"].shape[:1]:
            # Kind by kind, and laid out as the product with a picture reads them: both halve what it takes.
            order = np.argsort(example_kinds, kind="stable")
            example_kinds = example_kinds[order]
            numbers["examples"] = np.asfortranarray(numbers["examples"][order])
        found = cls(card.organs, kinds, reasons, example_kinds=example_kinds, **numbers)
        if not found._fits():
            raise misfit(folder / DETECTOR_FILE)
        return found

    def _fits(self) -> bool:
        features, count = self.centre.shape[0], len(self.kinds)
        wanted = (
            (self.weights, (features, count)),
            (self.biases, (count,)),
            (self.projection, (features, self.examples.shape[-1])),
            (self.example_kinds, self.examples.shape[:1]),
            (self.mixing, (len(self.organs), len(SIGNALS))),
            (self.points, (len(self.organs),)),
        )
        known = {*REASONS, ""}
        return (
            all(array.shape == shape and np.isfinite(array).all() for array, shape in wanted)
            and set(self.organs) <= set(self.kinds)
            and len(self.reasons) == count
            and set(self.reasons) <= known
            and bool(((self.example_kinds >= 0) & (self.example_kinds < count)).all())
            and all((self.example_kinds == self.kinds.index(o)).sum() > NEIGHBOURS for o in self.organs)
        )

    def linear(self, features: Floats) -> Floats:
        """Log odds of each kind, up to what all have in common, of features [..., F]: [..., kinds]."""
        return np.asarray(features @ self.weights + self.biases, np.float32)

    def signals(self, features: Floats) -> Floats:
        """What speaks for each organ in features [N, F]: [N, organs, SIGNALS]."""
        linear = self.linear(features)
        away = (features - self.centre) @ self.projection
        length = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), _LEAST)
        distance = 1 - (away / length) @ self.examples.T
        return np.stack([self._of_organ(self.kinds.index(organ), linear, distance) for organ in self.organs], 1)

    def _of_organ(self, kind: int, linear: Floats, distance: Floats) -> Floats:
        rest = np.delete(linear, kind, axis=1)
        highest = rest.max(1)
        odds = linear[:, kind] - highest - np.log(np.exp(rest - highest[:, None]).sum(1))
        own = self.example_kinds == kind
        near, far = (_nearest(distance[:, side]) for side in (own, ~own))
        return np.stack([odds.clip(-_BOUND, _BOUND), np.log(far / near), -np.log(near)], 1)

    def scores(self, features: Floats) -> Floats:
        """Logits of features [N, F] against "other": [N, organs], 0 at each organ's point."""
        return np.asarray((self.signals(features) * self.mixing).sum(-1) - self.points, np.float32)

    def reason(self, features: Floats) -> Reason:
        """Why a picture with features [F] that is no organ's is refused: the likeliest reason among the other kinds."""
        linear = self.linear(features)
        others = np.array([kind not in self.organs for kind in self.kinds])
        told = self.reasons[int(np.where(others, linear, -np.inf).argmax())]
        return Reason(told) if told else Reason.NOT_A_SCAN


def _nearest(distance: Floats) -> Floats:
    """Mean of the least distances of each row of [N, M], never 0; the largest there is where M is too small."""
    if distance.shape[1] <= NEIGHBOURS:
        return np.full(len(distance), 2.0, np.float32)
    nearest = np.partition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return np.asarray(np.maximum(nearest.mean(1), _LEAST), np.float32)
