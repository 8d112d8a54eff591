"""From logits to one answer: calibrated probabilities, a prediction set, operating points."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Reason, Verdict
from inference.card import ModelCard


@dataclass(frozen=True, slots=True)
class Decision:
    """A model's answer; ``label`` is the class that the verdict rests on (the likeliest one when not sure)."""

    verdict: Verdict
    reason: Reason
    label: str
    confidence: float
    """Calibrated probability of ``label``."""
    prediction_set: tuple[str, ...]


def probabilities(logits: NDArray[np.float32], card: ModelCard) -> dict[str, float]:
    """Class name -> calibrated probability: softmax(logits / temperature) (Guo et al. 2017)."""
    scaled = logits.astype(np.float64) / card.temperature
    powers = np.exp(scaled - scaled.max())
    return {name: float(p) for name, p in zip(card.class_names, powers / powers.sum(), strict=True)}


def prediction_set(chances: Mapping[str, float], card: ModelCard) -> tuple[str, ...]:
    """Give the classes that can't be ruled out (class-conditional conformal prediction), likeliest first."""
    possible = [name for name, p in chances.items() if p >= 1 - card.conformal.get(name, 1.0)]
    return tuple(sorted(possible, key=lambda name: -chances[name]))


def any_tumor(chances: Mapping[str, float], card: ModelCard) -> float:
    """Probability of any tumour class."""
    return sum(chances[c.name] for c in card.classes if c.tumor)


def decide(chances: Mapping[str, float], card: ModelCard, tta_disagreement: float = 0.0) -> Decision:
    """Give the verdict that a model's probabilities allow.

    Signs are reported at or above the positive operating point and absence at or below the negative one, and each
    only when the prediction set holds classes of that kind alone and the views of the picture agree
    (``tta_disagreement``, see ``Prediction``, is at most the card's ``max_tta_disagreement``); everything else is
    "not sure".
    """
    tumor = {c.name: c.tumor for c in card.classes}
    score = any_tumor(chances, card)
    possible = prediction_set(chances, card)
    kinds = {tumor[name] for name in possible}
    agree = tta_disagreement <= card.max_tta_disagreement
    if agree and kinds == {True} and score >= card.operating_points.positive:
        verdict, candidates = Verdict.TUMOR_SIGNS, [name for name in chances if tumor[name]]
    elif agree and kinds == {False} and score <= card.operating_points.negative:
        verdict, candidates = Verdict.NO_TUMOR_SIGNS, [name for name in chances if not tumor[name]]
    else:
        verdict, candidates = Verdict.NOT_SURE, list(chances)
    label = max(candidates, key=lambda name: chances[name])
    reason = Reason.UNDECIDED if verdict is Verdict.NOT_SURE else Reason.READ
    return Decision(verdict, reason, label, chances[label], possible)


def likeliest_tumor(chances: Mapping[str, float], card: ModelCard) -> str:
    """Name the tumour class whose map is shown, whatever the verdict."""
    return max((c.name for c in card.classes if c.tumor), key=lambda name: chances[name])
