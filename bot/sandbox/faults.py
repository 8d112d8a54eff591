"""Faults on demand: what a bot meets sooner or later on the real Telegram, as often as one wants and repeatable.

Off unless switched on, in this process (``Rules(faults=...)``, ``sandbox.world.faults.switch(...)``) or over HTTP
(``await sandbox.client.set_faults(...)``).
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from telegram import Bot

DOWNLOAD = "download"
"""Stands in the place of a method's name for the fetching of a file behind a link of getFile."""
UPDATES = "updates"
"""Stands in the place of a method's name for the confirmation of an update, by polling or by a webhook's 200."""
ANY = "*"
"""Every method of the Bot API that has no rates of its own."""
LONGEST_S = 3600.0


class Fault(StrEnum):
    """What can go wrong. At most one of them happens to one call."""

    FLOOD = "flood"
    """429 with ``retry_after``; the method does nothing."""
    BAD_GATEWAY = "bad_gateway"
    """502; the method does nothing."""
    DROP_BEFORE = "drop_before"
    """The connection ends without an answer; the method does nothing."""
    DROP_AFTER = "drop_after"
    """The connection ends without an answer, but the method has taken effect; of a download half has come."""
    SLOW = "slow"
    """The method takes effect and the answer comes ``slow_s`` seconds later; a download trickles in that time."""
    HANG = "hang"
    """The method does nothing, and the connection stays silent until the bot hangs up or ``hang_s`` are over."""
    EXPIRED_LINK = "expired_link"
    """getFile answers with a link that has run out already; asked again, it may give one that works."""
    REDELIVERY = "redelivery"
    """A confirmed update comes a second time, at most ``redelivery_s`` seconds later."""


_COMMON = frozenset({Fault.BAD_GATEWAY, Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.SLOW, Fault.HANG})
_METHODS = _COMMON | {Fault.FLOOD}


def possible(place: str) -> frozenset[Fault]:
    """What can go wrong at a method, at ``download`` or at ``updates``; nothing where there is no such place."""
    if place == UPDATES:
        return frozenset({Fault.REDELIVERY})
    if place == DOWNLOAD:
        return _COMMON
    if place == "getFile":
        return _METHODS | {Fault.EXPIRED_LINK}
    return _METHODS if place == ANY or (place[:1].isalpha() and hasattr(Bot, place)) else frozenset()


@dataclass(frozen=True, slots=True)
class Faults:
    """How often what goes wrong: ``rates`` is place -> fault -> probability, where a place is a method's name.

    Raises ValueError, with a sentence for who wrote it, when a place, a fault or a number makes no sense.
    """

    rates: Mapping[str, Mapping[Fault, float]] = field(default_factory=dict)
    seed: int = 0
    """The n-th call of a method meets the same fate each time, whatever is called beside it."""
    retry_after: int = 1
    """Whole seconds."""
    slow_s: float = 2.0
    hang_s: float = 60.0
    redelivery_s: float = 0.0
    """0: at once, while the update's handler is perhaps still at work."""

    def __post_init__(self) -> None:
        for place, rates in self.rates.items():
            _check(place, rates)
        for name in ("slow_s", "hang_s", "redelivery_s", "retry_after"):
            if not 0 <= getattr(self, name) <= LONGEST_S:
                raise ValueError(f"{name} must be 0 to {LONGEST_S:.0f} seconds")
        if self.retry_after < 1:
            raise ValueError("retry_after must be at least 1 second")


def _check(place: str, rates: Mapping[Fault, float]) -> None:
    known = possible(place)
    if not known:
        raise ValueError(f"{place!r} is no method of the Bot API, nor {DOWNLOAD}, {UPDATES} or {ANY}")
    for fault, rate in rates.items():
        if fault not in known:
            raise ValueError(f"{fault!r} can't happen at {place}: there can be {', '.join(sorted(known))}")
        if not 0 <= rate <= 1:
            raise ValueError(f"the probability of {fault} at {place} must be 0 to 1")
    if sum(rates.values()) > 1 + 1e-9:
        raise ValueError(f"the probabilities at {place} are more than 1 together")


class Injector:
    """Draws the faults of one sandbox and counts them."""

    def __init__(self, faults: Faults) -> None:
        self.injected: defaultdict[str, Counter[Fault]] = defaultdict(Counter)
        """Place -> fault -> how often it has happened so far; switching does not set it back."""
        self.switch(faults)

    def switch(self, faults: Faults) -> None:
        """From now on these, from the beginning of their seed; ``Faults()`` switches everything off."""
        self.now = faults
        self._rates = {place.lower(): rates for place, rates in faults.rates.items()}
        self._random: dict[str, random.Random] = {}

    def draw(self, place: str) -> Fault | None:
        """What happens to the next call at ``place``, mostly nothing. Telegram ignores a method name's case."""
        key = place.lower()
        shared = {} if key in {DOWNLOAD, UPDATES} else self._rates.get(ANY, {})
        rates = self._rates.get(key, shared)
        if not rates:
            return None
        if key not in self._random:
            self._random[key] = random.Random(f"{self.now.seed}:{key}")  # noqa: S311 - to be repeated, not secret
        left = self._random[key].random()
        for fault, rate in rates.items():
            left -= rate
            if left < 0:
                self.injected[place][fault] += 1
                return fault
        return None

    def delay(self) -> float:
        """After how many seconds a redelivery comes."""
        if not self.now.redelivery_s:
            return 0.0
        chance = self._random.setdefault("delay", random.Random(f"{self.now.seed}:delay"))  # noqa: S311 - as above
        return chance.uniform(0, self.now.redelivery_s)
