"""Measures the shipped gate by the rule that serves: on val, test and places kept back, and on drawings.

What the table of places left out says is by detectors that ``train gate`` fitted without them, at the shipped points.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.card import OTHER
from inference.gate.gate import Gate
from inference.training.data.example import Example
from inference.training.data.gate_pictures import RED_CELLS
from inference.training.drawn import ood_kinds, unseen
from inference.training.fit.gate import HELD_OUT_FILE
from inference.training.measure import integers, metrics
from inference.training.measure.evaluate import (
    RANDOMISED_ON,
    labels_of,
    of,
    reading_speed,
    speed,
    table,
    tensors_of,
)
from inference.training.predict import open_picture
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]
PARTS = ("val", "test", "extra_test")
OF_EACH = 20
"""Pictures of each kind of ``ood_kinds`` that the gate is shown."""


def figures(
    recipe: Recipe,
    gate: Gate,
    folder: Path,
    examples: Sequence[Example],
    run: Path,
    progress: Callable[[], None] | None,
) -> dict[str, Any]:
    """Every figure of the gate's card, by the rule that serves."""
    result: dict[str, Any] = {}
    for part in PARTS:
        rows = [e for e in examples if e.part == part]
        if not rows:
            continue
        probabilities, taken_for = admit(recipe, gate, rows, progress)
        labels = labels_of(recipe, rows)
        result[part] = {
            "pictures": dict(sorted(Counter(e.label for e in rows).items())),
            "model": table(recipe, probabilities, labels, rows),
            "gate": refusals(recipe, taken_for, rows),
        }
    result["drawn"] = {"drawings": drawings(gate), "other": other_kinds(gate)}
    if (run / HELD_OUT_FILE).exists():
        found = left_out(run / HELD_OUT_FILE, gate.model.card.organs)
        result["left_out"] = found | {"arithmetic": gate.model.card.arithmetic}
    result["speed_ms_one_thread"] = speed(folder, gate.model.card)
    if gate.model.card.arithmetic == "int8":
        unseen_rows = [e for e in examples if e.part == "test"] or [e for e in examples if e.part == "val"]
        result["integers"] = integers.figures(gate.model.card, folder, tensors_of(gate.model, unseen_rows))
    scans = [e for e in examples if e.part != "train" and e.label != OTHER][:: max(1, len(examples) // RANDOMISED_ON)]
    result["read_ms_one_thread"] = reading_speed(gate.model, [open_picture(e.path) for e in scans])
    return result


def admit(
    recipe: Recipe, gate: Gate, examples: Sequence[Example], progress: Callable[[], None] | None
) -> tuple[Floats, NDArray[np.int_]]:
    """The gate's probabilities [N, K] and the class it takes each picture for ("other" when it refuses) [N]."""
    probabilities, taken_for = [], []
    for example in examples:
        admission = gate.admit(open_picture(example.path))
        probabilities.append([admission.scores[name] for name in recipe.class_names])
        taken_for.append(recipe.class_names.index(admission.organ or OTHER))
        if progress:
            progress()
    return np.array(probabilities), np.array(taken_for)


def refusals(recipe: Recipe, taken_for: NDArray[np.int_], examples: Sequence[Example]) -> dict[str, Any]:
    """Scans refused and other pictures let in, by source or kind."""
    other = recipe.class_names.index(OTHER)
    result: dict[str, Any] = {"scans_refused": {}, "others_let_in": {}}
    sources = np.array([e.domain for e in examples])
    labels, groups = labels_of(recipe, examples), [e.group for e in examples]
    for k, name in enumerate(recipe.class_names):
        chosen = labels == k
        if not chosen.any():
            continue
        wrong = taken_for != k
        found = metrics.share(wrong[chosen], of(groups, chosen))
        result["others_let_in" if k == other else "scans_refused"][name] = {
            "pictures": int(chosen.sum()),
            "share": found["value"],
            "ci95": found["ci95"],
            "by_source": {
                str(s): [int(wrong[chosen & (sources == s)].sum()), int((chosen & (sources == s)).sum())]
                for s in np.unique(sources[chosen])
            },
        }
    return result


def drawings(gate: Gate) -> dict[str, list[int]]:
    """Kind of drawing that no training draws -> [let in, shown]."""
    return _shown(gate, unseen.draw_all())


def other_kinds(gate: Gate) -> dict[str, list[int]]:
    """The same of ``ood_kinds``: body parts by other machines, other cells, patterns."""
    return _shown(gate, ((kind, picture) for kind in ood_kinds.KINDS for picture in ood_kinds.draw(kind, OF_EACH)))


def _shown(gate: Gate, pictures: Iterable[tuple[str, Rgb]]) -> dict[str, list[int]]:
    result: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for kind, picture in pictures:
        result[kind][0] += gate.admit(picture).organ is not None
        result[kind][1] += 1
    return dict(sorted(result.items()))


def left_out(file: Path, organs: Sequence[str]) -> dict[str, Any]:
    """Shares refused by place of scans, and let in by kind of other pictures, unseen and known alike.

    ``unseen``: by a detector that had nothing of the place or the kind; ``known``: that had others of it.
    """
    with np.load(file, allow_pickle=False) as kept:
        scores = {name: kept[name] for name in ("unseen", "known")}
        kinds, places = kept["kinds"], kept["places"]
        plain = np.char.find(kept["keys"], " varied") < 0
    result: dict[str, Any] = {"scans_refused": {}, "others_let_in": {}}
    for k, organ in enumerate(organs):
        for place in np.unique(places[kinds == organ]):
            chosen = (kinds == organ) & (places == place) & plain
            if chosen.any():
                row = {name: _share(values[chosen, k] < 0, values[chosen, k]) for name, values in scores.items()}
                result["scans_refused"][f"{organ}: {place}"] = {"pictures": int(chosen.sum())} | row
    for kind in np.unique(kinds[~np.isin(kinds, (*organs, RED_CELLS))]):
        chosen = (kinds == kind) & plain
        row = {name: _share((values[chosen] >= 0).any(1), values[chosen, 0]) for name, values in scores.items()}
        result["others_let_in"][str(kind)] = {"pictures": int(chosen.sum())} | row
    return result


def _share(wrong: NDArray[np.bool_], values: NDArray[np.float32]) -> float | None:
    judged = np.isfinite(values)
    return round(float(wrong[judged].mean()), 4) if judged.any() else None
