"""From logits to one answer: calibrated probabilities, a prediction set, operating points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.analysis import Reason, Verdict
from inference.card import ModelCard

if TYPE_CHECKING:  # the bot asks for rules alone, and does without numpy
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Decision:
    """A model's answer; ``label`` is the class that the verdict rests on (the likeliest one when not sure)."""

    verdict: Verdict
    reason: Reason
    label: str
    confidence: float
    """Calibrated probability of ``label``."""
    prediction_set: tuple[str, ...]
    """What can't be ruled out, likeliest first, and ``label`` in any case: what is named must not count as unlikely."""


def probabilities_of(logits: "NDArray[np.float32]", card: ModelCard) -> dict[str, float]:
    """Class name -> calibrated probability: softmax(logits / temperature) (Guo et al. 2017)."""
    import numpy as np

    scaled = logits.astype(np.float64) / card.temperature
    powers = np.exp(scaled - scaled.max())
    return {name: float(p) for name, p in zip(card.class_names, powers / powers.sum(), strict=True)}


def prediction_set(probabilities: Mapping[str, float], card: ModelCard) -> tuple[str, ...]:
    """Give the classes that can't be ruled out (class-conditional conformal prediction), likeliest first."""
    possible = [name for name, p in probabilities.items() if p >= 1 - card.conformal.get(name, 1.0)]
    return tuple(sorted(possible, key=lambda name: -probabilities[name]))


def any_tumor(probabilities: Mapping[str, float], card: ModelCard) -> float:
    """Probability of any tumour class."""
    return sum(probabilities[c.name] for c in card.classes if c.tumor)


def other_finding(probabilities: Mapping[str, float], card: ModelCard) -> float:
    """Probability of a finding of another kind, given that there is no tumour; 0 for a card without such classes."""
    finding = sum(probabilities[c.name] for c in card.classes if c.role == "finding")
    clear = sum(probabilities[c.name] for c in card.classes if c.role == "clear")
    return finding / (finding + clear) if finding else 0.0


def decide(probabilities: Mapping[str, float], card: ModelCard, tta_disagreement: float = 0.0) -> Decision:
    """Give the verdict that a model's probabilities allow.

    Signs are reported when the probability of any tumour is at or above the positive operating point and nothing clear
    is possible; absence when it is at or below the negative one, no tumour is possible, and a finding of another kind
    is not too likely. Both only when the views of the picture agree (``tta_disagreement``, see ``Prediction``, is at
    most the card's ``max_tta_disagreement``). Everything else is "not sure"; where it is only a finding that stands in
    the way, or one is likeliest, that is told as the reason.
    """
    role = {c.name: c.role for c in card.classes}
    possible = prediction_set(probabilities, card)
    roles = _possible_roles(probabilities, card, possible)
    agree = tta_disagreement <= card.max_tta_disagreement
    points, tumor = card.operating_points, any_tumor(probabilities, card)
    unusual = other_finding(probabilities, card) > points.finding
    absent = agree and roles == {"clear"} and tumor <= points.negative
    verdict, candidates = Verdict.NOT_SURE, list(probabilities)
    if agree and roles == {"tumor"} and tumor >= points.positive:
        verdict, candidates = Verdict.TUMOR_SIGNS, [name for name in probabilities if role[name] == "tumor"]
    elif absent and unusual:
        candidates = [name for name in probabilities if role[name] == "finding"]
    elif absent:
        verdict, candidates = Verdict.NO_TUMOR_SIGNS, [name for name in probabilities if role[name] == "clear"]
    label = max(candidates, key=lambda name: probabilities[name])
    reason = Reason.READ
    if verdict is Verdict.NOT_SURE:
        reason = Reason.UNUSUAL_FINDING if role[label] == "finding" else Reason.UNDECIDED
    named = sorted({*possible, label}, key=lambda name: -probabilities[name])
    return Decision(verdict, reason, label, probabilities[label], tuple(named))


def _possible_roles(probabilities: Mapping[str, float], card: ModelCard, possible: tuple[str, ...]) -> set[str]:
    """Which of tumour and clear can't be ruled out: by quantiles of their own, else by the classes still ``possible``.

    A class that few calibration pictures have can't say what it rules out, a role can.
    """
    if not card.role_conformal:
        return {c.role for c in card.classes if c.name in possible and c.role != "finding"}
    by_role = {kind: sum(probabilities[c.name] for c in card.classes if c.role == kind) for kind in card.role_conformal}
    return {kind for kind, quantile in card.role_conformal.items() if by_role[kind] >= 1 - quantile}


def likeliest_tumor(probabilities: Mapping[str, float], card: ModelCard) -> str:
    """Name the tumour class whose map is shown, whatever the verdict."""
    return max((c.name for c in card.classes if c.tumor), key=lambda name: probabilities[name])
