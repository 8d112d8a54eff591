"""Fits the gate to features of a frozen backbone: kinds, nearest pictures, and how both are weighed.

Nothing here trains a net. The linear reading is a discriminant analysis (its covariance within kinds shrunk), because
it has a closed form and can be fitted again without each place in a second. How its word and that of the nearest
pictures are weighed, and where the points lie, is chosen on places and kinds that took no part.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from inference.architecture import build
from inference.gate.ood_detector import DETECTOR_FILE, SIGNALS, OodDetector
from inference.layers import LOGITS, MAPS
from inference.training.data.example import DataError, Example, stable_share
from inference.training.data.gate_pictures import REASONS
from inference.training.fit import backbone
from inference.training.fit import features as reading
from inference.training.fit.export import round_weights, to_litert
from inference.training.fit.features import Features
from inference.training.recipes import BLOOD_SMEAR, BRAIN_MRI, Recipe

Floats = NDArray[np.float64]
SHRINKAGE: Final = 0.1
"""Share of the covariance that is taken to be alike in all directions."""
DIRECTIONS: Final = 128
"""Directions in which pictures are compared with their neighbours."""
FOLDS: Final[dict[str, tuple[str, ...]]] = {
    "1": ("tcga_lgg", "mehrad_all", "xray", "drawn_brain", "cytology"),
    "2": ("archive", "aml_lmu_2class", "ultrasound", "screenshot"),
    "3": ("brats", "web", "raabin_txl", "mri_body", "several"),
    "4": ("single", "ms_ljubljana", "oasis", "pbc_normal", "histology", "page", "angiography"),
    "5": ("btp", "vs_seg_t1c", "ptbp_children", "lisc_normal", "mri_spine", "photo", "drawn_other"),
    "6": ("cheng", "aanlib", "templates", "bccd", "ct_body", "skin", "chula"),
    "7": ("ixi", "jammu_gbm", "book", "stripped_misc", "ct_head", "viewer", "drawing", "screen_photo"),
}
"""What each fold leaves out: hospitals, laboratories and kinds of other pictures at once. What no fold names stays."""
USED: Final = {BRAIN_MRI: ("linear", "ratio"), BLOOD_SMEAR: ("linear", "near")}
"""The signals of an organ. Other MRI lies nearer to a head than heads of another hospital do, so it counts how much
nearer the scans are; hardly anything lies near to smears, but much lies nearer to them than to anything else."""
REFUSED: Final = {BRAIN_MRI: (0.016, 0.049), BLOOD_SMEAR: (0.02, 0.035)}
"""Share of the scans that is refused at most: of known places, and of unknown ones, each of these counting alike.

So few brain slices that as many pictures of other kinds get in as did in the version before."""
USUAL: Final = (0.02, 0.06)
CHUNK: Final = 512
"""Pictures compared at once: bounds the memory."""


POINT: Final = 0.5
"""The probability that a picture is let in at: the detector puts each organ's own point there."""
FEATURES_FILE, HELD_OUT_FILE = "features.npz", "held_out.npz"


@dataclass(frozen=True, slots=True)
class HeldOutSignals:
    """Signals of N pictures [N, organs, SIGNALS] by detectors that have not seen their place or kind, or them."""

    unseen: NDArray[np.float32]
    """By a detector without the place or the kind; NaN for what no fold leaves out."""
    known: NDArray[np.float32]
    """By a detector without the picture and its part, but with others of its kind and place."""


