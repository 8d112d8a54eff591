"""Trains one model: AdamW, a cosine rate, an average of the weights, checkpoints that survive a stop.

On TensorFlow or, with ``KERAS_BACKEND=jax``, on JAX; the files that it writes are the same.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from inference.architecture import LOGITS, build, load_weights
from inference.training.data import dataset
from inference.training.fit import lesions
from inference.training.fit.batches import stream
from inference.training.fit.checkpoint import STATE_FILE, Progress, go_on, keep
from inference.training.fit.learner import Learner, learner
from inference.training.recipes import Recipe

CHECKS = 12
"""How often in the second half of a training ``val`` is looked at."""
KEEP_EVERY = 60.0
"""Seconds between two notes of how far a training has come."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train and where to keep what comes of it. Either ``minutes`` or ``steps`` ends the training."""

    folder: Path
    minutes: float | None = None
    steps: int | None = None
    seed: int = 0
    precision: str = "mixed_bfloat16"
    resume: bool = False
    """Go on with the interrupted training in ``folder``, or where none was from its best checkpoint at a lower rate."""
    keep_every: float = KEEP_EVERY
    """Seconds after which what an interrupted training needs is written down."""
    progress: Callable[[float], None] = lambda _: None
    """Is told after every step how much of the training is done (0..1)."""


def prepare(recipe: Recipe, root: Path, log: Any = print) -> tuple[dataset.Arrays, list[dataset.Example]]:
    """Training arrays (with what is added to them) and the val examples."""
    examples = dataset.examples_for(recipe, root)
    training = [e for e in examples if e.part == "train"]
    log(f"{recipe.name}: reading {len(training)} pictures")
    arrays = dataset.load(recipe, training, blank_bars=True)
    if recipe.slices:
        arrays = lesions.with_tumors_removed(arrays, recipe)
    log(f"{recipe.name}: {len(arrays.labels)} pictures to train on")
    return arrays, [e for e in examples if e.part == "val"]


def fit(
    recipe: Recipe, arrays: dataset.Arrays, validation: list[dataset.Example], plan: Plan, log: Any = print
) -> Path:
    """Train and return the file of the best averaged weights by log loss on ``validation`` (``best.npz``)."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(plan.seed)
    keras.mixed_precision.set_global_policy(plan.precision)
    try:
        model = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    best_path, state_path = plan.folder / "best.npz", plan.folder / STATE_FILE
    again = plan.resume and not state_path.exists()
    if again:
        load_weights(model, best_path)
    learns = learner(recipe, model)
    averaged = _Averaged(recipe, learns)
    val_tensors = dataset.tensors(validation, recipe.input)
    val_labels = np.array([recipe.class_names.index(e.label) for e in validation])
    now = Progress()
    if again:
        now.best = averaged.check(val_tensors, val_labels)[0]
    elif plan.resume:
        now = go_on(state_path, learns.variables())
        log(f"{recipe.name}: going on after step {now.step}, {now.elapsed:.0f} s")
    peak = recipe.peak_rate * (recipe.resumed_rate if again else 1)
    start = time.monotonic() - now.elapsed
    kept = time.monotonic()
    for batch in stream(arrays, recipe, plan.seed + now.step, _threads()):
        now.elapsed = time.monotonic() - start
        share = now.step / plan.steps if plan.steps else now.elapsed / (60 * (plan.minutes or recipe.minutes))
        done = share >= 1
        if not done:
            now.seen = 0.98 * now.seen + 0.02 * learns.update(batch, _rate(peak, share, now.step))
            now.step += 1
        plan.progress(min(1.0, share))
        if now.step % 100 == 0 and not done:
            mean = now.seen / (1 - 0.98**now.step)
            log(f"{recipe.name} {share:6.1%} step {now.step} {now.elapsed:5.0f} s loss {mean:.3f}")
        due = int(max(0.0, share - 0.5) * 2 * CHECKS)
        if done or due > now.checked:
            now.checked = due
            averaged.save(plan.folder / "last.npz")
            averaged.save(plan.folder / f"check{now.checked:02}.npz")
            loss, accuracy = averaged.check(val_tensors, val_labels)
            log(f"{recipe.name} {min(share, 1):6.1%} val log loss {loss:.4f} accuracy {accuracy:.4f}")
            if loss < now.best:
                now.best = loss
                averaged.save(best_path)
        if done:
            break
        if time.monotonic() - kept > plan.keep_every:
            kept = time.monotonic()
            keep(state_path, learns.variables(), now)
    state_path.unlink(missing_ok=True)  # nothing was interrupted
    return best_path


def restore(recipe: Recipe, weights: Path, earlier: Path | None = None, share: float = 0.0) -> keras.Model:
    """The float32 model of ``recipe`` filled from a checkpoint.

    With ``earlier``, the checkpoint that the training went on from, ``share`` of every weight comes from there: what
    was learned late against shortcuts is kept, and less of what was known before is lost (Wortsman et al. 2022).
    """
    model = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
    load_weights(model, weights)
    if earlier:
        values = [np.array(keras.ops.convert_to_numpy(v), np.float64) for v in model.weights]
        load_weights(model, earlier)
        for variable, value in zip(model.weights, values, strict=True):
            variable.assign((1 - share) * value + share * np.asarray(keras.ops.convert_to_numpy(variable)))
    return model


def _rate(peak: float, share: float, step: int) -> float:
    warm = min(1.0, (step + 1) / 150)
    return peak * warm * max(0.01, 0.5 * (1 + math.cos(math.pi * min(share, 1))))


def _threads() -> int:
    """How many batches are varied at once."""
    # On TensorFlow the net keeps every core busy, and a training can be repeated. An accelerator would starve.
    return 1 if keras.backend.backend() == "tensorflow" else max(1, (os.cpu_count() or 2) // 2)


class _Averaged:
    """A float32 net with the averaged weights of a learner."""

    def __init__(self, recipe: Recipe, learns: Learner) -> None:
        self._learner = learns
        self._model = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
        self._judge = keras.Model(self._model.input, self._model.output[LOGITS])

    def save(self, path: Path) -> None:
        """Write the averaged weights; the file is replaced as a whole."""
        self._update()
        arrays = {v.path: np.asarray(keras.ops.convert_to_numpy(v), np.float32) for v in self._model.weights}
        draft = path.with_suffix(".part.npz")
        np.savez(draft, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
        draft.replace(path)

    def check(self, tensors: Any, labels: Any) -> tuple[float, float]:
        """Log loss (each class counts alike) and accuracy of the averaged weights."""
        self._update()
        logits = self._judge.predict(tensors, batch_size=32, verbose=0)
        logits -= logits.max(1, keepdims=True)
        log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        each = -log_probabilities[np.arange(len(labels)), labels]
        per_class = [each[labels == k].mean() for k in np.unique(labels)]
        return float(np.mean(per_class)), float((logits.argmax(1) == labels).mean())

    def _update(self) -> None:
        for variable, average in zip(self._model.weights, self._learner.average, strict=True):
            # A copy: on JAX Keras gives the values that it predicts with away.
            variable.assign(keras.ops.convert_to_numpy(average))
