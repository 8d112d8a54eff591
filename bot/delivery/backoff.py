"""How long to wait before something is tried again: one rule for all that may come back by itself."""

import random
from collections.abc import Callable
from dataclasses import dataclass

_uniform = random.SystemRandom().uniform
_MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double from ``first`` to ``longest``.

    Each is drawn from the upper half, so that many who failed at the same moment don't come back at the same moment.
    Libraries for this wrap a call and count inside; here the count is a row in the inbox, a request that waits in a
    queue meanwhile, or a state that others look at, so that all there is to share is this sum.
    """

    first: float
    longest: float

    def pause(self, failures: int, uniform: Callable[[float, float], float] = _uniform) -> float:
        """Seconds to wait when it has failed so many times before this time (0: for the first time)."""
        longest = min(self.longest, self.first * 2.0 ** min(failures, _MOST_DOUBLINGS))
        return uniform(longest / 2, longest)