def train(
    recipe: Recipe, examples: Sequence[Example], folder: Path, progress: Callable[[float], None], log: Any
) -> Path:
    """Read the features of every picture, fit, and try it on what was left out; ``features.npz`` is used again.

    Writes ``best.npz`` (the net), ``kinds.npz`` (the detector) and ``held_out.npz`` into ``folder``; returns the first.
    Raises DataError, and BackboneError where the pretrained weights are missing or altered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    backbone.fill(net, backbone.read())
    round_weights(net)
    reader = folder / "backbone.tflite"
    learned_from = reading.chosen(examples)
    reader.write_bytes(to_litert(net, calibration=reading.calibration(learned_from, recipe.input)))
    wanted = list(reading.items(learned_from))
    log(f"{recipe.name}: features of {len(wanted)} pictures")
    found = reading.read(reader, recipe.input, wanted, folder / FEATURES_FILE, progress)
    organs = recipe.class_names[:-1]
    log(f"{recipe.name}: signals of places and kinds that are left out in turn")
    held_out = held_out_signals(found, organs)
    fitted = weighed(detector(found.rows(found.parts == "train"), organs), held_out, found)
    save_held_out(fitted, held_out, found, folder)
    save(fitted, folder)
    for k, organ in enumerate(organs):
        mixing = dict(zip(SIGNALS, fitted.mixing[k].round(3).tolist(), strict=True))
        log(f"{recipe.name}: {organ}: {mixing}, point {fitted.points[k]:.3f}")
    weights, biases = coarse(fitted)
    net.get_layer(MAPS).set_weights([weights[None, None]])
    net.get_layer(LOGITS).set_weights([biases])
    best = folder / "best.npz"
    arrays = {variable.path: np.asarray(variable, np.float32) for variable in net.weights}
    np.savez(best, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
    return best


def save_held_out(fitted: OodDetector, held_out: HeldOutSignals, features: Features, folder: Path) -> None:
    """Write what detectors that had not seen it say of each picture, against the points of the fitted one."""
    scores = {name: (getattr(held_out, name) * fitted.mixing).sum(-1) - fitted.points for name in ("unseen", "known")}
    columns = {name: getattr(features, name) for name in ("keys", "kinds", "labels", "places", "parts")}
    np.savez(folder / HELD_OUT_FILE, **scores, **columns)


def detector(features: Features, organs: tuple[str, ...]) -> OodDetector:
    """Fit to all of ``features``; mixing and points are still those of the linear reading alone."""
    kinds = tuple(sorted(set(features.kinds.tolist())))
    missing = [organ for organ in organs if organ not in kinds]
    if missing:
        raise DataError(f"the gate has no picture of {missing[0]} to learn from")
    weights = shares(features)
    values = features.values.astype(np.float64)
    spread = values.std(0) + 1e-6
    index = np.array([kinds.index(kind) for kind in features.kinds])
    linear, biases = discriminant(values / spread, index, weights, len(kinds))
    centre = np.average(values, axis=0, weights=weights)
    away = (values - centre) / spread
    directions = min(DIRECTIONS, *away.shape)
    components = PCA(directions, svd_solver="covariance_eigh").fit(away).components_
    projection = (components / spread).T
    seen = (values - centre) @ projection
    examples = seen / np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-4)
    mixing = np.zeros((len(organs), len(SIGNALS)), np.float32)
    mixing[:, 0] = 1
    return OodDetector(
        organs,
        kinds,
        tuple(REASONS[kind].value if kind in REASONS else "" for kind in kinds),
        (linear / spread[:, None]).astype(np.float32),
        biases.astype(np.float32),
        centre.astype(np.float32),
        projection.astype(np.float32),
        examples.astype(np.float16).astype(np.float32),
        index.astype(np.intp),
        mixing,
        np.zeros(len(organs), np.float32),
    )


def shares(features: Features) -> Floats:
    """How much each picture counts [N]: a place or kind by the square root of its pictures, so that none decides."""
    pairs = list(zip(features.places.tolist(), features.kinds.tolist(), strict=True))
    sizes = Counter(pairs)
    return np.array([sizes[pair] ** -0.5 for pair in pairs])


def discriminant(values: Floats, index: NDArray[np.intp], weights: Floats, kinds: int) -> tuple[Floats, Floats]:
    """Weights [F, kinds] and biases [kinds] of a linear discriminant analysis with a shrunk covariance."""
    means = np.zeros((kinds, values.shape[1]))
    within = np.zeros((values.shape[1], values.shape[1]))
    for kind in range(kinds):
        chosen = index == kind
        means[kind] = np.average(values[chosen], axis=0, weights=weights[chosen])
        away = (values[chosen] - means[kind]) * np.sqrt(weights[chosen])[:, None]
        within += away.T @ away
    within /= weights.sum()
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    linear = np.linalg.solve(within, means.T)
    return linear, -0.5 * (means.T * linear).sum(0)


def folds(features: Features) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Name, what is learned from and what is held out [N] of each fold: places left out, then fifths of all groups."""
    training = features.parts == "train"
    for name, places in FOLDS.items():
        out = np.isin(features.places, places)
        if (training & out).any() and all(
            (training & ~out & (features.kinds == o)).any() for o in (BRAIN_MRI, BLOOD_SMEAR)
        ):
            yield f"without {name}", training & ~out, out
    fifth = np.array([int(4 * stable_share(key.partition(" varied")[0])) for key in features.keys])
    for number in range(4):
        yield f"known {number}", training & (fifth != number), fifth == number


