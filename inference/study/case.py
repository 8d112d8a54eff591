"""From slices to one answer that does not grow more alarming just because there are more slices.

The largest score of many slices rises with their number; so does the chance that one of them is a false alarm. A
finding therefore counts only where neighbouring slices agree about the place, as a cluster-size threshold asks of
activity in a brain scan (Forman et al., Magn Reson Med 1995; 33:636): at least k consecutive slices, whose strongest
heat lies within a given distance from one to the next. k follows from millimetres, not from a number of slices, so a
head cut twice as thin needs twice as many. The scores of such a run are pooled by the geometric mean of their class
probabilities (the logarithmic opinion pool, Genest & Zidek, Stat Sci 1986; 1:114), which one loud slice can't carry.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from inference.analysis import PictureError, Reason, Verdict, of_turned
from inference.card import ModelCard, StudyRule
from inference.decision import Decision, any_tumor, decide
from inference.study.study import Kind, SetAside, SliceFinding, Study

_FLOOR = 1e-6
"""Below this a probability says no more, and a logarithm too much."""
MOST_TILES = 24
"""Slices on a contact sheet."""
ADMITTED = 0.2
"""Share of the slices that the gate must take for an organ: the top of a head and its neck are not taken."""
MAX_SMALL, MIN_FULL = 2, 6
"""A series of so few slices says nothing beside one of so many."""


@dataclass(frozen=True, slots=True)
class SeriesFindings:
    """The judged slices of one series in their order, those that the gate refused among them."""

    findings: tuple[SliceFinding, ...]
    sequence: str | None = None
    plane: str | None = None
    spacing: float | None = None
    """Millimetres from one slice to the next."""
    edges: tuple[str, ...] = ()
    """See ``tags.edges``."""


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive slices of one series, pooled."""

    slices: tuple[int, ...]
    """Places in the series' ``findings``."""
    agree: bool
    """Whether they agree about the place."""
    decision: Decision
    probabilities: dict[str, float]
    score: float
    """Pooled probability of any tumour class."""


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """The one answer about a study."""

    organ: str
    verdict: Verdict
    reason: Reason
    label: str
    confidence: float
    probabilities: dict[str, float]
    prediction_set: tuple[str, ...]
    series: int
    """Which series the answer rests on."""
    best: int
    """Its most telling slice."""
    agreeing: tuple[int, ...]
    """Slices of that series that agree about one place and show signs there; empty when none do."""
    alone: int
    """Slices over all series that show signs without neighbours that agree."""
    judged: int
    """Slices over all series that the gate took for the organ."""
    series_judged: int
    series_with_signs: int


