"""How well the heat map points: measured on what people see, beside chance and the middle of the head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.backends import WEIGHTS, load_backend
from inference.card import Input, ModelCard
from inference.decode.bit_depth import to_levels
from inference.explain import heat
from inference.preprocess import tensor
from inference.training.data import dataset
from inference.training.data.example import Example, read_picture
from inference.training.measure import metrics
from inference.training.measure.integers import in_float
from inference.training.predict import PredictionBatch, predict
from inference.training.recipes import Recipe

Heats = NDArray[np.float32]
THRESHOLDS = np.array([0.01, 0.02, 0.03, 0.05, 0.07, *np.round(np.arange(0.1, 0.96, 0.05), 2)])
BLOB = 0.5
"""Heat that people see as a bright spot: half of the full scale."""


def shown(card: ModelCard, predictions: PredictionBatch) -> Heats:
    """The heat [N, S, S] in 0..1 that people see: the likeliest tumour class, on the card's scale, in 8 bits."""
    tumors = [k for k, c in enumerate(card.classes) if c.tumor]
    likeliest = np.array(tumors)[predictions.probabilities[:, tumors].argmax(1)]
    size = (card.input.side, card.input.side)
    rows = []
    for class_maps, k in zip(predictions.evidence, likeliest, strict=True):
        small = Image.fromarray(to_levels(heat(class_maps[..., k], card.heatmap_full_scale)))
        rows.append(np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) / 255)
    return np.stack(rows)


