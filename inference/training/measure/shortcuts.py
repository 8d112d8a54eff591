"""Has a model learned where a picture comes from instead of what it shows? Three tests of an expert's shipped files.

``python -m inference.training shortcuts brain_mri`` writes them into the card. The first asks how well a straight line
tells the source from the model's features, among pictures of one class. The other two change a single thing in pictures
of val: the tumour is taken out of a slice, or put into a slice of another place (``inference.training.fit.lesions``).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.card import ModelCard, load_card
from inference.model import Model
from inference.registry import Entry
from inference.training.data import dataset
from inference.training.data.example import Example, read_picture
from inference.training.fit import lesions
from inference.training.fit.baselines import colours, linear_classifier
from inference.training.fit.ranking import auc
from inference.training.measure import metrics
from inference.training.predict import PredictionBatch, Rgb, predict, read
from inference.training.recipes import Recipe

Floats = NDArray[np.float64]
FOLDS = 5
LEAST_PICTURES = 12
"""Sources with fewer pictures, or from fewer people than folds, are left out."""
MOST_PICTURES = 200
"""Of a large source so many are drawn: enough for a straight line."""
SEED = 5


def known_sources(examples: Sequence[Example]) -> list[Example]:
    """Pictures of the sources that can be split by person into folds; of large ones a sample."""
    rng = np.random.default_rng(SEED)
    chosen: list[Example] = []
    for source in sorted({e.source for e in examples}):
        own = [e for e in examples if e.source == source]
        if len(own) < LEAST_PICTURES or len({e.group for e in own}) < FOLDS:
            continue
        kept = rng.permutation(len(own))[:MOST_PICTURES]
        chosen += [own[i] for i in sorted(kept)]
    return chosen


def source_recognised(features: Floats, sources: Sequence[str], groups: Sequence[str]) -> dict[str, Any]:
    """How well a linear classifier tells the source [N] from features [N, F]: balanced accuracy, folds by group.

    With two sources also the AUC. Chance is one over the number of sources (0.5 for the AUC).
    """
    names, labels = np.unique(np.array(sources), return_inverse=True)
    _, people = np.unique(np.array(groups), return_inverse=True)
    fold = np.random.default_rng(SEED).permutation(people.max() + 1)[people] % FOLDS
    probabilities = np.zeros((len(labels), len(names)))
    for f in range(FOLDS):
        rest, here = fold != f, fold == f
        if here.any() and len(np.unique(labels[rest])) == len(names):
            probabilities[here] = linear_classifier(features[rest], labels[rest].astype(np.int32))(features[here])
    hit = probabilities.argmax(1) == labels

    def balanced(i: NDArray[np.intp]) -> float:
        return float(np.mean([hit[i][labels[i] == k].mean() for k in np.unique(labels[i])]))

    result: dict[str, Any] = {
        "sources": {str(n): int((labels == k).sum()) for k, n in enumerate(names)},
        "balanced_accuracy": metrics.interval(balanced, groups),
        "by_chance": round(1 / len(names), 4),
    }
    if len(names) == 2:
        result["auc"] = metrics.interval(lambda i: auc(probabilities[i, 1], labels[i] == 1), groups)
    return result


def tumors_taken_out(recipe: Recipe, arrays: dataset.Arrays) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """Indices of outlined tumours, and each slice without it [S, S], where that can be done."""
    rng = np.random.default_rng(SEED)
    indices, filled = [], []
    for i in np.flatnonzero(arrays.masked & recipe.positive(arrays.labels)):
        mask = arrays.masks[i] > 0
        result = lesions.without_tumor(arrays.pictures[i, ..., 0], mask, rng) if 0 < mask.mean() < 0.05 else None
        if result is not None:
            indices.append(int(i))
            filled.append(result)
    return indices, filled


def tumors_put_in(recipe: Recipe, arrays: dataset.Arrays) -> tuple[list[int], list[int], list[NDArray[np.uint8]]]:
    """Indices of outlined gliomas and meningiomas, of the tumour-free slices that they went into, and what came of it.

    The hosts' sources take turns, so that each place counts alike.
    """
    rng = np.random.default_rng(SEED)
    hosts = np.flatnonzero(arrays.labels == recipe.tumor_free)
    sources = np.array([e.source for e in arrays.examples])
    tumors, into, mixed = [], [], []
    movable = np.isin(arrays.labels, [recipe.class_names.index(name) for name in recipe.movable])
    for i in np.flatnonzero(arrays.masked & movable):
        if not len(hosts):
            break
        place = rng.choice(np.unique(sources[hosts]))
        host = int(rng.choice(hosts[sources[hosts] == place]))
        result = lesions.implant(arrays.pictures[i], arrays.masks[i] > 0, arrays.pictures[host])
        if result is not None and sources[host] != sources[i]:
            tumors.append(int(i))
            into.append(host)
            mixed.append(result[..., 0])
    return tumors, into, mixed


def compared(card: ModelCard, before: PredictionBatch, after: PredictionBatch, groups: Sequence[str]) -> dict[str, Any]:
    """What is said of the same pictures before and after one change; ``auc``: how well the score tells them apart."""
    tumors = [k for k, c in enumerate(card.classes) if c.tumor]
    scores = [predictions.probabilities[:, tumors].sum(1) for predictions in (before, after)]
    result: dict[str, Any] = {"pictures": len(groups)}
    for name, predictions in (("before", before), ("after", after)):
        result[name] = {
            "signs": metrics.share(predictions.said == 1, groups),
            "no_signs": metrics.share(predictions.said == -1, groups),
        }

    def apart(i: NDArray[np.intp]) -> float:
        both = np.concatenate([scores[0][i], scores[1][i]])
        value = auc(both, np.arange(len(both)) < len(i))
        return max(value, 1 - value)

    result["auc_before_against_after"] = metrics.interval(apart, groups)
    return result


def figures(recipe: Recipe, folder: Path, examples: Sequence[Example]) -> dict[str, Any]:
    """All three tests of the model in ``folder``; nothing of test takes part."""
    card = load_card(folder)
    result: dict[str, Any] = {"weights": card.sha256["model.tflite"], "source_from_features": {}}
    model = Model.load(Entry(folder, card))
    for label in recipe.class_names:
        rows = known_sources([e for e in examples if e.label == label and e.part in ("train", "val")])
        if len({e.source for e in rows}) < 2:
            continue
        sources, groups = [e.source for e in rows], [e.group for e in rows]
        tensors = np.concatenate([model.tensor(read_picture(e.path)) for e in rows])
        known = {
            "brightness_or_colour_only": np.array([colours(read_picture(e.path)) for e in rows]),
            "model": predict(folder, tensors).features.astype(np.float64),
        }
        result["source_from_features"][label] = {n: source_recognised(f, sources, groups) for n, f in known.items()}
    validation = [e for e in examples if e.part == "val"]
    if any(e.mask for e in validation):
        result |= changed(recipe, card, folder, dataset.load(recipe, validation, blank_bars=False))
    return result


def changed(recipe: Recipe, card: ModelCard, folder: Path, arrays: dataset.Arrays) -> dict[str, Any]:
    """The two tests that change one thing in a picture, as the model serves."""
    organ_model = Model.load(Entry(folder, card))
    groups = [e.group for e in arrays.examples]
    indices, filled = tumors_taken_out(recipe, arrays)
    result: dict[str, Any] = {}
    if indices:
        before = read(organ_model, [rgb(arrays.pictures[i, ..., 0]) for i in indices])
        after = read(organ_model, [rgb(picture) for picture in filled])
        result["tumor_taken_out"] = compared(card, before, after, [groups[i] for i in indices])
    tumors, into, mixed = tumors_put_in(recipe, arrays)
    if tumors:
        before = read(organ_model, [rgb(arrays.pictures[i, ..., 0]) for i in into])
        after = read(organ_model, [rgb(picture) for picture in mixed])
        result["tumor_put_into_another_place"] = compared(card, before, after, [groups[i] for i in tumors]) | {
            "places": dict(sorted(Counter(arrays.examples[i].source for i in into).items()))
        }
    return result


def rgb(picture: NDArray[np.uint8]) -> Rgb:
    """A grey picture [S, S] as serving takes it: [S, S, 3]."""
    return np.repeat(picture[..., None], 3, axis=2)


def card_lines(found: dict[str, Any] | None, weights: str | None) -> list[str]:
    """The section of ``MODEL_CARD.md``; nothing where the figures are of other weights (SHA-256) or missing."""
    if not found or found["weights"] != weights:
        return []
    return [
        "## Shortcuts",
        "",
        "Does the model see the tumour, or the place that the picture comes from? How well a straight line tells the "
        "source from the model's features within one class (folds by person); slices of val whose tumour was covered "
        "by tissue of the same slice; tumours of val put into slices of other places.",
        "",
        *(f"- {line}." for line in lines(found)),
        "",
    ]


def lines(found: dict[str, Any]) -> list[str]:
    """The figures in words."""
    rows = []
    for label, known in found["source_from_features"].items():
        for name, told in known.items():
            rows.append(
                f"Source within {label.replace('_', ' ')}, from {name.replace('_', ' ')}: balanced accuracy "
                f"{_span(told['balanced_accuracy'])}, {told['by_chance']:.2f} by chance"
                + (f"; AUC {_span(told['auc'])}" if "auc" in told else "")
            )
    for name, words in (
        ("tumor_taken_out", "Tumour taken out"),
        ("tumor_put_into_another_place", "Tumour put into a slice of another place"),
    ):
        if name in found:
            told = found[name]
            rows.append(
                f"{words} ({told['pictures']} pictures): signs told in {_span(told['before']['signs'])} before and in "
                f"{_span(told['after']['signs'])} after; AUC of the score, before against after: "
                f"{_span(told['auc_before_against_after'])}"
            )
    return rows


def _span(figure: dict[str, Any]) -> str:
    low, high = figure["ci95"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"