@dataclass(frozen=True, slots=True)
class CaseSlice:
    """A slice that the gate took for the organ."""

    number: int
    """From 1, over all series in their order."""
    series: int
    finding: SliceFinding
    agrees: bool
    """Whether it is one of those that agree about a place."""
    best: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A study that was judged."""

    kind: Kind
    sha256: str
    """SHA-256 (hex) of the bytes as received."""
    series: tuple[SeriesFindings, ...]
    set_aside: Mapping[SetAside, int]
    answer: CaseVerdict

    @property
    def slices(self) -> tuple[CaseSlice, ...]:
        """What was judged, numbered as people see it."""
        taken = [
            (n, i, finding)
            for n, one in enumerate(self.series)
            for i, finding in enumerate(one.findings)
            if finding.organ == self.answer.organ
        ]
        own = self.answer.series
        return tuple(
            CaseSlice(number, n, finding, n == own and i in self.answer.agreeing, n == own and i == self.answer.best)
            for number, (n, i, finding) in enumerate(taken, start=1)
        )

    @property
    def best(self) -> CaseSlice:
        """The most telling slice."""
        return next(one for one in self.slices if one.best)


def chosen(numbers: Sequence[int], telling: Sequence[int], most: int = MOST_TILES) -> list[int]:
    """Choose at most ``most`` of ``numbers`` for a sheet: the telling ones first, the rest evenly, in their order."""
    if len(numbers) <= most:
        return list(numbers)
    kept = set(_evenly(telling, most))
    rest = [number for number in numbers if number not in kept]
    return sorted(kept | set(_evenly(rest, most - len(kept))))


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * i + 1) * len(numbers) // (2 * most)] for i in range(most)]


def needed(rule: StudyRule, slices: int, spacing: float | None) -> int:
    """How many neighbouring slices have to agree: those that ``extent_mm`` takes.

    Where no spacing is known, so many slices are taken to span a whole head (``whole_mm``).
    """
    if not rule.ordered:
        return max(1, min(slices, max(rule.least, math.ceil(rule.share * slices))))
    step = spacing or rule.whole_mm / max(slices, 1)
    return max(1, min(slices, rule.most, max(rule.least, math.ceil(rule.extent_mm / step))))


def decide_case(series: Sequence[SeriesFindings], cards: Mapping[str, ModelCard]) -> CaseVerdict:
    """Give the answer about a study from its judged slices.

    Signs are found when at least ``series_share`` of the series hold a run of slices that agree and that ``decide``,
    asked about their pooled probabilities, calls signs. No signs are found when no series and no slice speaks against
    that, but for the few lone slices (``lone_share``) that any healthy head has. All else is "not sure".
    Raises PictureError with the commonest reason when the gate takes too few slices for an organ.
    """
    organ = _organ([finding for one in series for finding in one.findings])
    card = cards[organ]
    counted = _counted(series, organ)
    suspicious = {n: _most_suspicious(_windows(series[n], indices, card)) for n, indices in counted.items()}
    signs = [n for n, window in suspicious.items() if window.agree and _is(window, Verdict.TUMOR_SIGNS)]
    chosen = max(signs or suspicious, key=lambda n: suspicious[n].score)
    window = suspicious[chosen]
    agreeing = _grown(series[chosen], counted[chosen], window, card.study) if chosen in signs else ()
    alone = _alone(series, counted, chosen, agreeing)
    judged = sum(map(len, counted.values()))
    few_alone = alone <= card.study.lone_share * judged
    verdict = _verdict(suspicious, signs, chosen, card.study, few_alone=few_alone)
    label = _label(verdict, window, card)
    findings = series[chosen].findings
    return CaseVerdict(
        organ=organ,
        verdict=verdict,
        reason=_reason(verdict, label, card),
        label=label,
        confidence=window.probabilities[label],
        probabilities=window.probabilities,
        prediction_set=window.decision.prediction_set,
        series=chosen,
        best=max(agreeing or window.slices, key=lambda i: findings[i].score),
        agreeing=agreeing,
        alone=alone,
        judged=judged,
        series_judged=len(counted),
        series_with_signs=len(signs),
    )


def _verdict(
    suspicious: Mapping[int, Window], signs: Sequence[int], chosen: int, rule: StudyRule, *, few_alone: bool
) -> Verdict:
    """The verdict by the most suspicious window of each series, and by whether few slices show signs alone."""
    if len(signs) >= max(1, math.ceil(rule.series_share * len(suspicious))):
        return Verdict.TUMOR_SIGNS
    unsure = sum(not _is(window, Verdict.NO_TUMOR_SIGNS) for window in suspicious.values()) - len(signs)
    quiet = few_alone and unsure <= rule.series_share * (len(suspicious) - 1)
    clear = not signs and quiet and _is(suspicious[chosen], Verdict.NO_TUMOR_SIGNS)
    return Verdict.NO_TUMOR_SIGNS if clear else Verdict.NOT_SURE


def close(study: Study, findings: Sequence[SliceFinding], cards: Mapping[str, ModelCard]) -> Case:
    """Put a study's findings, slice after slice, back into its series and give the answer. Raises PictureError."""
    series, start = [], 0
    for one in study.series:
        end = start + len(one.slices)
        series.append(SeriesFindings(tuple(findings[start:end]), one.sequence, one.plane, one.spacing, one.edges))
        start = end
    refused = sum(finding.organ is None for finding in findings)
    aside = dict(study.set_aside)
    if refused:
        aside[SetAside.NOT_TAKEN] = aside.get(SetAside.NOT_TAKEN, 0) + refused
    answer = decide_case(series, cards)
    if study.turned:
        answer = replace(answer, reason=of_turned(answer.reason))
    return Case(study.kind, study.sha256, tuple(series), aside, answer)


def _organ(findings: Sequence[SliceFinding]) -> str:
    taken = Counter(finding.organ for finding in findings if finding.organ is not None)
    organ, count = taken.most_common(1)[0] if taken else (None, 0)
    if organ is None or count < ADMITTED * len(findings):
        refused = Counter(finding.reason for finding in findings if finding.organ is None)
        raise PictureError(refused.most_common(1)[0][0] if refused else Reason.NOT_A_SCAN)
    return organ


