"""Leave-one-kind-out: what the gate does with kinds of pictures, hospitals and laboratories that it has not seen.

``python -m inference.training folds gate`` trains one net on ``BASE`` and drawn pictures alone, goes on from it once a
fold without the fold's kinds, sources and looks, and tells how it treats exactly those. Nothing of ``test`` takes part.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.training import calibrate as cal
from inference.training import data, gate_distances, metrics, train
from inference.training.batches import with_drawn_outliers
from inference.training.data import Arrays, DataError, Example
from inference.training.predict import probabilities
from inference.training.recipes import BLOOD_SMEAR, Recipe

BASE = ("cheng", "Pre_blue_dense")
"""Sources and looks that no fold leaves out."""
FOLDS: dict[str, tuple[str, ...]] = {
    "heads": ("ct_head", "ct_head64", "natural_photo", "pet_photo", "sartaj", "br35h", "navoneel", "pbc_normal"),
    "other_mri": ("mri_abdomen", "mri_breast64", "mri_spine", "face_photo", "btp", "vs_seg_t1c", "aml_lmu_2class"),
    "cells": ("cytology_near", "histology", "document", "ms_ljubljana", "aanlib", "Benign_A", "Benign_BC"),
    "bodies": ("ct_abdomen", "ct_body64", "ultrasound", "skin", "single_subjects", "ixi_mini", "ptbp_children", "Pro"),
    "x_rays": (
        *("xray_chest", "xray_hand64", "object_on_black_synth", "screenshot"),
        *("ad_nondemented", "oasis_trt20_slices", "stripped_misc", "Early"),
    ),
}
"""What each fold leaves out: kinds that look alike leave together, or one would teach the other."""
BASE_STEPS, FOLD_STEPS = 400, 260
"""Short, and on pictures of half the side: the shipped gate has seen far more, and should do better."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the fold models say of pictures whose kind or source they have not seen, and of seen val pictures."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    looks: NDArray[np.str_]
    """Kind, source or look."""
    roles: NDArray[np.str_]
    """``unseen``, ``val`` (seen kinds and sources, pictures of val) or ``train`` (a sample of what it learned)."""