def held_out_signals(features: Features, organs: tuple[str, ...]) -> HeldOutSignals:
    """Read every picture by detectors that did not have it, and by ones that had nothing like it."""
    unseen = np.full((len(features.keys), len(organs), len(SIGNALS)), np.nan, np.float32)
    known = unseen.copy()
    for name, learned, left_out in folds(features):
        fitted = detector(features.rows(learned), organs)
        target = unseen if name.startswith("without") else known
        rows = np.flatnonzero(left_out)
        for start in range(0, len(rows), CHUNK):
            target[rows[start : start + CHUNK]] = fitted.signals(features.values[rows[start : start + CHUNK]])
    return HeldOutSignals(unseen, known)


def weighed(fitted: OodDetector, held_out: HeldOutSignals, features: Features) -> OodDetector:
    """Choose mixing and points: which signals of places and kinds left out tell an organ from the rest, and from where.

    The point refuses as many scans of known or of unknown places as ``REFUSED`` allows, whichever comes first.
    """
    mixing, points = fitted.mixing.copy(), fitted.points.copy()
    for k, organ in enumerate(fitted.organs):
        use = [SIGNALS.index(name) for name in USED.get(organ, SIGNALS)]
        is_scan, counts = features.kinds == organ, shares(features)
        unseen = np.isfinite(held_out.unseen[:, k, 0])
        # Where nothing can be left out, the pictures of known places say how the signals are weighed.
        one = unseen if (unseen & is_scan).any() else np.zeros_like(unseen)
        other = np.isfinite(held_out.known[:, k, 0])
        if one.any():
            other = other & ~is_scan
        values = np.concatenate([held_out.unseen[one, k][:, use], held_out.known[other, k][:, use]])
        truth, weights = (np.concatenate([column[one], column[other]]) for column in (is_scan, counts))
        for side in (truth, ~truth):
            weights[side] /= weights[side].sum()
        spread = values.std(0) + 1e-6
        model = LogisticRegression(C=100.0).fit(values / spread, truth, sample_weight=weights * len(weights))
        mixing[k] = 0
        mixing[k, use] = model.coef_[0] / spread
        points[k] = point(held_out, features, organ, k, mixing[k])
    return replace(fitted, mixing=mixing, points=points)


def point(held_out: HeldOutSignals, features: Features, organ: str, k: int, mixing: NDArray[np.float32]) -> float:
    """From which mixed score on a picture is let in; varied copies have no say in it."""
    scans = (features.kinds == organ) & (np.char.find(features.keys, " varied") < 0)
    known, unknown = REFUSED.get(organ, USUAL)
    points = [float(np.quantile(held_out.known[scans, k] @ mixing, known))]
    seen = scans & np.isfinite(held_out.unseen[:, k, 0])
    if seen.any():
        scores, places = held_out.unseen[seen, k] @ mixing, features.places[seen]
        count = Counter(places.tolist())
        order = np.argsort(scores)
        refused = np.cumsum([1 / count[places[i]] / len(count) for i in order])
        points.append(float(scores[order][min(np.searchsorted(refused, unknown), len(order) - 1)]))
    return min(points)


def save(fitted: OodDetector, folder: Path) -> Path:
    """Write ``kinds.npz``: plain numbers and names."""
    path = folder / DETECTOR_FILE
    half = {name: getattr(fitted, name).astype(np.float16) for name in ("projection", "examples")}
    full = {name: getattr(fitted, name) for name in ("weights", "biases", "centre", "mixing", "points")}
    names = {name: np.array(getattr(fitted, name)) for name in ("kinds", "reasons")}
    arrays = half | full | names | {"example_kinds": fitted.example_kinds.astype(np.uint8)}
    np.savez(path, **arrays)
    return path


def coarse(fitted: OodDetector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A linear reading of the classes [F, organs + 1], [organs + 1], "other" as the mean of all its kinds.

    It is what the net itself says and what its maps are of; what decides is the detector.
    """
    kinds = np.array(fitted.kinds)
    columns = [fitted.weights[:, kinds == o].mean(1) for o in fitted.organs]
    biases = [fitted.biases[kinds == o].mean() for o in fitted.organs]
    rest = ~np.isin(kinds, fitted.organs)
    columns.append(fitted.weights[:, rest].mean(1) if rest.any() else np.zeros(len(fitted.centre)))
    biases.append(fitted.biases[rest].mean() if rest.any() else 0.0)
    return np.stack(columns, 1).astype(np.float32), np.array(biases, np.float32)
