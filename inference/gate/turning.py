"""Turns slices upright that lie on a side or upside down, before anybody judges them.

Those of one series vote, since they lie alike nearly always: one may show hardly anything by which up is known, and a
stripped brain is easily taken for one on its head. They are no independent witnesses: the log odds of n are added and
then divided by the root of n.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
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
"""So many slices of a series are shown to the gate, where the series does not stand upright."""
ODD: Final = log(1000)
"""Log odds, by the net, from which on a slice is believed that it lies otherwise than its series."""
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Lie:
    """How a slice lies in its picture."""

    quarters: int = 0
    """By so many it is to be turned left to be upright."""
    is_clear: bool = True
    """False where it lies on a side, nobody knows which one."""


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

    def of_series(self, slices: Sequence[Callable[[], Rgb]]) -> list[Lie]:
        """How each of the slices of one source lies (what gives it: H x W x 3): alike, but for those that are ODD."""
        lies = [Lie()] * len(slices)
        for organ, net in self.nets.items() if slices else ():
            told = np.log(np.maximum([net.turns(one()) for one in slices], _LEAST))
            all_lie = self._together(organ, told, slices)
            own = np.where(told.max(1) - told[:, all_lie.quarters] >= ODD, told.argmax(1), -1)
            lies = [all_lie] * len(slices)
            for quarters in set(own[own >= 0].tolist()):
                numbers: list[int] = np.flatnonzero(own == quarters).tolist()
                lie = self._together(organ, told[numbers], [slices[number] for number in numbers])
                for number in numbers:
                    lies[number] = lie
            if any(lie != Lie() for lie in lies):
                break
        return lies

    def _together(self, organ: str, told: NDArray[np.float64], slices: Sequence[Callable[[], Rgb]]) -> Lie:
        """How a series lies of whose slices the net tells these log probabilities [n, TURNS]."""
        turns = _shares(told.sum(0) / sqrt(len(told)))
        if turns[0] >= UPRIGHT:
            return Lie()
        count = min(len(slices), ASKED)
        asked = [slices[(2 * number + 1) * len(slices) // (2 * count)]() for number in range(count)]
        seen = {quarters: [self._turned(rgb, quarters) for rgb in asked] for quarters in _possible(turns)}
        return _lie(turns, seen, organ, sqrt(len(told)))

    def _upright(self, found: Admission) -> Admission:
        if found.nearest not in self.nets:
            return found
        turns = self.nets[found.nearest].turns(found.picture)
        if turns[0] >= UPRIGHT:
            return found
        seen = {quarters: [self._turned(found.picture, quarters)] for quarters in _possible(turns) if quarters}
        lie = _lie(turns, {0: [found]} | seen, found.nearest)
        if not lie.is_clear:
            return replace(found, organ=None, reason=Reason.ON_ITS_SIDE)
        if not lie.quarters:
            return found
        return replace(seen[lie.quarters][0], as_sent=found.picture, turned=lie.quarters)

    def _turned(self, rgb: Rgb, quarters: int) -> Admission:
        return self.gate.admit_as_it_is(np.ascontiguousarray(np.rot90(rgb, quarters)))


def _possible(turns: NDArray[np.float64]) -> list[int]:
    return [0, *(quarters for quarters in range(1, TURNS) if turns[quarters] >= POSSIBLE)]


def _lie(
    turns: NDArray[np.float64], seen: Mapping[int, Sequence[Admission]], organ: str, witnesses: float = 1.0
) -> Lie:
    """What net (its probabilities [TURNS]) and gate (the same slices in each turn that is possible) say together."""
    weight = GATE_WEIGHT * witnesses
    logs = {k: log(max(turns[k], _LEAST)) + weight * _odds(found, organ) for k, found in seen.items()}
    best = max(logs, key=lambda quarters: logs[quarters])
    share = 1 / sum(np.exp(score - logs[best]) for score in logs.values())
    # What is refused as it lies has several chances, so that it needs more to get in.
    limit = 0.0 if _is_half_of(seen[0], organ, 0.0) else FRAMED_POSITIVE
    if best == 0 or not _is_half_of(seen[best], organ, limit):
        return Lie()
    if share >= (SURE_OF_HEAD if best == TURNS // 2 else SURE_OF_SIDE):
        return Lie(best)
    return Lie(is_clear=turns[1] + turns[3] < ON_ITS_SIDE)


def _is_half_of(found: Sequence[Admission], organ: str, limit: float) -> bool:
    taken = sum(one.organ == organ and one.scores[organ] >= limit for one in found)
    return 2 * taken >= len(found)


def _odds(found: Sequence[Admission], organ: str) -> float:
    """Log odds of the organ against everything that is none, within reason: the mean over the slices."""
    logs = [log(max(one.scores[organ], _LEAST)) - log(max(one.scores[OTHER], _LEAST)) for one in found]
    return sum(logs) / len(logs)


def _shares(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logs - logs.max())
    return np.asarray(powers / powers.sum(), np.float64)
