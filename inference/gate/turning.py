"""Turns a slice upright that lies on its side or upside down, before anybody judges it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason
from inference.card import OTHER
from inference.gate.gate import FRAMED_POSITIVE, Admission, Gate
from inference.gate.upright import TURNS, UprightNet

Rgb = NDArray[np.uint8]
UPRIGHT: Final = 0.5
"""Probability of lying upright from which on nothing else is asked: the gate's look at a turned slice takes longer."""
POSSIBLE: Final = 0.02
"""Probability of a turn from which on the gate looks at it."""
GATE_WEIGHT: Final = 0.5
"""How much the gate's log odds count beside the net's log probability: it learned from upright slices alone."""
SURE_OF_SIDE: Final = 0.8
SURE_OF_HEAD: Final = 0.95
"""Probability, by both, from which on a slice is turned by a quarter, and from which on upside down.

Hardly anything upright seems to lie on its side, some heads seem to stand on their top.
"""
ON_ITS_SIDE: Final = 0.9
"""Probability that a slice lies on either side, by the net, from which on it is not read as it lies."""
ASKED: Final = 6
"""So many slices of a sheet tell how it lies."""
_LEAST: Final = 1e-6


class AnyGate(Protocol):
    """What lets pictures in: the gate alone, or one that also turns them."""

    def admit(self, rgb: Rgb) -> Admission:
        """See ``Gate.admit``."""

    def admit_as_it_is(self, rgb: Rgb) -> Admission:
        """See ``Gate.admit_as_it_is``."""


@dataclass(frozen=True, slots=True)
class TurningGate:
    """The gate for what comes without directions: a slice that it lets in, or would once it is turned, is made upright.

    The nets know heads alone, so that the gate has a say: a turn counts where it lets the turned picture in, too.
    """

    gate: Gate
    nets: Mapping[str, UprightNet]
    """By organ."""

    def admit(self, rgb: Rgb) -> Admission:
        """As ``Gate.admit``; what surely lies on its side, nobody knows which one, is refused (ON_ITS_SIDE)."""
        return self._upright(self.gate.admit(rgb))

    def admit_as_it_is(self, rgb: Rgb) -> Admission:
        """As ``Gate.admit_as_it_is``, and as ``admit``."""
        return self._upright(self.gate.admit_as_it_is(rgb))

    def of_sheet(self, slices: Sequence[Rgb]) -> int:
        """By how many quarters a sheet of slices (each H x W x 3) has to be turned left; 0 where that is not sure."""
        organs = [(self.gate.admit_as_it_is(rgb).nearest, rgb) for rgb in slices[:ASKED]]
        told = [self.nets[organ].turns(rgb) for organ, rgb in organs if organ in self.nets]
        if not told:
            return 0
        powers = np.exp(np.log(np.maximum(told, _LEAST)).mean(0))
        quarters = int(powers.argmax())
        return quarters if powers[quarters] >= SURE_OF_HEAD * powers.sum() else 0

    def _upright(self, found: Admission) -> Admission:
        if found.nearest not in self.nets:
            return found
        turns = self.nets[found.nearest].turns(found.picture)
        if turns[0] >= UPRIGHT:
            return found
        possible = [quarters for quarters in range(1, TURNS) if turns[quarters] >= POSSIBLE]
        seen = {0: found} | {quarters: self._turned(found.picture, quarters) for quarters in possible}
        scores = {k: log(max(turns[k], _LEAST)) + GATE_WEIGHT * _odds(one, found.nearest) for k, one in seen.items()}
        best = max(scores, key=lambda quarters: scores[quarters])
        share = 1 / sum(np.exp(score - scores[best]) for score in scores.values())
        # What is refused as it lies has several chances, so that it needs more to get in.
        limit = 0.0 if found.organ is not None else FRAMED_POSITIVE
        if best == 0 or seen[best].organ != found.nearest or seen[best].scores[found.nearest] < limit:
            return found
        if share >= (SURE_OF_HEAD if best == TURNS // 2 else SURE_OF_SIDE):
            return replace(seen[best], as_sent=found.picture)
        if turns[1] + turns[3] >= ON_ITS_SIDE:
            return replace(found, organ=None, reason=Reason.ON_ITS_SIDE)
        return found

    def _turned(self, rgb: Rgb, quarters: int) -> Admission:
        return self.gate.admit_as_it_is(np.ascontiguousarray(np.rot90(rgb, quarters)))


def _odds(found: Admission, organ: str) -> float:
    """Log odds of the organ against everything that is none, within reason."""
    return log(max(found.scores[organ], _LEAST)) - log(max(found.scores[OTHER], _LEAST))
