"""The first table of a model card: what was aimed at, what was reached, and what fell short."""

from collections.abc import Sequence
from typing import Any

from inference.card import OTHER, ModelCard

Aim = tuple[str, tuple[str, ...], str, float]
"""Words, the way to the figure within a part, ">=" or "<=", and the bound."""

EXPERT: tuple[Aim, ...] = (
    ("tumour or not: area under the ROC curve", ("model", "auc_tumor"), ">=", 0.99),
    ("sensitivity at specificity 0.95", ("model", "sensitivity_at_specificity_0.95"), ">=", 0.98),
    ("macro F1 over the classes", ("model", "macro_f1"), ">=", 0.94),
    ("told wrong, of all pictures", ("doubt", "told_wrong"), "<=", 0.01),
    ("wrong among the surest 90 %, signs or none", ("doubt", "risk_at_90_coverage_tumor_or_not"), "<=", 0.01),
    ("calibration error, 15 bins", ("model", "calibration_error"), "<=", 0.02),
    ("mean size of a prediction set", ("prediction_sets", "mean_size"), "<=", 1.2),
    ("hottest pixel lies in the tumour", ("heat_map", "pointing", "heat_map", "pointing_game"), ">=", 0.9),
    ("heat that lies in the tumour", ("heat_map", "pointing", "heat_map", "energy_inside"), ">=", 0.5),
    ("Dice of the hot area with the tumour", ("heat_map", "pointing", "heat_map", "dice"), ">=", 0.6),
    ("healthy pictures with a bright spot", ("heat_map", "healthy_with_a_bright_spot"), "<=", 0.02),
)
CELLS: tuple[Aim, ...] = (
    ("signs or none: area under the ROC curve", ("model", "auc_tumor"), ">=", 0.85),
    ("healthy pictures told to show signs", ("verdicts", "without_tumor", "signs"), "<=", 0.05),
    *EXPERT[3:7],
    EXPERT[10],
)
GATE: tuple[Aim, ...] = (
    ("scan or not: area under the ROC curve", ("model", "auc_scan"), ">=", 0.99),
    ("other pictures let in", ("gate", "others_let_in", OTHER), "<=", 0.005),
)
MOST_REFUSED = 0.02


def aims(card: ModelCard) -> tuple[Aim, ...]:
    """What is aimed at: for a gate, for a model of measured cells (which come from few laboratories), for any other."""
    if card.organ is None:
        refused = [
            (f"{c.words}: refused", ("gate", "scans_refused", c.name), "<=", MOST_REFUSED) for c in card.classes[:-1]
        ]
        return (GATE[0], *refused, GATE[1])
    return CELLS if card.input.normalisation == "cells" else EXPERT


def headline(card: ModelCard) -> list[str]:
    """The table as Markdown; nothing before the model was evaluated."""
    if "test" not in card.figures and "val" not in card.figures:
        return []
    rows = [row for aim in aims(card) if (row := _row(card.figures, aim))]
    sets = card.figures.get("test", card.figures.get("val", {})).get("prediction_sets")
    if sets:
        covered = [share["value"] for share in sets["coverage"].values()]
        low, high = min(covered), max(covered)
        kept = "yes" if low >= 0.93 and high <= 0.97 else "**no**"
        rows.append(
            f"| true class in the prediction set, by class | 0.93 to 0.97 | {low:.3f} to {high:.3f} | {kept} | |"
        )
    return ["| on test | aim | reached | met | on val |", "|---|---|---|---|---|", *rows, ""]


def _row(figures: dict[str, Any], aim: Aim) -> str | None:
    words, way, sign, bound = aim
    test, val = (_find(figures.get(part), way) for part in ("test", "val"))
    if test is None:
        return None
    value = test[0]
    met = value >= bound if sign == ">=" else value <= bound
    return f"| {words} | {sign} {bound} | {_said(test)} | {'yes' if met else '**no**'} | {_said(val) if val else ''} |"


def _find(part: Any, way: Sequence[str]) -> tuple[float, list[float]] | None:
    """The value and its interval (empty where none was taken), or None where that was not measured."""
    for step in way:
        if not isinstance(part, dict) or step not in part:
            return None
        part = part[step]
    if not isinstance(part, dict):
        return float(part), []
    return float(part["value" if "value" in part else "share"]), list(part["ci95"])


def _said(figure: tuple[float, list[float]]) -> str:
    value, interval = figure
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