def _counted(series: Sequence[SeriesFindings], organ: str) -> dict[int, list[int]]:
    """Which slices of which series count: those of the organ, but for a few slices beside a whole series."""
    taken = {n: [i for i, f in enumerate(one.findings) if f.organ == organ] for n, one in enumerate(series)}
    most = max(len(indices) for indices in taken.values())
    return {n: i for n, i in taken.items() if i and (len(i) > MAX_SMALL or most < MIN_FULL)}


def _alone(
    series: Sequence[SeriesFindings], counted: Mapping[int, Sequence[int]], chosen: int, agreeing: Sequence[int]
) -> int:
    """How many slices that count show signs and are not among those that agree in the chosen series."""
    return sum(
        series[n].findings[i].verdict is Verdict.TUMOR_SIGNS and not (n == chosen and i in agreeing)
        for n, indices in counted.items()
        for i in indices
    )


def _is(window: Window, verdict: Verdict) -> bool:
    return window.decision.verdict is verdict


def _label(verdict: Verdict, window: Window, card: ModelCard) -> str:
    role = {c.name: c.role for c in card.classes}
    told = {Verdict.TUMOR_SIGNS: ("tumor",), Verdict.NO_TUMOR_SIGNS: ("clear",)}.get(verdict, tuple(role.values()))
    return max((n for n in window.probabilities if role[n] in told), key=lambda n: window.probabilities[n])


def _reason(verdict: Verdict, label: str, card: ModelCard) -> Reason:
    if verdict is not Verdict.NOT_SURE:
        return Reason.READ
    unusual = any(c.name == label and c.role == "finding" for c in card.classes)
    return Reason.UNUSUAL_FINDING if unusual else Reason.UNDECIDED


def _windows(series: SeriesFindings, indices: Sequence[int], card: ModelCard) -> list[Window]:
    rule = card.study
    count = needed(rule, len(indices), series.spacing)
    if not rule.ordered:  # fields of a smear have no order: the most telling share of them
        loudest = sorted(indices, key=lambda i: -series.findings[i].score)[:count]
        return [_pooled(series, sorted(loudest), card, agree=True)]
    found = []
    for start in range(len(indices) - count + 1):
        slices = indices[start : start + count]
        places = [series.findings[i].place for i in slices]
        agree = all(math.dist(a, b) <= rule.distance for a, b in pairwise(places))
        found.append(_pooled(series, slices, card, agree=agree))
    return found


def _most_suspicious(windows: Sequence[Window]) -> Window:
    """The window that speaks loudest: one that agrees before one that does not, unless that one shows nothing."""
    agreeing = [window for window in windows if window.agree]
    if agreeing:
        best = max(agreeing, key=lambda window: window.score)
        if _is(best, Verdict.TUMOR_SIGNS):
            return best
    return max(windows, key=lambda window: window.score)


def _pooled(series: SeriesFindings, slices: Sequence[int], card: ModelCard, *, agree: bool) -> Window:
    findings = [series.findings[i] for i in slices]
    powers = {
        name: math.exp(sum(math.log(max(f.probabilities[name], _FLOOR)) for f in findings) / len(findings))
        for name in card.class_names
    }
    total = sum(powers.values())
    probabilities = {name: power / total for name, power in powers.items()}
    doubt = sum(f.tta_disagreement for f in findings) / len(findings)
    decision = decide(probabilities, card, doubt)
    return Window(tuple(slices), agree, decision, probabilities, any_tumor(probabilities, card))


def _grown(series: SeriesFindings, indices: Sequence[int], window: Window, rule: StudyRule) -> tuple[int, ...]:
    """The window with the neighbours on both sides that show signs at the same place too."""
    order = list(indices)
    chain = [order.index(i) for i in window.slices]
    if not rule.ordered:
        return tuple(i for i in order if series.findings[i].verdict is Verdict.TUMOR_SIGNS) or window.slices
    for end, step in ((0, -1), (-1, 1)):
        at = chain[end]
        while 0 <= at + step < len(order):
            here, there = series.findings[order[at]], series.findings[order[at + step]]
            if there.verdict is not Verdict.TUMOR_SIGNS or math.dist(here.place, there.place) > rule.distance:
                break
            at += step
            chain.insert(0, at) if step < 0 else chain.append(at)
    return tuple(order[at] for at in chain)
