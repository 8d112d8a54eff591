"""Is this a brain MRI, a blood smear, or neither? Only a picture that is taken for an organ gets an answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.analysis import GateScores, Organ
from inference.expert import Expert


@dataclass(frozen=True, slots=True)
class Admission:
    """The gate's answer."""

    organ: Organ | None
    """None: neither organ reaches the gate's operating point."""
    nearest: Organ
    scores: GateScores


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate's model and the rule by which it lets pictures in."""

    model: Expert

    def admit(self, rgb: NDArray[np.uint8]) -> Admission:
        """Judge a picture (H x W x 3)."""
        chances = self.model.read(rgb).chances
        nearest = max(Organ, key=lambda organ: chances[organ])
        admitted = chances[nearest] >= self.model.card.operating_points.positive
        return Admission(nearest if admitted else None, nearest, GateScores(**chances))
