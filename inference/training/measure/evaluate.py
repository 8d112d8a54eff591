"""Measures a shipped model on val and test through the path that serves, beside baselines that see hardly any shape."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.backends import load_backend
from inference.card import ModelCard
from inference.model import Model
from inference.training.data.example import EXTRA_TEST, LEFT_OUT, Example, read_picture
from inference.training.fit import baselines
from inference.training.fit.ranking import auc
from inference.training.measure import heatmaps, integers, metrics
from inference.training.measure.calibrate import Scored
from inference.training.predict import PredictionBatch, Rgb, open_picture, probabilities_of, read_files, said
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
Part = tuple[list[Example], PredictionBatch]
PARTS = ("val", "test", LEFT_OUT, EXTRA_TEST)
SPECIFICITY = 0.95
KINDS = {("leukemia", "mehrad_all"): "all", ("leukemia", "aml_lmu_2class"): "aml"}
"""Class and source of pictures -> the one kind of illness that they show: people are told what a model learned from."""
LEAST_ROWS = 8
"""Fewer pictures of a sequence, a plane or a finding say nothing."""
FINDINGS_OF = ("no_tumor", "other_finding", "tumor_other")
"""Classes whose diagnosis is told; that of the others is the class."""
SURE_WRONG, MOST_DOUBTFUL = 0.95, 25
RANDOMISED_ON = 24
"""Pictures of test on which maps of other weights are compared."""


def provenance(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """What a model was trained on: counts by class and source (the pictures themselves are not shipped)."""
    counts = Counter((e.label, e.source) for e in examples if e.part == "train")
    return [
        {
            "class": label,
            **({"kind": KINDS[label, source]} if (label, source) in KINDS else {}),
            "set": source,
            "pictures": count,
            "licence": "mixed or unknown; pictures not shipped",
        }
        for (label, source), count in sorted(counts.items())
    ]


def read_parts(organ_model: Model, examples: Sequence[Example], progress: Callable[[], None] | None) -> dict[str, Part]:
    """Let an expert read val and test as it does in the bot."""
    parts = {part: [e for e in examples if e.part == part] for part in PARTS}
    return {
        part: (rows, read_files(organ_model, [e.path for e in rows], progress)) for part, rows in parts.items() if rows
    }


def organ_figures(
    recipe: Recipe, organ_model: Model, folder: Path, examples: Sequence[Example], parts: dict[str, Part]
) -> dict[str, Any]:
    """Every figure of an expert's card that needs no other pictures than val and test."""
    card = organ_model.card
    known = baselines.fit(recipe, [e for e in examples if e.part == "train"])
    result: dict[str, Any] = {}
    thresholds: dict[str, float] | None = None
    for part, (rows, predictions) in parts.items():
        labels = labels_of(recipe, rows)
        seen = baselines.features(rows, blank_bars=False)
        heat = heatmaps.figures(recipe, card, predictions, rows, thresholds)
        thresholds = heat.get("thresholds_chosen_on_val")
        result[part] = {
            "pictures": dict(sorted(Counter(e.label for e in rows).items())),
            "model": table(recipe, predictions.probabilities, labels, rows),
            **{name: table(recipe, fitted(seen[name]), labels, rows) for name, fitted in known.items()},
            "verdicts": verdicts(recipe, predictions, labels, rows),
            "breakdown": breakdown(recipe, predictions, labels, rows),
            "doubtful_labels": doubtful_labels(recipe, predictions, labels, rows),
            "prediction_sets": prediction_sets(card, predictions.probabilities, labels, rows),
            "doubt": doubt(recipe, card, predictions, labels, rows),
            "heat_map": heat,
        }
    rows, predictions = parts["test"] if "test" in parts else parts["val"]
    chosen = [rows[int(i)] for i in np.linspace(0, len(rows) - 1, min(RANDOMISED_ON, len(rows)))]
    tensors = np.concatenate([organ_model.tensor(read_picture(e.path)) for e in chosen])
    result["grad_cam_error"] = float(f"{heatmaps.grad_cam_error(folder, card, tensors):.1e}")
    if card.arithmetic == "int8":
        result["integers"] = integers.figures(card, folder, tensors_of(organ_model, rows))
    result["map_correlation_with_random_weights"] = heatmaps.randomised(card, folder, tensors)
    result["speed_ms_one_thread"] = speed(folder, card)
    result["read_ms_one_thread"] = reading_speed(organ_model, [open_picture(e.path) for e in chosen])
    return result


