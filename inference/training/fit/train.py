"""Trains one model: what it learns from, what it minimises, and by what its checkpoints are chosen.

On TensorFlow or, with ``KERAS_BACKEND=jax``, on JAX; the files that it writes are the same.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from inference import lesion_net
from inference.architecture import build, fill, load_weights, read_weights
from inference.card import LesionArchitecture
from inference.layers import LOGITS
from inference.training.data import dataset
from inference.training.data.example import LEFT_OUT, Example
from inference.training.fit import backbone, lesions, losses
from inference.training.fit.batches import stream
from inference.training.fit.loop import BEST_FILE, Learner, Schedule, run
from inference.training.fit.ranking import auc
from inference.training.recipes import Recipe

# TensorFlow varies the pictures, on the processor: it must not take an accelerator's memory from JAX.
if keras.backend.backend() == "jax":
    tf.config.set_visible_devices([], "GPU")

LEAST_OF_A_PLACE = 10
"""A place with fewer pictures with and without a tumour has no say in what a checkpoint is worth."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train and where to keep what comes of it."""

    folder: Path
    steps: int | None = None
    """Default: the recipe's."""
    seed: int = 0
    start: Path | None = None
    """Weights to begin with instead of ImageNet's."""
    resume: bool = False
    """Go on with the interrupted training in ``folder``."""
    epoch: int = 200
    """After so many steps the averaged weights are judged and the training is backed up."""
    precision: str = "float32"
    progress: Callable[[float], None] = lambda _: None
    """Is told after every step how much of the training is done (0..1)."""


def prepare(recipe: Recipe, root: Path, log: Any = print) -> tuple[dataset.Arrays, list[Example]]:
    """Training arrays (with what is added to them) and the examples that choose a checkpoint. Raises DataError."""
    examples = dataset.examples_for(recipe, root)
    training = [e for e in examples if e.part == "train"]
    log(f"{recipe.name}: reading {len(training)} pictures")
    arrays = dataset.load(recipe, training, blank_bars=True)
    if recipe.slices:
        arrays = lesions.with_tumors_removed(arrays, recipe.tumor_free, recipe.class_names[recipe.tumor_free])
    log(f"{recipe.name}: {len(arrays.labels)} pictures to train on")
    return arrays, [e for e in examples if e.part in ("val", LEFT_OUT)]


def fit(recipe: Recipe, arrays: dataset.Arrays, validation: list[Example], plan: Plan, log: Any = print) -> Path:
    """Train and return the file of the best averaged weights (``best.npz``): see ``validator``."""
    keras.utils.set_random_seed(plan.seed)
    keras.mixed_precision.set_global_policy(plan.precision)
    try:
        net = network(recipe)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    if plan.start:
        begin_with(net, plan.start)
    elif isinstance(recipe.architecture, LesionArchitecture):
        backbone.fill(net, backbone.read())
    learner = Learner(net.input, net.output)
    learner.minimise(*losses.of(recipe, tuple(net.output)))
    steps = plan.steps or recipe.steps
    schedule = Schedule(
        steps,
        recipe.peak_rate,
        warm=min(100, steps // 10),
        epoch=min(plan.epoch, steps),
        weight_decay=recipe.weight_decay,
        rates=recipe.rates,
    )
    return run(
        learner,
        lambda start: stream(arrays, recipe, plan.seed + start, _threads()),
        schedule,
        plan.folder,
        validate=validator(recipe, validation),
        log=lambda text: log(f"{recipe.name} {text}"),
        progress=plan.progress,
        resume=plan.resume,
    )


def begin_with(net: keras.Model, path: Path) -> None:
    """Fill ``net`` from a checkpoint; one from before there was an abnormal map gives it the lesion map's weights.

    Raises ValueError naming the file when another weight is missing.
    """
    known = read_weights(path)
    own, lesion = (f"{name}/kernel" for name in (lesion_net.ABNORMAL_MAP, lesion_net.LESION_MAP))
    mixed = f"{LOGITS}/{lesion_net.ABNORMAL}"
    if lesion_net.ABNORMAL in net.output and own not in known and lesion in known:
        known[own] = known[lesion]
        known[mixed] = np.zeros_like(known[f"{LOGITS}/lesion"])
    fill(net, known, path)


def network(recipe: Recipe) -> keras.Model:
    """The net that is trained: without a member, which joins when it is exported."""
    architecture = recipe.architecture
    if isinstance(architecture, LesionArchitecture):
        architecture = architecture.model_copy(update={"member": None})
    return build(architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))


