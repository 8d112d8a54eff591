"""Leave-one-kind-out: what the gate does with kinds of pictures, hospitals and laboratories that it has not seen.

``python -m inference.training folds gate`` trains one net on ``BASE`` and drawn pictures alone, goes on from it once a
fold without the fold's kinds, sources and looks, and tells how it treats exactly those. Nothing of ``test`` takes part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.gate.gate import Gate
from inference.training.data import dataset
from inference.training.data.dataset import Arrays, DataError, Example
from inference.training.drawn import ood_kinds
from inference.training.fit import train
from inference.training.fit.batches import with_drawn_outliers
from inference.training.fit.gate_distances import Seen, fit
from inference.training.measure import metrics
from inference.training.predict import open_picture
from inference.training.recipes import Recipe

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
OF_EACH = 60
"""Pictures of each drawn kind that the shipped gate is shown."""
BASE_STEPS, FOLD_STEPS = 400, 260
"""Short, and on pictures of half the side: the shipped gate has seen far more, and should do better."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the fold models say of pictures whose kind or source they have not seen, and of seen val pictures."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int32]
    domains: NDArray[np.str_]
    """Kind, source, slide or laboratory."""
    roles: NDArray[np.str_]
    """``unseen``, ``val`` (seen kinds and sources, pictures of val) or ``train`` (a sample of what it learned)."""


