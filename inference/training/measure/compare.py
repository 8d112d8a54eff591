"""Sets models of one organ side by side on the same pictures: what a new one must show before it is shipped.

Test and val are of the training's places; the others are of places that the training did not see, and none of those is
like the rest, so each stands by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.training.data.example import EXTRA_TEST, LEFT_OUT, Example
from inference.training.fit.mix import ARCHIVE
from inference.training.fit.ranking import auc
from inference.training.measure import metrics
from inference.training.predict import PredictionBatch
from inference.training.recipes import Recipe

ARCHIVE_SET = "archive"
SETS = ("test", "val", LEFT_OUT, ARCHIVE_SET, EXTRA_TEST)


@dataclass(frozen=True, slots=True)
class VerdictShares:
    """Shares of the pictures of one kind that are told signs, no signs and not sure; ``pictures`` may be 0."""

    pictures: int
    signs: float
    no_signs: float
    not_sure: float


@dataclass(frozen=True, slots=True)
class Row:
    """What one model says of one set; ``auc`` is of any tumour or none, nan where a side is missing."""

    auc: float
    macro_f1: float
    """Over the classes that occur; of a class that the model does not have none is right."""
    tumors: VerdictShares
    clear: VerdictShares
    findings: VerdictShares
    """Pictures with a finding of another kind, which is no tumour."""


def set_of(example: Example) -> str | None:
    """The set of ``SETS`` that a picture counts in; None for those of the training."""
    if example.part == "val" and example.source == ARCHIVE:
        return ARCHIVE_SET
    return example.part if example.part in SETS else None


def figures(
    recipe: Recipe, models: Mapping[str, tuple[tuple[str, ...], PredictionBatch]], examples: Sequence[Example]
) -> dict[str, dict[str, Row]]:
    """Set -> model's name -> its row; ``models`` gives each model's class names and what it read of ``examples``."""
    sets = np.array([set_of(example) or "" for example in examples])
    labels = [example.label for example in examples]
    role = {c.name: c.role for c in recipe.classes}
    roles = np.array([role[label] for label in labels])
    return {
        name: {
            model: _row(names, predictions, labels, roles, role, sets == name)
            for model, (names, predictions) in models.items()
        }
        for name in SETS
        if (sets == name).any()
    }


def _row(
    names: tuple[str, ...],
    predictions: PredictionBatch,
    labels: Sequence[str],
    roles: NDArray[np.str_],
    role: Mapping[str, str],
    here: NDArray[np.bool_],
) -> Row:
    order = [*names, *sorted({*labels} - {*names})]
    true = np.array([order.index(label) for label in labels], np.int32)
    ill = roles == "tumor"
    score = predictions.probabilities[:, [role.get(name, "clear") == "tumor" for name in names]].sum(1)
    predicted = predictions.probabilities.argmax(1).astype(np.int32)
    return Row(
        auc=auc(score[here], ill[here]),
        macro_f1=metrics.macro_f1(predicted[here], true[here], len(order)),
        tumors=_told(predictions.said, here & ill),
        clear=_told(predictions.said, here & (roles == "clear")),
        findings=_told(predictions.said, here & (roles == "finding")),
    )


def _told(said: NDArray[np.int_], chosen: NDArray[np.bool_]) -> VerdictShares:
    if not chosen.any():
        return VerdictShares(0, 0.0, 0.0, 0.0)
    return VerdictShares(int(chosen.sum()), *(float((said[chosen] == what).mean()) for what in (1, -1, 0)))


def lines(found: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """A table for people, in Markdown: signs / no signs / not sure of each kind of picture."""
    table = [
        "| set | model | AUC | macro F1 | tumours told signs / no signs / not sure | nothing unusual, likewise "
        "| another finding, likewise |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in found.items():
        for model, row in rows.items():
            told = " | ".join(_shares(each) for each in (row.tumors, row.clear, row.findings))
            table.append(f"| {name} | {model} | {row.auc:.3f} | {row.macro_f1:.3f} | {told} |")
    return table


def _shares(told: VerdictShares) -> str:
    if not told.pictures:
        return "-"
    return f"{told.signs:.3f} / {told.no_signs:.3f} / {told.not_sure:.3f} of {told.pictures}"
