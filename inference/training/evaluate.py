"""Measures a shipped model on val and test from its LiteRT file, beside baselines that see no shapes."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.analysis import Verdict
from inference.card import ModelCard
from inference.training import data, metrics
from inference.training.calibrate import Scored
from inference.training.data import Example
from inference.training.predict import Predictions, predict, probabilities
from inference.training.recipes import BLOOD_SMEAR, OTHER, Recipe
from inference.verdict import judge

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)


def provenance(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """What a model was trained on: counts by class and source (the pictures themselves are not shipped)."""
    counts = Counter((e.label, e.source) for e in examples if e.part == "train")
    return [
        {"class": label, "set": source, "pictures": count, "licence": "mixed or unknown; pictures not shipped"}
        for (label, source), count in sorted(counts.items())
    ]


def figures(recipe: Recipe, card: ModelCard, folder: Path, examples: Sequence[Example]) -> dict[str, Any]:
    """Every figure of the card for ``recipe``, from the files in ``folder``."""
    parts = {part: [e for e in examples if e.part == part] for part in ("train", "val", "test")}
    answers = {part: predict(folder, data.tensors(parts[part], recipe.input)) for part in ("val", "test")}
    baseline = metrics.fit_linear(
        colours(parts["train"], blank_bars=True), _labels(recipe, parts["train"]), len(recipe.classes)
    )
    result: dict[str, Any] = {}
    for part in ("val", "test"):
        labels, chances = _labels(recipe, parts[part]), probabilities(answers[part].logits, card.temperature)
        result[part] = {
            "pictures": dict(sorted(Counter(e.label for e in parts[part]).items())),
            "model": table(recipe, chances, labels, parts[part]),
            "brightness_or_colour_only": table(recipe, baseline(colours(parts[part])), labels, parts[part]),
        }
        if recipe.organ:
            result[part]["verdicts"] = verdicts(recipe, card, chances, labels, parts[part])
            result[part]["heat_map"] = heat_maps(recipe, card, answers[part], parts[part])
        else:
            result[part]["gate"] = refusals(recipe, card, chances, parts[part])
    result["speed_ms_one_thread"] = speed(folder, recipe)
    return result


def table(recipe: Recipe, chances: NDArray[np.float64], labels: NDArray[np.int32], examples: Sequence[Example]) -> Any:
    """Accuracy, F1, AUC and calibration with 95 % intervals over groups, and recall by class."""
    groups = [e.group for e in examples]
    predicted = chances.argmax(1).astype(np.int32)
    names = recipe.class_names
    free = recipe.tumor_free
    confidence = chances.max(1)
    result: dict[str, Any] = {
        "accuracy": metrics.interval(lambda i: float((predicted[i] == labels[i]).mean()), groups),
        "macro_f1": metrics.interval(lambda i: metrics.macro_f1(predicted[i], labels[i], len(names)), groups),
        "recall": {names[k]: round(float((predicted[labels == k] == k).mean()), 4) for k in np.unique(labels).tolist()},
        "log_loss": round(float(-np.log(chances[np.arange(len(labels)), labels].clip(1e-12)).mean()), 4),
        "calibration_error": round(metrics.calibration_error(confidence, predicted == labels), 4),
    }
    if len(np.unique(labels == free)) == 2:
        what = "auc_tumor" if recipe.organ else "auc_scan"
        score = 1 - chances[:, free]
        result[what] = metrics.interval(lambda i: metrics.auc(score[i], labels[i] != free), groups)
    return result


def verdicts(
    recipe: Recipe,
    card: ModelCard,
    chances: NDArray[np.float64],
    labels: NDArray[np.int32],
    examples: Sequence[Example],
) -> dict[str, Any]:
    """What people would be told at the operating points, by source: shares of signs, no signs and not sure."""
    said = answers(card, chances)
    ill = labels != recipe.tumor_free
    sources = np.array([e.detail if recipe.name == BLOOD_SMEAR else e.source for e in examples])

    def shares(chosen: NDArray[np.bool_]) -> dict[str, float]:
        named = {"signs": said == 1, "no_signs": said == -1, "not_sure": said == 0}
        return {"pictures": int(chosen.sum())} | {k: round(float(v[chosen].mean()), 4) for k, v in named.items()}

    result: dict[str, Any] = {}
    for name, side in (("with_tumor", ill), ("without_tumor", ~ill)):
        if side.any():
            result[name] = shares(side) | {
                "by_source": {str(s): shares(side & (sources == s)) for s in np.unique(sources[side])}
            }
    inside = np.array([chances[:, k] >= 1 - card.conformal[n] for k, n in enumerate(card.class_names)]).T
    result["prediction_sets"] = {
        "coverage": round(float(inside[np.arange(len(labels)), labels].mean()), 4),
        "mean_size": round(float(inside.sum(1).mean()), 4),
    }
    return result


def answers(card: ModelCard, chances: NDArray[np.float64]) -> NDArray[np.int_]:
    """What serving says to each row of probabilities [N, K]: 1 signs, -1 no signs, 0 not sure."""
    meaning = {Verdict.TUMOR_SIGNS: 1, Verdict.NO_TUMOR_SIGNS: -1}
    judged = (judge(dict(zip(card.class_names, row.tolist(), strict=True)), card) for row in chances)
    return np.array([meaning.get(judgement.verdict, 0) for judgement in judged])


def heat_maps(recipe: Recipe, card: ModelCard, answer: Predictions, examples: Sequence[Example]) -> dict[str, Any]:
    """How well the map points at the tumour, and how often it lights up without one."""
    labels, free = _labels(recipe, examples), recipe.tumor_free
    tumor = np.delete(answer.maps[labels == free], free, axis=3).max((1, 2, 3))
    result: dict[str, Any] = {
        "healthy_above_half_scale": round(float((tumor > card.heatmap_full_scale / 2).mean()), 4)
        if len(tumor)
        else None
    }
    marked = [i for i, e in enumerate(examples) if e.mask]
    if marked:
        masks = np.stack([data.read_mask(examples[i].mask, recipe.input.side) for i in marked])  # type: ignore[arg-type]  # chosen for having one
        result["true_class"] = metrics.pointing(answer.maps[marked, :, :, labels[marked]], masks)
    return result


def refusals(
    recipe: Recipe, card: ModelCard, chances: NDArray[np.float64], examples: Sequence[Example]
) -> dict[str, Any]:
    """Scans refused and other pictures let in at the operating point, by source or kind."""
    other = recipe.class_names.index(OTHER)
    organ = np.delete(chances, other, 1)
    let_in = organ.max(1) >= card.operating_points.positive
    taken_for = organ.argmax(1)
    result: dict[str, Any] = {"scans_refused": {}, "others_let_in": {}}
    sources = np.array([e.detail if e.label == BLOOD_SMEAR else e.source for e in examples])
    labels = _labels(recipe, examples)
    for k, name in enumerate(recipe.class_names):
        chosen = labels == k
        wrong = let_in if k == other else ~(let_in & (taken_for == k))
        result["others_let_in" if k == other else "scans_refused"][name] = {
            "pictures": int(chosen.sum()),
            "share": round(float(wrong[chosen].mean()), 4),
            "by_source": {
                str(s): [int(wrong[chosen & (sources == s)].sum()), int((chosen & (sources == s)).sum())]
                for s in np.unique(sources[chosen])
            },
        }
    return result


def looks_left_out(recipe: Recipe, card: ModelCard, unseen: Scored) -> dict[str, Any]:
    """What models of the same recipe say about looks that they have not seen, at the card's operating points."""
    chances = probabilities(unseen.logits, card.temperature)
    said = answers(card, chances)
    predicted, looks = chances.argmax(1), np.array(unseen.sources)
    result: dict[str, Any] = {}
    for look in np.unique(looks):
        chosen = looks == look
        for k in np.unique(unseen.labels[chosen]).tolist():
            here = chosen & (unseen.labels == k)
            result[f"{look} ({recipe.class_names[k]})"] = {
                "pictures": int(here.sum()),
                "right": round(float((predicted[here] == k).mean()), 4),
                "signs": round(float((said[here] == 1).mean()), 4),
                "no_signs": round(float((said[here] == -1).mean()), 4),
            }
    return result


def colours(examples: Sequence[Example], *, blank_bars: bool = False) -> NDArray[np.float64]:
    """Percentiles of each colour: all that the baseline may know of a picture [N, 27]."""
    rows = []
    for example in examples:
        picture = data.read_picture(example.path)
        if blank_bars and example.source == "mehrad_all":
            picture = data.blank_scale_bar(picture)
        rows.append(np.percentile(picture[::2, ::2], PERCENTILES, axis=(0, 1)).ravel())
    return np.array(rows)


def speed(folder: Path, recipe: Recipe) -> float:
    """Median milliseconds of one forward pass in LiteRT with one thread."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(folder / "model.tflite"), num_threads=1).get_signature_runner()
    picture = np.random.default_rng(0).random((1, recipe.input.side, recipe.input.side, recipe.input.channels))
    times = []
    for _ in range(60):
        start = time.perf_counter()
        runner(picture=picture.astype(np.float32))
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)) * 1000, 2)


def _labels(recipe: Recipe, examples: Sequence[Example]) -> NDArray[np.int32]:
    return np.array([recipe.class_names.index(e.label) for e in examples], np.int32)
