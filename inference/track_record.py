"""What tests showed of a model, read from its card: the one place where each of these numbers is defined.

Whoever tells one of them (the chat, the report, the questions, the model card) takes it from here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.card import ModelCard
from inference.decision import any_tumor

LEAST_ALIKE = 50
"""Test pictures with such a score, below which nothing is said of them."""
_TWO_SIDED_95 = 1.96


@dataclass(frozen=True, slots=True)
class Rate:
    """A share (0..1) with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class VerdictRates:
    """What people were told of pictures with a finding, or of those without: shares that sum to one."""

    pictures: int
    signs: Rate
    no_signs: Rate
    not_sure: Rate


@dataclass(frozen=True, slots=True)
class TrainingPictures:
    """What a model was trained on."""

    pictures: int
    with_finding: int
    kinds: Mapping[str, int]
    """Pictures by kind of the finding, such as ``{"all": 2295, "aml": 908}``, the most first; empty where the card
    names none."""


def scored_alike(probabilities: Mapping[str, float], card: ModelCard) -> Rate | None:
    """How often a score like this one meant a tumour in tests, of as many pictures with one as without.

    In a set where nearly all pictures show a tumour nearly every score "means" one, so each side counts by its own
    size. Half a picture is added to each side (Jeffreys): none of fifty is not "never". The interval is that of the
    ratio of both shares (Katz et al. 1978). None where fewer than ``LEAST_ALIKE`` pictures had such a score, which
    says too little.
    """
    score = any_tumor(probabilities, card)
    place = next((n for n in reversed(range(len(card.reliability))) if score >= card.reliability[n].low), None)
    return None if place is None else of_bin(card, place)


def of_bin(card: ModelCard, place: int) -> Rate | None:
    """As ``scored_alike``, for the scores of ``card.reliability[place]``."""
    alike = card.reliability[place]
    if alike.pictures < LEAST_ALIKE:
        return None
    tumors = sum(b.tumors for b in card.reliability)
    others = sum(b.pictures for b in card.reliability) - tumors
    ill, ills = alike.tumors + 0.5, tumors + 1
    well, wells = alike.pictures - alike.tumors + 0.5, others + 1
    ratio = math.log(ill / ills) - math.log(well / wells)
    error = math.sqrt(max(0.0, 1 / ill - 1 / ills + 1 / well - 1 / wells))
    share, low, high = (
        1 / (1 + math.exp(-x)) for x in (ratio, ratio - _TWO_SIDED_95 * error, ratio + _TWO_SIDED_95 * error)
    )
    return Rate(share, low, high)


def verdict_rates(card: ModelCard, *, with_finding: bool) -> VerdictRates | None:
    """What was told of the pictures of ``test`` (of ``val``, where no others were kept); None where nobody measured."""
    for part in ("test", "val"):
        verdicts = card.figures.get(part, {}).get("verdicts", {})
        if row := verdicts.get("with_tumor" if with_finding else "without_tumor"):
            return VerdictRates(row["pictures"], _rate(row["signs"]), _rate(row["no_signs"]), _rate(row["not_sure"]))
    return None


def wilson(hits: int, of: int) -> Rate:
    """The share of ``hits`` among ``of`` (1 or more) with Wilson's interval (1927), which holds for few and for all."""
    share, z = hits / of, _TWO_SIDED_95
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half))


def certainty(probabilities: Mapping[str, float], card: ModelCard) -> float:
    """How sure a model is that there is something or nothing, 0.5 to 1: as sure of either where both are alike."""
    score = any_tumor(probabilities, card)
    return max(score, 1 - score)


def mean_certainty(card: ModelCard) -> tuple[float, float] | None:
    """The mean ``certainty`` on the card's pictures with a finding and on those without; None where it has no scores.

    Each picture counts as the middle of its bin, as sure as that is, which is at most half a bin beside the truth.
    """
    tumors = sum(b.tumors for b in card.reliability)
    others = sum(b.pictures for b in card.reliability) - tumors
    if not tumors or not others:
        return None
    middles = [(b.low + b.high) / 2 for b in card.reliability]
    sure = [max(middle, 1 - middle) for middle in middles]
    with_finding = sum(c * b.tumors for c, b in zip(sure, card.reliability, strict=True)) / tumors
    without = sum(c * (b.pictures - b.tumors) for c, b in zip(sure, card.reliability, strict=True)) / others
    return with_finding, without


def training_pictures(card: ModelCard) -> TrainingPictures:
    """Of which pictures a model learned."""
    ill = {c.name for c in card.classes if c.tumor}
    rows = [row for row in card.trained_on if row["class"] in ill]
    kinds: dict[str, int] = {}
    for row in rows:
        if kind := row.get("kind"):
            kinds[kind] = kinds.get(kind, 0) + row["pictures"]
    return TrainingPictures(
        pictures=sum(row["pictures"] for row in card.trained_on),
        with_finding=sum(row["pictures"] for row in rows),
        kinds=dict(sorted(kinds.items(), key=lambda item: -item[1])),
    )


def _rate(figure: Mapping[str, Any]) -> Rate:
    low, high = figure["ci95"]
    return Rate(figure["value"], low, high)
