"""How the models do in this place: what doctors found against what was told, beside the card; and drift."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from inference.analysis import Verdict
from inference.card import ModelCard
from inference.registry import Entry
from inference.track_record import Rate, mean_certainty, verdict_rates, wilson
from storage.outcomes import NOTHING, SOMETHING_ELSE, OutcomeCount
from storage.statistics import Tally

LEAST = 50
"""Pictures below which nothing is said of drift: so few may differ by chance."""
MARGIN = 0.05
"""How far beyond the card's own intervals a figure has to lie to be told as drift."""
REFUSED_MARGIN = 0.2
"""The same for refusals: people also send what is no scan, which the card knows nothing of."""
_Z = 1.96
BY_THE_GATE = frozenset(
    {
        "not_a_scan", "photo_of_screen", "photo_or_page", "other_medical", "other_cells", "too_dark", "no_white_cells",
        "mr_not_read", "several_slices",
    }
)  # fmt: skip
"""Refusals that are about what a picture shows; the others are about files, limits and failures."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of this place beside the card's."""

    hits: int
    of: int
    card: Rate | None

    @property
    def here(self) -> Rate | None:
        """The share with Wilson's 95 % interval; None when there is nothing to share."""
        return wilson(self.hits, self.of) if self.of else None


@dataclass(frozen=True, slots=True)
class Performance:
    """How one version of a model did where doctors' findings are known."""

    organ: str
    version: str
    outcomes: int
    sensitivity: Compared
    """Told signs, of those with a finding of the model's kinds; "not sure" counts as not told."""
    specificity: Compared
    """Told no signs, of those with nothing."""
    kind: Compared
    """The right kind, of those with a finding that were told signs."""
    something_else: int
    """The doctor found what the model has not learned; told apart, since neither answer is right or wrong of it."""
    something_else_told_signs: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A figure of the last days that the card does not lead one to expect."""

    what: str
    """'not_sure', 'certainty' or 'refused'."""
    organ: str
    here: Rate
    low: float
    high: float
    """What the card leads one to expect."""


def performances(counts: Iterable[OutcomeCount], models: Iterable[Entry]) -> tuple[Performance, ...]:
    """One for each model version that has outcomes, by organ and version; the card is that of the very same weights."""
    cards = {digest: entry.card for entry in models for digest in entry.card.sha256.values()}
    groups: dict[tuple[str, str, str], list[OutcomeCount]] = {}
    for count in counts:
        groups.setdefault((count.organ, count.model_version, count.model_sha256), []).append(count)
    return tuple(
        _performance(organ, version, group, cards.get(digest)) for (organ, version, digest), group in groups.items()
    )


def _performance(organ: str, version: str, group: list[OutcomeCount], card: ModelCard | None) -> Performance:
    healthy = {c.name for c in card.classes if not c.tumor} if card else set()
    ill = [c for c in group if c.found not in {NOTHING, SOMETHING_ELSE, *healthy}]
    well = [c for c in group if c.found in {NOTHING, *healthy}]
    other = [c for c in group if c.found == SOMETHING_ELSE]
    signs = [c for c in ill if c.verdict == Verdict.TUMOR_SIGNS]
    none = [c for c in well if c.verdict == Verdict.NO_TUMOR_SIGNS]
    with_finding = verdict_rates(card, with_finding=True) if card else None
    without = verdict_rates(card, with_finding=False) if card else None
    return Performance(
        organ=organ,
        version=version,
        outcomes=_sum(group),
        sensitivity=Compared(_sum(signs), _sum(ill), with_finding.signs if with_finding else None),
        specificity=Compared(_sum(none), _sum(well), without.no_signs if without else None),
        kind=Compared(_sum(c for c in signs if c.label == c.found), _sum(signs), None),
        something_else=_sum(other),
        something_else_told_signs=_sum(c for c in other if c.verdict == Verdict.TUMOR_SIGNS),
    )


def _sum(counts: Iterable[OutcomeCount]) -> int:
    return sum(count.count for count in counts)


def drifts(tallies: Iterable[Tally], models: Mapping[str, Entry], gate: ModelCard) -> tuple[Drift, ...]:
    """What has moved away from the cards: the answer "not sure", how sure the models are, and refusals.

    The cards tell these of pictures with a finding and of those without. Nobody knows how many of either are sent here,
    so that everything between the two is expected.
    """
    known = tuple(tallies)
    return tuple(drift for drift in _all_drifts(known, models, gate) if _is_beyond(drift))


def _is_beyond(drift: Drift) -> bool:
    margin = REFUSED_MARGIN if drift.what == "refused" else MARGIN
    return drift.here.low > drift.high + margin or drift.here.high < drift.low - margin


def _all_drifts(tallies: tuple[Tally, ...], models: Mapping[str, Entry], gate: ModelCard) -> Iterator[Drift]:
    for organ, entry in models.items():
        of_organ = [t for t in tallies if t.subject == "verdict" and t.organ == organ]
        answered = sum(t.count for t in of_organ)
        if answered < LEAST:
            continue
        ill, well = verdict_rates(entry.card, with_finding=True), verdict_rates(entry.card, with_finding=False)
        if ill and well:
            unsure = sum(t.count for t in of_organ if t.name == Verdict.NOT_SURE)
            low, high = min(ill.not_sure.low, well.not_sure.low), max(ill.not_sure.high, well.not_sure.high)
            yield Drift("not_sure", organ, wilson(unsure, answered), low, high)
        if expected := mean_certainty(entry.card):
            mean = sum(t.certainty for t in of_organ) / answered
            yield Drift("certainty", organ, _mean(mean, answered), min(expected), max(expected))
    answered = sum(t.count for t in tallies if t.subject == "verdict")
    refused = sum(t.count for t in tallies if t.subject == "refusal" and t.name in BY_THE_GATE)
    figures = gate.figures.get("test", {}).get("gate", {}).get("scans_refused", {})
    if figures and answered + refused >= LEAST:
        # Only more than the card says is told: that fewer are refused is no fault.
        most = max(figure["ci95"][1] for figure in figures.values())
        yield Drift("refused", "", wilson(refused, answered + refused), 0.0, most)


def _mean(mean: float, of: int) -> Rate:
    """A mean of values from 0.5 to 1, with the widest interval that such values can have."""
    error = _Z * ((1 - mean) * max(mean - 0.5, 0.0)) ** 0.5 / of**0.5
    return Rate(mean, max(0.0, mean - error), min(1.0, mean + error))