def restore(recipe: Recipe, weights: Path, earlier: Path | None = None, share: float = 0.0) -> keras.Model:
    """The trained net of ``recipe`` filled from a checkpoint.

    With ``earlier``, the checkpoint that the training went on from, ``share`` of every weight comes from there: less of
    what was known before, above all of other places, is lost (Wortsman et al. 2022).
    """
    model = network(recipe)
    load_weights(model, weights)
    if earlier:
        values = [np.array(keras.ops.convert_to_numpy(v), np.float64) for v in model.weights]
        load_weights(model, earlier)
        for variable, value in zip(model.weights, values, strict=True):
            variable.assign((1 - share) * value + share * np.asarray(keras.ops.convert_to_numpy(variable)))
    return model


def validator(recipe: Recipe, validation: Sequence[Example]) -> Callable[[keras.Model], tuple[float, str]]:
    """What an epoch is worth, lower being better, and how to say it.

    Where whole places are left out to choose on: one minus the mean AUC of tumour or not over all pictures and over
    each place, so that the worst place counts as much as the largest, and of findings of other kinds against clear
    slices where the net has a map for what is abnormal. Else the log loss, each class counting alike.
    """
    tensors = dataset.tensors(validation, recipe.input)
    labels = np.array([recipe.class_names.index(e.label) for e in validation])
    tumors, ill = recipe.tumors, recipe.tumors[labels]
    sources = np.array([e.part if e.part == LEFT_OUT else e.source for e in validation])
    places = {"all": np.ones(len(ill), bool)} | {str(name): sources == name for name in np.unique(sources)}
    told = {n: p for n, p in places.items() if min(ill[p].sum(), (~ill[p]).sum()) >= LEAST_OF_A_PLACE}
    by_place = LEFT_OUT in told
    found = np.array([recipe.classes[k].role == "finding" for k in labels])
    views: dict[int, keras.Model] = {}  # traced once a net

    def validate(net: keras.Model) -> tuple[float, str]:
        names = [lesion_net.CLASS_LOGITS, lesion_net.LESION] if lesion_net.LESION in net.output else [LOGITS]
        names += [lesion_net.ABNORMAL] if lesion_net.ABNORMAL in net.output else []
        view = views.setdefault(id(net), keras.Model(net.input, [net.output[name] for name in names]))
        answers = view.predict(tensors, batch_size=32, verbose=0)
        logits = answers[0] if len(names) > 1 else np.asarray(answers).reshape(len(labels), -1)
        right = float((logits.argmax(1) == labels).mean())
        if not by_place:
            loss = log_loss(logits, labels)
            return loss, f"val log loss {loss:.4f} accuracy {right:.4f}"
        score = np.logaddexp.reduce(logits[:, tumors], 1) - np.logaddexp.reduce(logits[:, ~tumors], 1)
        score = score + answers[1][:, 0] if len(names) > 1 else score
        areas = {name: auc(score[rows], ill[rows]) for name, rows in told.items()}
        if len(names) > 2 and found.any():
            areas["findings"] = auc(answers[2][~ill, 0], found[~ill])
        shown = ", ".join(f"{name} {area:.3f}" for name, area in areas.items())
        return 1 - float(np.mean(list(areas.values()))), f"AUC: {shown}; accuracy {right:.3f}"

    return validate


def log_loss(logits: Any, labels: Any) -> float:
    """Mean log loss of logits [N, K], each class counting alike."""
    shifted = logits - logits.max(1, keepdims=True)
    each = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
    return float(np.mean([each[labels == k].mean() for k in np.unique(labels)]))


def _threads() -> int:
    """How many batches are varied at once."""
    # On TensorFlow the net keeps every core busy, and a training can be repeated. An accelerator would starve.
    return 1 if keras.backend.backend() == "tensorflow" else max(1, (os.cpu_count() or 2) // 2)


__all__ = ["BEST_FILE", "Plan", "fit", "log_loss", "network", "prepare", "restore", "validator"]