def small(recipe: Recipe) -> Recipe:
    """The gate's recipe at half the side: a quarter of the time."""
    spec = recipe.input.model_copy(update={"side": recipe.input.side // 2})
    return replace(recipe, input=spec, cached_side=recipe.cached_side // 2)


def parts(examples: list[Example], fold: str) -> tuple[list[Example], list[Example], list[Example]]:
    """Split into (training, val of what was seen, all that was left out), without ``test``."""
    rest = [e for e in examples if e.part != "test"]
    if fold == "base":
        seen = [e for e in rest if e.domain in BASE]
        return [e for e in seen if e.part == "train"], [e for e in seen if e.part == "val"], []
    left_out = [e for e in rest if e.domain in FOLDS[fold]]
    seen = [e for e in rest if e.domain not in FOLDS[fold]]
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
    recipe, examples = small(recipe), dataset.gate_examples(root)
    if all((runs / f"{recipe.name}-{fold}" / "unseen.npz").exists() for fold in FOLDS):
        log(f"all folds are in {runs} already")
        return
    arrays = dataset.load(recipe, [e for e in examples if e.part == "train"], blank_bars=True)
    for fold in ("base", *FOLDS):
        folder = runs / f"{recipe.name}-{fold}"
        training, validation, left_out = parts(examples, fold)
        if (folder / ("last.npz" if fold == "base" else "unseen.npz")).exists():
            log(f"{folder} is there already")
            continue
        chosen = with_drawn_outliers(choose(arrays, training), recipe, recipe.drawn, seed=7)
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
    answer = model.predict(dataset.tensors(chosen, recipe.input), batch_size=32, verbose=0)
    np.savez(
        folder / "unseen.npz",
        logits=answer["logits"],
        features=answer["features"],
        labels=np.array([recipe.class_names.index(e.label) for e in chosen], np.int32),
        domains=np.array([e.domain for e in chosen]),
        roles=np.array(roles),
    )


def load_fold(recipe: Recipe, runs: Path, fold: str) -> Unseen:
    """Read what a fold's training kept. Raises DataError when it was not trained."""
    path = runs / f"{recipe.name}-{fold}" / "unseen.npz"
    if not path.exists():
        raise DataError(f"{path} is missing: run python -m inference.training folds {recipe.name}")
    with np.load(path, allow_pickle=False) as kept:
        return Unseen(*(kept[name] for name in ("logits", "features", "labels", "domains", "roles")))


def figures(recipe: Recipe, runs: Path) -> dict[str, Any]:
    """How the fold models treat what they have not seen, at points chosen on the val pictures of what they have seen.

    By kind of other pictures: how many are let in, and the AUROC against the scans of val. By source or look of scans:
    how many are refused. By fold: the AUROC of all scans against all other pictures that it left out, and how many of
    the others of val, of kinds that it knows, are let in. For each: by the classifier alone, by the distance alone (the
    nearer organ's, in units of what is usual there), and by both as the gate weighs them; each refuses as many slices
    and as many smears of val.
    """
    result: dict[str, Any] = {"others_let_in": {}, "scans_refused": {}, "folds": {}}
    other = recipe.tumor_free
    for fold in FOLDS:
        kept = load_fold(recipe, runs, fold)
        signals = told(recipe, kept)
        organ_points = {name: points(signals["as_shipped"], value, kept) for name, value in signals.items()}
        best = {name: (value - organ_points[name]).max(1) for name, value in signals.items()}
        unseen, scans = kept.roles == "unseen", (kept.roles == "val") & (kept.labels != other)
        for domain in np.unique(kept.domains[unseen]):
            chosen = (kept.domains == domain) & unseen
            is_other = bool(kept.labels[chosen][0] == other)
            row: dict[str, Any] = {"fold": fold, "pictures": int(chosen.sum())}
            for name, value in best.items():
                admitted = value[chosen] >= 0
                row[name] = round(float(admitted.mean() if is_other else 1 - admitted.mean()), 4)
                if is_other:
                    row[f"{name}_auroc"] = area(value, scans, chosen)
            result["others_let_in" if is_other else "scans_refused"][str(domain)] = row
        left_out = unseen & (kept.labels != other), unseen & (kept.labels == other)
        known = (kept.roles == "val") & (kept.labels == other)
        result["folds"][fold] = {
            **{f"{name}_auroc": area(value, *left_out) for name, value in best.items()},
            **{f"{name}_known": round(float((value[known] >= 0).mean()), 4) for name, value in best.items()},
            "scans_of_val_refused": round(float((best["as_shipped"][scans] < 0).mean()), 4),
        }
    return result


def told(recipe: Recipe, kept: Unseen) -> dict[str, NDArray[np.float64]]:
    """What each signal has to say for each organ: [N, organs], more is more like it."""
    seen = {
        role: Seen(*(values[kept.roles == role] for values in (kept.logits, kept.features, kept.labels, kept.domains)))
        for role in ("train", "val")
    }
    detector = fit(seen["train"], seen["val"], recipe.refused)
    weighed = detector.weigh(kept.logits, kept.features)
    found = {
        "classifier": kept.logits[:, :-1] - kept.logits[:, -1:],
        "distance": -np.log(detector.squared(kept.features) / detector.usual),
        "as_shipped": weighed[:, :-1] - weighed[:, -1:],
    }
    return {name: value.astype(np.float64) for name, value in found.items()}


def points(shipped: NDArray[np.float64], signal: NDArray[np.float64], kept: Unseen) -> NDArray[np.float64]:
    """By organ, the value of ``signal`` that refuses as many of its scans of val as ``shipped`` does at 0: [organs]."""
    found = []
    for k in range(shipped.shape[1]):
        scans = (kept.roles == "val") & (kept.labels == k)
        found.append(0.0 if signal is shipped else np.quantile(signal[scans, k], (shipped[scans, k] < 0).mean()))
    return np.array(found)


def area(values: NDArray[np.float64], positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> float:
    """AUROC of the pictures ``positive`` against those ``negative``; both [N] masks."""
    both = np.concatenate([values[positive], values[negative]])
    return round(metrics.auc(both, np.arange(len(both)) < positive.sum()), 4)


def drawn_figures(gate: Gate, scans: Sequence[Example]) -> dict[str, Any]:
    """How many of each kind the gate lets in, and the AUROC of its score for the likelier organ against ``scans``."""
    known = [_score(gate, open_picture(example.path))[0] for example in scans]
    kinds: dict[str, Any] = {}
    scores, admitted = [], []
    for kind in ood_kinds.KINDS:
        found = [_score(gate, picture) for picture in ood_kinds.draw(kind, OF_EACH)]
        scores += [score for score, _ in found]
        admitted += [is_in for _, is_in in found]
        kinds[kind] = {
            "let_in": round(float(np.mean([is_in for _, is_in in found])), 4),
            "auroc": _area(known, [score for score, _ in found]),
        }
    return {
        "pictures_of_each": OF_EACH,
        "kinds": kinds,
        "let_in": round(float(np.mean(admitted)), 4),
        "auroc": _area(known, scores),
    }


def _score(gate: Gate, picture: NDArray[np.uint8]) -> tuple[float, bool]:
    admission = gate.admit(picture)
    return admission.scores[admission.nearest], admission.organ is not None


def _area(scans: Sequence[float], others: Sequence[float]) -> float:
    both = np.array([*scans, *others])
    return round(metrics.auc(both, np.arange(len(both)) < len(scans)), 4)