def figures(
    recipe: Recipe,
    card: ModelCard,
    predictions: PredictionBatch,
    examples: Sequence[Example],
    chosen: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Everything about the maps of one part; ``chosen`` are the thresholds of val, else they are chosen here."""
    heats = shown(card, predictions)
    healthy = np.array([not card.classes[recipe.class_names.index(e.label)].tumor for e in examples])
    result: dict[str, Any] = {}
    if healthy.any():
        lit = heats[healthy].max((1, 2)) > BLOB
        groups = [e.group for e, h in zip(examples, healthy, strict=True) if h]
        result["healthy_with_a_bright_spot"] = metrics.share(lit, groups)
    marked = [i for i, e in enumerate(examples) if e.mask and not healthy[i]]
    if not marked:
        return result
    masks = np.stack([dataset.outline(examples[i], card.input) > 0 for i in marked])
    centres = np.stack([middle_of_head(read_picture(examples[i].path), card.input) for i in marked])
    groups = [examples[i].group for i in marked]
    found = chosen or {
        "heat_map": best_threshold(heats[marked], masks),
        "own_peak": best_threshold(to_own_peak(heats[marked]), masks),
        "middle_of_the_head": best_threshold(centres, masks),
    }
    rows = {
        "heat_map": (heats[marked], found["heat_map"]),
        "middle_of_the_head": (centres, found["middle_of_the_head"]),
        "everywhere_alike": (np.ones_like(centres), 0.5),
    }
    result["pictures_with_outlined_tumor"] = len(marked)
    result["thresholds_chosen_on_val"] = found
    result["pointing"] = {name: pointing(h, masks, threshold, groups) for name, (h, threshold) in rows.items()}
    own = dice(to_own_peak(heats[marked]), masks, found["own_peak"])
    result["dice_at_a_share_of_the_own_peak"] = metrics.interval(lambda i: float(own[i].mean()), groups)
    return result


def clearest(
    card: ModelCard, predictions: PredictionBatch, examples: Sequence[Example], scales: Sequence[float]
) -> float:
    """Of full scales (rising) the smallest, so the brightest map, whose hottest pixel points as well as any other's.

    As well is within a hundredth of the outlined pictures; where none is outlined the largest scale is taken.
    """
    marked = [i for i, e in enumerate(examples) if e.mask]
    if not marked:
        return scales[-1]
    masks = np.stack([dataset.outline(examples[i], card.input) > 0 for i in marked])
    hits = []
    for scale in scales:
        heats = shown(card.model_copy(update={"heatmap_full_scale": scale}), predictions)[marked]
        hottest = heats.reshape(len(marked), -1).argmax(1)
        hits.append(float(masks.reshape(len(marked), -1)[np.arange(len(marked)), hottest].mean()))
    return next(scale for scale, hit in zip(scales, hits, strict=True) if hit >= max(hits) - 0.01)


def pointing(heats: Heats, masks: NDArray[np.bool_], threshold: float, groups: Sequence[str]) -> dict[str, Any]:
    """Heat [N, S, S] against masks [N, S, S], each figure with a 95 % interval over ``groups``.

    ``pointing_game``: the hottest pixel lies inside (where several are hottest: the share of them that does).
    ``energy_inside``: the share of all heat that lies inside (arXiv 1910.01279). ``dice``: of what is hotter than
    ``threshold`` with the mask.
    """
    hottest = heats >= heats.max((1, 2), keepdims=True)
    inside = (hottest & masks).sum((1, 2)) / hottest.sum((1, 2))
    energy = (heats * masks).sum((1, 2)) / np.maximum(heats.sum((1, 2)), 1e-9)
    overlap = dice(heats, masks, threshold)
    return {
        name: metrics.interval(lambda i, v=values: float(v[i].mean()), groups)  # type: ignore[misc]
        for name, values in (("pointing_game", inside), ("energy_inside", energy), ("dice", overlap))
    }


def dice(heats: Heats, masks: NDArray[np.bool_], threshold: float) -> NDArray[np.float64]:
    """Dice coefficient of each picture: 2 |A and B| / (|A| + |B|) with A = heat above ``threshold``."""
    hot = heats > threshold
    return np.asarray(2 * (hot & masks).sum((1, 2)) / np.maximum(hot.sum((1, 2)) + masks.sum((1, 2)), 1))


def best_threshold(heats: Heats, masks: NDArray[np.bool_]) -> float:
    """The threshold with the highest mean Dice."""
    return float(max(THRESHOLDS, key=lambda t: float(dice(heats, masks, float(t)).mean())))


def to_own_peak(heats: Heats) -> Heats:
    """Each map as a share of its own highest value."""
    return np.asarray(heats / np.maximum(heats.max((1, 2), keepdims=True), 1e-6), np.float32)


def middle_of_head(picture: NDArray[np.uint8], spec: Input) -> Heats:
    """A round spot [side, side] in the middle of what is not background: where a guess without looking would point."""
    side = spec.side
    ys, xs = np.nonzero(tensor(picture, spec)[0, ..., 0] > 0.16)
    y, x = (ys.mean(), xs.mean()) if ys.size else (side / 2, side / 2)
    rows, columns = np.mgrid[:side, :side]
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (side / 8) ** 2))
    return np.asarray(spot, np.float32)


def grad_cam_error(folder: Path, card: ModelCard, tensors: NDArray[np.float32]) -> float:
    """The largest difference between the maps and Grad-CAM by automatic differentiation, in logit units.

    ``tensors`` [N, side, side, C]. The maps are the served ones, or where the served file counts in integers those of
    the same net in float32: Grad-CAM is a matter of the maps' form, what integers change is told by ``integers``.
    """
    reference = load_backend("tensorflow", folder, card)
    maps = in_float(card, folder, tensors)["maps"] if card.arithmetic == "int8" else predict(folder, tensors).maps
    return max(float(np.abs(reference.run(t[None]).maps - own).max()) for t, own in zip(tensors, maps, strict=True))


def randomised(card: ModelCard, folder: Path, tensors: NDArray[np.float32], draws: int = 4) -> dict[str, float]:
    """Correlation of the class maps with those of the same net with other weights (Adebayo et al. 2018).

    ``tensors`` [N, side, side, C]. Mean Pearson correlation over pictures, tumour classes and ``draws``: once with
    every weight drawn anew, once with those of the last block and the class maps alone. A map that shows the picture's
    edges rather than what was learned would hardly change. Places without a cell don't count.
    """
    import keras

    from inference.architecture import build, load_weights

    def model() -> Any:
        return build(card.architecture, card.input.side, card.input.channels, len(card.classes))

    net = model()
    load_weights(net, folder / WEIGHTS["tensorflow"])
    own = _directions(net, card, tensors)
    trained = [np.array(keras.ops.convert_to_numpy(variable)) for variable in net.weights]
    last = [variable.path for variable in net.weights][-8:]
    alike: dict[str, list[float]] = {"all_weights": [], "last_block": []}
    # So few weights as decide a cell agree or disagree by luck: more draws show that it is luck.
    for seed in range(draws if net.count_params() > 1000 else 16 * draws):
        keras.utils.set_random_seed(seed)
        # What is drawn goes into one net: to trace each anew takes far longer than to run it.
        for variable, drawn in zip(net.weights, model().weights, strict=True):
            variable.assign(drawn)
        alike["all_weights"].append(float((own * _directions(net, card, tensors)).sum(1).mean()))
        for variable, kept in zip(net.weights, trained, strict=True):
            if variable.path not in last:
                variable.assign(kept)
        alike["last_block"].append(float((own * _directions(net, card, tensors)).sum(1).mean()))
    return {name: round(float(np.mean(values)), 4) for name, values in alike.items()}


def _directions(net: Any, card: ModelCard, tensors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The class maps of each picture and tumour class [N, places], of mean 0 and length 1: their products correlate."""
    from inference.layers import MAPS

    tumors = [k for k, c in enumerate(card.classes) if c.tumor]
    # Batch by batch: what ``predict`` does about it takes longer than a small net.
    batches = [net.predict_on_batch(tensors[i : i + 8])[MAPS] for i in range(0, len(tensors), 8)]
    found = np.concatenate(batches)[..., tumors]
    flat = np.moveaxis(found, -1, 1).reshape(len(tensors) * len(tumors), -1).astype(np.float64)
    if card.input.normalisation == "cells":
        counted = np.repeat(tensors[..., -1].reshape(len(tensors), -1) > 0, len(tumors), axis=0)
        flat = (flat - (flat * counted).sum(1, keepdims=True) / np.maximum(counted.sum(1), 1)[:, None]) * counted
    else:
        flat -= flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12))