def small(recipe: Recipe) -> Recipe:
    """The gate's recipe at half the side: a quarter of the time."""
    spec = recipe.input.model_copy(update={"side": recipe.input.side // 2})
    return replace(recipe, input=spec, cached_side=recipe.cached_side // 2)


def look(example: Example) -> str:
    """What is left out as a whole: the look of a smear, the source of a slice, the kind of anything else."""
    return example.detail if example.label == BLOOD_SMEAR else example.source


def parts(examples: list[Example], fold: str) -> tuple[list[Example], list[Example], list[Example]]:
    """Split into (training, val of what was seen, all that was left out), without ``test``."""
    rest = [e for e in examples if e.part != "test"]
    if fold == "base":
        seen = [e for e in rest if look(e) in BASE]
        return [e for e in seen if e.part == "train"], [e for e in seen if e.part == "val"], []
    left_out = [e for e in rest if look(e) in FOLDS[fold]]
    seen = [e for e in rest if look(e) not in FOLDS[fold]]
    return [e for e in seen if e.part == "train"], [e for e in seen if e.part == "val"], left_out


def choose(arrays: Arrays, wanted: list[Example]) -> Arrays:
    """The rows of ``arrays`` that are ``wanted``."""
    paths = {e.path for e in wanted}
    rows = np.array([i for i, e in enumerate(arrays.examples) if e.path in paths])
    return Arrays(
        tuple(arrays.examples[i] for i in rows),
        arrays.pictures[rows],
        arrays.labels[rows],
        arrays.masks[rows],
        arrays.masked[rows],
    )


def train_folds(recipe: Recipe, root: Path, runs: Path, *, scale: float = 1.0, seed: int = 0, log: Any = print) -> None:
    """Train the base and every fold that has no ``unseen.npz`` yet; ``scale`` times the usual steps."""
    recipe, examples = small(recipe), data.gate_examples(root)
    arrays = data.load(recipe, [e for e in examples if e.part == "train"], blank_bars=True)
    for fold in ("base", *FOLDS):
        folder = runs / f"{recipe.name}-{fold}"
        training, validation, left_out = parts(examples, fold)
        if (folder / ("last.npz" if fold == "base" else "unseen.npz")).exists():
            log(f"{folder} is there already")
            continue
        chosen = with_drawn_outliers(choose(arrays, training), recipe, 2400, seed=7)
        log(f"gate fold {fold}: {len(chosen.labels)} pictures to train on")
        resume = fold != "base"
        if resume:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "best.npz").write_bytes((runs / f"{recipe.name}-base" / "last.npz").read_bytes())
        steps = round(scale * (FOLD_STEPS if resume else BASE_STEPS))
        # A small sample tells that it goes on well; what is kept are the last weights, chosen by nothing.
        train.fit(recipe, chosen, validation[::12], train.Plan(folder, steps=steps, seed=seed, resume=resume), log)
        if resume:
            _keep(recipe, folder, training, validation, left_out)


def _keep(recipe: Recipe, folder: Path, *groups: list[Example]) -> None:
    """Write ``unseen.npz``: what the last weights say of a sample of the training, of val and of what was left out."""
    model = train.restore(recipe, folder / "last.npz")
    training, validation, left_out = groups
    chosen = [*training[::9], *validation, *left_out]
    roles = ["train"] * len(training[::9]) + ["val"] * len(validation) + ["unseen"] * len(left_out)
    answer = model.predict(data.tensors(chosen, recipe.input), batch_size=32, verbose=0)
    np.savez(
        folder / "unseen.npz",
        logits=answer["logits"],
        features=answer["features"],
        labels=np.array([recipe.class_names.index(e.label) for e in chosen], np.int32),
        looks=np.array([look(e) for e in chosen]),
        roles=np.array(roles),
    )


def load_fold(recipe: Recipe, runs: Path, fold: str) -> Unseen:
    """Read what a fold's training kept. Raises DataError when it was not trained."""
    path = runs / f"{recipe.name}-{fold}" / "unseen.npz"
    if not path.exists():
        raise DataError(f"{path} is missing: run python -m inference.training folds {recipe.name}")
    with np.load(path, allow_pickle=False) as kept:
        return Unseen(*(kept[name] for name in ("logits", "features", "labels", "looks", "roles")))


def figures(recipe: Recipe, runs: Path) -> dict[str, Any]:
    """How the fold models treat what they have not seen, at points chosen on the val pictures of what they have seen.

    By kind of other pictures: how many are let in, and the AUROC against the scans of val. By source or look of scans:
    how many are refused. For each: by the classifier alone, by the distance in its features alone (Mahalanobis, to the
    nearer organ, shrunk shared covariance; Lee et al. 2018), and by their sum; each refuses as many scans of val. As
    shipped: the classifier at its point, and the veto of ``gate_distances``.
    """
    result: dict[str, Any] = {"others_let_in": {}, "scans_refused": {}}
    for fold in FOLDS:
        kept = load_fold(recipe, runs, fold)
        other = recipe.tumor_free
        seen = kept.roles == "val"
        scored = cal.Scored(kept.logits[seen], kept.labels[seen], tuple(kept.looks[seen]))
        heat = cal.temperature(scored)
        limit = cal.gate_points(probabilities(scored.logits, heat), scored.labels, other).positive
        chance = probabilities(kept.logits, heat)[:, :other].max(1)
        signals = {"classifier": margin(kept.logits, other), "distance": -distances(kept, other)}
        scans = seen & (kept.labels != other)
        refused = float((chance[scans] < limit).mean())
        far = gate_distances.limit(-signals["distance"][scans])
        signals["both"] = np.sum([_standard(value, scans) for value in signals.values()], 0)
        for look_ in np.unique(kept.looks[kept.roles == "unseen"]):
            chosen = (kept.looks == look_) & (kept.roles == "unseen")
            is_other = bool(kept.labels[chosen][0] == other)
            row: dict[str, Any] = {"fold": fold, "pictures": int(chosen.sum())}
            shipped = (chance[chosen] >= limit) & (-signals["distance"][chosen] <= far)
            row["as_shipped"] = round(float(shipped.mean() if is_other else 1 - shipped.mean()), 4)
            for name, value in signals.items():
                admitted = value[chosen] >= np.quantile(value[scans], refused)
                row[name] = round(float(admitted.mean() if is_other else 1 - admitted.mean()), 4)
                if is_other:
                    both = np.concatenate([value[scans], value[chosen]])
                    row[f"{name}_auroc"] = round(metrics.auc(both, np.arange(len(both)) < scans.sum()), 4)
            result["others_let_in" if is_other else "scans_refused"][str(look_)] = row
        result.setdefault("scans_of_val_refused", {})[fold] = round(refused, 4)
    return result


def margin(logits: NDArray[np.float32], other: int) -> NDArray[np.float64]:
    """How far the likelier organ's logit is above that of "other" [N]."""
    return np.asarray(np.delete(logits, other, 1).max(1) - logits[:, other], np.float64)


def distances(kept: Unseen, other: int, shrinkage: float = 0.1) -> NDArray[np.float64]:
    """Mahalanobis distance of the features to the nearer organ's mean among the training pictures [N]."""
    train_scans = (kept.roles == "train") & (kept.labels != other)
    means, whitening = gate_distances.learn(kept.features[train_scans], kept.labels[train_scans], shrinkage)
    return gate_distances.squared(kept.features, means, whitening)


def _standard(values: NDArray[np.float64], scans: NDArray[np.bool_]) -> NDArray[np.float64]:
    low, middle, high = np.quantile(values[scans], (0.1, 0.5, 0.9))
    return np.asarray((values - middle) / (high - low))
