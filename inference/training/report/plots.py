"""The figures of a model card as SVG: ROC, reliability, confusion, risk by coverage, and a gallery without pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.card import Input, ModelCard
from inference.preprocess import tensor
from inference.training.data import dataset
from inference.training.data.example import Example, read_picture
from inference.training.fit.ranking import auc
from inference.training.measure import heatmaps, metrics
from inference.training.predict import PredictionBatch
from inference.training.recipes import Recipe
from inference.training.report import svg
from inference.training.report.svg import Panel, words

PLOTS, GALLERY = "plots.svg", "gallery.svg"
SIDE = 250
TILE = 132
FEW = 8
"""Bins with fewer pictures are shown as dots, but the line does not follow them."""
ROWS = {"told right": 5, "told wrong": 5, "not sure": 5}
"""What the gallery shows, and how many of each."""


def write(
    recipe: Recipe, card: ModelCard, folder: Path, parts: dict[str, tuple[list[Example], PredictionBatch]]
) -> None:
    """Write ``plots.svg`` and ``gallery.svg`` into ``folder``."""
    (folder / PLOTS).write_text(plots(recipe, card, parts), encoding="utf-8")
    rows, predictions = parts["test"] if "test" in parts else parts["val"]
    (folder / GALLERY).write_text(gallery(recipe, card, rows, predictions), encoding="utf-8")


def plots(recipe: Recipe, card: ModelCard, parts: dict[str, tuple[list[Example], PredictionBatch]]) -> str:
    """Four panels: ROC, reliability, confusion (test) and risk by coverage (test)."""
    step = SIDE + 90
    left = 78
    drawn_parts = {name: parts[name] for name in ("test", "extra_test", "val") if name in parts}
    drawn_parts = dict(list(drawn_parts.items())[:2])
    good = all(_area(recipe, rows, predictions) > 0.97 for rows, predictions in drawn_parts.values())
    roc = Panel(left, 40, SIDE, (0, 0.3), (0.7, 1)) if good else Panel(left, 40, SIDE)
    sure = Panel(left + step, 40, SIDE)
    matrix = Panel(left, 40 + step, SIDE)
    roc.axes(
        "ROC, its upper left corner" if good else "ROC", "healthy taken for ill", "ill recognised", 3 if good else 5
    )
    sure.axes("Reliability: said and true", "probability of the answer", "share right")
    sure.line([(0, 0), (1, 1)], "c")
    for (rows, predictions), kind in zip(drawn_parts.values(), ("b", "a"), strict=True):
        labels = np.array([recipe.class_names.index(e.label) for e in rows])
        ill, score = recipe.positive(labels), recipe.score(predictions.probabilities)
        if ill.any() and not ill.all():
            roc.line(list(zip(*(v.tolist() for v in metrics.roc(score, ill)), strict=True)), kind)
            for point in (card.operating_points.positive, card.operating_points.negative):
                roc.dot(float((score[~ill] >= point).mean()), float((score[ill] >= point).mean()), 4, f"f{kind}")
        confidence, right = predictions.probabilities.max(1), predictions.probabilities.argmax(1) == labels
        bins = metrics.reliability(confidence, right)
        sure.line([(x, y) for x, y, count in bins if count >= FEW], kind)
        for x, y, count in bins:
            sure.dot(x, y, 1.5 + 6 * (count / len(rows)) ** 0.5, f"f{kind}")
    names = list(zip(drawn_parts, ("b", "a"), strict=True))
    roc.key([*names, ("dots: operating points", "grid")], 0.4, 0.7)
    sure.key([*names, ("as it should be", "c")], 0.06, 0.1)
    rows, predictions = parts["test"] if "test" in parts else parts["val"]
    risk = _risk(recipe, rows, predictions, left + step, 40 + step)
    drawn = [*roc.parts, *sure.parts, *_confusion(recipe, rows, predictions, matrix), *risk.parts]
    return svg.document(left + 2 * step - 30, 40 + 2 * step - 20, f"Figures of {card.name} {card.version}", drawn)


def _area(recipe: Recipe, rows: Sequence[Example], predictions: PredictionBatch) -> float:
    ill = recipe.positive(np.array([recipe.class_names.index(e.label) for e in rows]))
    return auc(recipe.score(predictions.probabilities), ill)


def _risk(recipe: Recipe, rows: Sequence[Example], predictions: PredictionBatch, left: float, top: float) -> Panel:
    labels = np.array([recipe.class_names.index(e.label) for e in rows])
    score = recipe.score(predictions.probabilities)
    binary = metrics.risk_coverage(np.maximum(score, 1 - score), (score >= 0.5) == recipe.positive(labels))
    kind = metrics.risk_coverage(predictions.probabilities.max(1), predictions.probabilities.argmax(1) == labels)
    later = binary[0] >= 0.1  # of the first few pictures one wrong answer is all
    ceiling = float(np.ceil(20 * max(0.05, binary[1][later].max(), kind[1][later].max())) / 20)
    panel = Panel(left, top, SIDE, ys=(0, ceiling))
    panel.axes("Risk by coverage (test)", "share answered, the surest first", "share of these that is wrong")
    lines = [(kind, "b", "which kind")] if len(recipe.classes) > 2 else []
    lines.append((binary, "a", "signs or none"))
    for (covered, risk), kind_of_line, _ in lines:
        panel.line(list(zip(covered[later].tolist(), risk[later].tolist(), strict=True)), kind_of_line)
    panel.line([(0, 0.01), (1, 0.01)], "c")
    panel.key([*((text, kind_of_line) for _, kind_of_line, text in lines), ("1 of 100", "c")], 0.06, 0.1)
    return panel


def _confusion(recipe: Recipe, rows: Sequence[Example], predictions: PredictionBatch, panel: Panel) -> list[str]:
    names = recipe.class_names
    labels = np.array([names.index(e.label) for e in rows])
    predicted, n = predictions.probabilities.argmax(1), len(names)
    cell = panel.side / n
    parts = [words(panel.left, panel.top - 9, "Confusion (test): rows are true", "title")]
    for i in range(n):
        total = max(1, int((labels == i).sum()))
        top = panel.top + i * cell
        parts.append(words(panel.left - 5, top + cell / 2 + 4, names[i][:11], "small end"))
        parts.append(words(panel.left + (i + 0.5) * cell, panel.top + panel.side + 15, names[i][:12], "small mid"))
        for j in range(n):
            count, left = int(((labels == i) & (predicted == j)).sum()), panel.left + j * cell
            strength = 0.06 + 0.5 * count / total
            parts.append(
                f'<rect class="cell" x="{left:.1f}" y="{top:.1f}" width="{cell:.1f}" height="{cell:.1f}" '
                f'fill-opacity="{strength:.2f}"/>'
            )
            parts.append(words(left + cell / 2, top + cell / 2 + 4, str(count), "mid"))
    parts.append(words(panel.left + panel.side / 2, panel.top + panel.side + 32, "answer", "small mid"))
    return parts


def gallery(recipe: Recipe, card: ModelCard, rows: Sequence[Example], predictions: PredictionBatch) -> str:
    """Cases of test, drawn without their pictures: the outline of the tumour and of the heat, and what was said."""
    labels = np.array([recipe.class_names.index(e.label) for e in rows])
    ill, told = recipe.positive(labels), predictions.said
    right = ((told == 1) & ill) | ((told == -1) & ~ill)
    kinds = {"told right": right, "told wrong": (told != 0) & ~right, "not sure": told == 0}
    heats = heatmaps.shown(card, predictions)
    rng = np.random.default_rng(0)
    parts, top = [], 20.0
    for name, count in ROWS.items():
        found = np.flatnonzero(kinds[name])
        chosen = np.sort(rng.permutation(found)[:count])
        parts.append(words(12, top + 6, f"{name}: {len(chosen)} of {len(found)}", "title"))
        for column, i in enumerate(chosen.tolist()):
            parts += _tile(card, rows[i], predictions, heats[i], i, (12 + column * (TILE + 14), top + 16))
        top += TILE + 84 if len(chosen) else 30
    width = 12 + max(ROWS.values()) * (TILE + 14)
    key = "Grey: head and tumour as outlined. Orange: heat above 0.25 and 0.5 of the scale."
    if card.input.normalisation == "cells":
        key = "Each square is a white cell, the stronger the more it spoke for signs; not where it lay."
    parts.append(words(12, top, key, "small"))
    return svg.document(width, int(top + 14), f"Cases of {card.name}, drawn without their pictures", parts)


def _tile(
    card: ModelCard,
    example: Example,
    predictions: PredictionBatch,
    heat: NDArray[np.float32],
    i: int,
    place: tuple[float, float],
) -> list[str]:
    left, top = place
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{TILE}" height="{TILE}"/>']
    if card.slices:
        x, y, rx, ry = _head(read_picture(example.path), card.input)
        parts.append(
            f'<ellipse class="grid" cx="{left + x * TILE:.1f}" cy="{top + y * TILE:.1f}" rx="{rx * TILE:.1f}" '
            f'ry="{ry * TILE:.1f}"/>'
        )
    if example.mask or example.boxes:
        mask = dataset.outline(example, card.input)[::2, ::2] / 255.0
        parts.append(f'<path class="c" d="{svg.outline(mask, 0.5, left, top, TILE)}"/>')
    if card.input.normalisation == "cells":
        parts += _cells(heat, left, top)
    else:
        contours = [svg.outline(heat[::4, ::4], level, left, top, TILE) for level in (0.25, 0.5)]
        parts += [f'<path class="b" d="{contour}"/>' for contour in contours]
    best = int(predictions.probabilities[i].argmax())
    parts.append(words(left, top + TILE + 14, f"true: {example.label}", "small"))
    answer = f"said: {card.class_names[best]} {100 * predictions.probabilities[i, best]:.0f}"
    parts.append(words(left, top + TILE + 28, answer, "small"))
    parts.append(words(left, top + TILE + 42, example.detail[:22] or example.source, "small fc"))
    return parts


def _cells(heat: NDArray[np.float32], left: float, top: float) -> list[str]:
    """A square for each cell, the stronger the more that cell spoke for signs; where they lay is not told."""
    step = TILE / heat.shape[0]
    return [
        f'<rect class="fb" x="{left + c * step + 2:.1f}" y="{top + r * step + 2:.1f}" width="{step - 4:.1f}" '
        f'height="{step - 4:.1f}" fill-opacity="{float(heat[r, c]):.2f}"/>'
        for r in range(heat.shape[0])
        for c in range(heat.shape[1])
        if heat[r, c] > 0.01
    ]


def _head(picture: NDArray[np.uint8], spec: Input) -> tuple[float, float, float, float]:
    """An ellipse around what is not background: middle and half axes in shares of the square that is read."""
    lit = tensor(picture, spec)[0, ..., 0] > 0.16
    rows, columns = np.flatnonzero(lit.mean(1) > 0.02), np.flatnonzero(lit.mean(0) > 0.02)
    if not rows.size or not columns.size:
        return 0.5, 0.5, 0.4, 0.5
    x, y = (columns[0] + columns[-1]) / 2 / spec.side, (rows[0] + rows[-1]) / 2 / spec.side
    return float(x), float(y), float(np.ptp(columns) / 2 / spec.side), float(np.ptp(rows) / 2 / spec.side)