def tensors_of(model: Model, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Some of the pictures as the model gets them, ``integers.MOST`` at most: [N, side, side, C]."""
    rows = np.linspace(0, len(examples) - 1, min(integers.MOST, len(examples)))
    return np.concatenate([model.tensor(read_picture(examples[int(i)].path)) for i in rows])


def table(
    recipe: Recipe, probabilities: Floats, labels: NDArray[np.int32], examples: Sequence[Example]
) -> dict[str, Any]:
    """Accuracy, F1, AUC and calibration with 95 % intervals over groups, and recall by class."""
    groups = [e.group for e in examples]
    predicted = probabilities.argmax(1).astype(np.int32)
    names = recipe.class_names
    confidence, correct = probabilities.max(1), predicted == labels
    error = metrics.interval(lambda i: metrics.calibration_error(confidence[i], correct[i]), groups)
    result: dict[str, Any] = {
        "accuracy": metrics.share(correct, groups),
        "macro_f1": metrics.interval(lambda i: metrics.macro_f1(predicted[i], labels[i], len(names)), groups),
        "recall": {
            names[k]: metrics.share(correct[labels == k], of(groups, labels == k)) for k in np.unique(labels).tolist()
        },
        "log_loss": round(float(-np.log(probabilities[np.arange(len(labels)), labels].clip(1e-12)).mean()), 4),
        "calibration_error": error | {"if_perfect": round(metrics.calibration_error_by_chance(confidence), 4)},
    }
    ill = recipe.positive(labels)
    if len(np.unique(ill)) == 2:
        score = recipe.score(probabilities)
        what = "tumor" if recipe.organ else "scan"
        result[f"auc_{what}"] = metrics.interval(lambda i: auc(score[i], ill[i]), groups)
        result[f"sensitivity_at_specificity_{SPECIFICITY}"] = metrics.interval(
            lambda i: metrics.sensitivity_at(score[i], ill[i], SPECIFICITY), groups
        )
    return result


def verdicts(
    recipe: Recipe, predictions: PredictionBatch, labels: NDArray[np.int32], examples: Sequence[Example]
) -> dict[str, Any]:
    """What people are told, by source: shares of signs, no signs and not sure, each with its interval."""
    ill = recipe.positive(labels)
    sources = np.array([e.domain for e in examples])
    groups = [e.group for e in examples]

    def shares(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        named = {"signs": predictions.said == 1, "no_signs": predictions.said == -1, "not_sure": predictions.said == 0}
        here = of(groups, chosen)
        return {"pictures": int(chosen.sum())} | {k: metrics.share(v[chosen], here) for k, v in named.items()}

    result: dict[str, Any] = {}
    for name, side in (("with_tumor", ill), ("without_tumor", ~ill)):
        if side.any():
            result[name] = shares(side) | {
                "by_source": {str(s): shares(side & (sources == s)) for s in np.unique(sources[side])}
            }
    return result


def breakdown(
    recipe: Recipe, predictions: PredictionBatch, labels: NDArray[np.int32], examples: Sequence[Example]
) -> dict[str, Any]:
    """AUC and what people are told by sequence, plane and finding, where ``LEAST_ROWS`` or more pictures are known."""
    ill, score = recipe.positive(labels), recipe.score(predictions.probabilities)
    result: dict[str, Any] = {}
    for name, values in (
        ("sequence", [e.detail for e in examples]),
        ("plane", [e.plane for e in examples]),
        ("finding", [e.finding if e.label in FINDINGS_OF else "" for e in examples]),
    ):
        column = np.array(values)
        rows = {}
        for value in sorted(set(values) - {""}):
            here = column == value
            if here.sum() < LEAST_ROWS:
                continue
            groups = of([e.group for e in examples], here)
            rows[value] = {"pictures": int(here.sum()), "with_tumor": int(ill[here].sum())} | {
                "signs": metrics.share(predictions.said[here] == 1, groups),
                "no_signs": metrics.share(predictions.said[here] == -1, groups),
            }
            if 0 < ill[here].sum() < here.sum():
                found, positive = score[here], ill[here]
                rows[value]["auc"] = metrics.interval(
                    lambda i, f=found, p=positive: auc(f[i], p[i]),  # type: ignore[misc]
                    groups,
                )
        if rows:
            result[name] = rows
    return result


def doubtful_labels(
    recipe: Recipe, predictions: PredictionBatch, labels: NDArray[np.int32], examples: Sequence[Example]
) -> list[dict[str, Any]]:
    """Pictures that the model is sure to be labelled wrong, by file: what somebody should look at again."""
    score, ill = recipe.score(predictions.probabilities), recipe.positive(labels)
    wrong = np.where(ill, 1 - score, score)
    order = [int(i) for i in np.argsort(-wrong)[:MOST_DOUBTFUL] if wrong[i] > SURE_WRONG]
    return [
        {
            "file": f"{examples[i].path.parent.parent.name}/{examples[i].path.name}",
            "label": examples[i].label,
            "finding": examples[i].finding,
            "tumor": round(float(score[i]), 4),
        }
        for i in order
    ]


def prediction_sets(
    card: ModelCard, probabilities: Floats, labels: NDArray[np.int32], examples: Sequence[Example]
) -> dict[str, Any]:
    """Coverage in each class, and how large the sets are."""
    inside = np.array([probabilities[:, k] >= 1 - card.conformal[n] for k, n in enumerate(card.class_names)]).T
    held = inside[np.arange(len(labels)), labels]
    groups = [e.group for e in examples]
    return {
        "coverage": {
            card.class_names[k]: metrics.share(held[labels == k], of(groups, labels == k))
            for k in np.unique(labels).tolist()
        },
        "mean_size": round(float(inside.sum(1).mean()), 4),
        "empty": round(float((inside.sum(1) == 0).mean()), 4),
    }


def doubt(
    recipe: Recipe,
    card: ModelCard,
    predictions: PredictionBatch,
    labels: NDArray[np.int32],
    examples: Sequence[Example],
) -> dict[str, Any]:
    """How well the model knows when it does not know: wrong answers among those given, and among the surest 90 %."""
    groups = [e.group for e in examples]
    ill = recipe.positive(labels)
    score = recipe.score(predictions.probabilities)
    sure, right = np.maximum(score, 1 - score), (score >= 0.5) == ill
    top, kind = predictions.probabilities.max(1), predictions.probabilities.argmax(1) == labels
    wrong = ((predictions.said == 1) & ~ill) | ((predictions.said == -1) & ill)
    answered = predictions.said != 0
    result = {
        "answered": metrics.share(answered, groups),
        "told_wrong": metrics.share(wrong, groups),
        "risk_at_90_coverage_tumor_or_not": metrics.interval(lambda i: metrics.risk_at(sure[i], right[i]), groups),
        "risk_at_90_coverage_kind": metrics.interval(lambda i: metrics.risk_at(top[i], kind[i]), groups),
    }
    if len(card.views) > 1:
        far = predictions.tta_disagreement > card.max_tta_disagreement
        result["views_disagree"] = metrics.share(far, groups)
        if (~right).any():
            result["views_disagree_where_wrong"] = metrics.share(far[~right], of(groups, ~right))
    return result


def domains_left_out(recipe: Recipe, card: ModelCard, unseen: Scored) -> dict[str, Any]:
    """What models of the same recipe say about domains that they have not seen, at the card's operating points."""
    probabilities = probabilities_of(unseen.logits, card.temperature)
    told = said(card, probabilities)
    predicted, domains = probabilities.argmax(1), np.array(unseen.sources)
    result: dict[str, Any] = {}
    for domain in np.unique(domains):
        chosen = domains == domain
        for k in np.unique(unseen.labels[chosen]).tolist():
            here = chosen & (unseen.labels == k)
            result[f"{domain} ({recipe.class_names[k]})"] = {
                "pictures": int(here.sum()),
                "right": round(float((predicted[here] == k).mean()), 4),
                "signs": round(float((told[here] == 1).mean()), 4),
                "no_signs": round(float((told[here] == -1).mean()), 4),
            }
    return result


def speed(folder: Path, card: ModelCard) -> float:
    """Median milliseconds of processor time in LiteRT, one thread, for all views of a picture made ready."""
    backend = load_backend("litert", folder, card)
    shape = (1, card.input.side, card.input.side, card.input.channels)
    picture = np.random.default_rng(0).random(shape).astype(np.float32)
    times = []
    for _ in range(60):
        start = time.process_time()  # what else the machine does is no part of it
        for _view in card.views:
            backend.run(picture)
        times.append(time.process_time() - start)
    return round(float(np.median(times)) * 1000, 2)


def reading_speed(organ_model: Model, pictures: Sequence[Rgb]) -> float:
    """Median milliseconds of processor time from the pixels of a picture to its probabilities and maps."""
    times = []
    for picture in [*pictures[:4], *pictures, *pictures]:  # the first ones are slow
        start = time.process_time()
        organ_model.read(picture)
        times.append(time.process_time() - start)
    return round(float(np.median(times[4:])) * 1000, 2)


def labels_of(recipe: Recipe, examples: Sequence[Example]) -> NDArray[np.int32]:
    """Class indices [N]."""
    return np.array([recipe.class_names.index(e.label) for e in examples], np.int32)


def of(groups: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    """The groups of the pictures that are chosen [N]."""
    return [group for group, is_chosen in zip(groups, chosen, strict=True) if is_chosen]
