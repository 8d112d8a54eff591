"""One row of the page that ``make bench`` writes, with what was wanted beside what was measured."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; ``wanted`` is its target, if it has one, and ``reached`` whether that is met."""

    what: str
    measured: str
    wanted: str = ""
    reached: bool | None = None

    @property
    def line(self) -> str:
        """The row in Markdown."""
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        return f"| {self.what} | {self.measured} | {self.wanted} | {mark} |"


HEAD = ("| what | measured | wanted | reached |", "|---|---|---|---|")


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 0) -> Row:
    """A figure that is not to be larger than ``limit``."""
    return Row(what, f"{value:.{digits}f} {unit}", f"≤ {limit:g} {unit}", value <= limit)


def percentiles(seconds: Sequence[float], *shares: int) -> str:
    """These percentiles, in milliseconds."""
    return " / ".join(_short(percentile(seconds, share) * 1e3) for share in shares) + " ms"


def percentile(values: Sequence[float], share: int) -> float:
    """The value below which ``share`` of 100 lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 20 else f"{milliseconds:.1f}"
