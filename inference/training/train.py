"""Trains one model: AdamW, a cosine rate, an average of the weights, checkpoints that survive a stop."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from inference.architecture import LOGITS, MAPS, build, load_weights
from inference.training import brain, data, losses, outliers
from inference.training.batches import Batch, draw_batches, vary, with_drawn_outliers
from inference.training.interrupted import STATE_FILE, Progress, go_on, keep
from inference.training.recipes import BRAIN_MRI, Recipe

AVERAGING = 0.998
"""How much of the averaged weights a step keeps."""
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


def prepare(recipe: Recipe, root: Path, log: Any = print) -> tuple[data.Arrays, list[data.Example]]:
    """Training arrays (with what is added to them) and the val examples."""
    examples = data.examples_for(recipe, root)
    training = [e for e in examples if e.part == "train"]
    log(f"{recipe.name}: reading {len(training)} pictures")
    arrays = data.load(recipe, training, blank_bars=True)
    if recipe.name == BRAIN_MRI:
        arrays = brain.with_tumors_removed(arrays, recipe)
    elif recipe.organ is None:
        arrays = with_drawn_outliers(arrays, recipe, 2400, seed=7)
    log(f"{recipe.name}: {len(arrays.labels)} pictures to train on")
    return arrays, [e for e in examples if e.part == "val"]


def fit(recipe: Recipe, arrays: data.Arrays, validation: list[data.Example], plan: Plan, log: Any = print) -> Path:
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
    trainer = _Trainer(recipe, model)
    val_tensors = data.tensors(validation, recipe.input)
    val_labels = np.array([recipe.class_names.index(e.label) for e in validation])
    now = Progress()
    if again:
        now.best = trainer.check(val_tensors, val_labels)[0]
    elif plan.resume:
        now = go_on(state_path, trainer.variables())
        log(f"{recipe.name}: going on after step {now.step}, {now.elapsed:.0f} s")
    peak = recipe.peak_rate * (recipe.resumed_rate if again else 1)
    start = time.monotonic() - now.elapsed
    kept = time.monotonic()
    for batch in _batches(arrays, recipe, plan.seed + now.step):
        now.elapsed = time.monotonic() - start
        share = now.step / plan.steps if plan.steps else now.elapsed / (60 * (plan.minutes or recipe.minutes))
        done = share >= 1
        if not done:
            now.seen = 0.98 * now.seen + 0.02 * float(trainer.step(batch, _rate(peak, share, now.step)))
            now.step += 1
        plan.progress(min(1.0, share))
        if now.step % 100 == 0 and not done:
            mean = now.seen / (1 - 0.98**now.step)
            log(f"{recipe.name} {share:6.1%} step {now.step} {now.elapsed:5.0f} s loss {mean:.3f}")
        due = int(max(0.0, share - 0.5) * 2 * CHECKS)
        if done or due > now.checked:
            now.checked = due
            trainer.save_average(plan.folder / "last.npz")
            trainer.save_average(plan.folder / f"check{now.checked:02}.npz")
            loss, accuracy = trainer.check(val_tensors, val_labels)
            log(f"{recipe.name} {min(share, 1):6.1%} val log loss {loss:.4f} accuracy {accuracy:.4f}")
            if loss < now.best:
                now.best = loss
                trainer.save_average(best_path)
        if done:
            break
        if time.monotonic() - kept > plan.keep_every:
            kept = time.monotonic()
            keep(state_path, trainer.variables(), now)
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


def _batches(arrays: data.Arrays, recipe: Recipe, seed: int) -> Iterator[tuple[Any, ...]]:
    side, channels = arrays.pictures.shape[1], arrays.pictures.shape[3]
    b, mask_side = recipe.batch, arrays.masks.shape[1]
    signature = (
        tf.TensorSpec((b, side, side, channels), tf.uint8),
        tf.TensorSpec((b, mask_side, mask_side, 1), tf.uint8),
        tf.TensorSpec((b,), tf.int32),
        tf.TensorSpec((b,), tf.bool),
        tf.TensorSpec((b, 4), tf.float32),
    )

    def generate() -> Iterator[tuple[Any, ...]]:
        for batch in draw_batches(arrays, recipe, seed):
            yield _fields(batch)

    return iter(tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(3))


def _fields(batch: Batch) -> tuple[Any, ...]:
    return batch.pictures, batch.masks, batch.labels, batch.masked, batch.ellipses


def _values(variables: list[Any]) -> list[Any]:
    """The TensorFlow variables below Keras's."""
    return [v.value for v in variables]


class _Trainer:
    """The model in training, its optimizer and the running average of its weights."""

    def __init__(self, recipe: Recipe, model: keras.Model) -> None:
        self.recipe = recipe
        self.model = model
        self.average = [np.array(keras.ops.convert_to_numpy(v)) for v in model.weights]
        self._average = [tf.Variable(v, trainable=False) for v in self.average]
        self.optimizer = keras.optimizers.AdamW(recipe.peak_rate, weight_decay=recipe.weight_decay, clipnorm=2.0)
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(model.trainable_variables)
        self._pool = tf.constant(outliers.letters(64, recipe.input.side, seed=3), tf.float32) / 255
        self._steps = tf.Variable(0.0, trainable=False)
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._plain = build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))
        self._predict = tf.function(lambda x: self._plain(x, training=False)[LOGITS])

    def step(self, batch: tuple[Any, ...], rate: float) -> Any:
        """One update; returns the loss."""
        self.optimizer.learning_rate.assign(rate)
        return self._step(batch)

    def _train_step(self, batch: tuple[Any, ...]) -> Any:
        pictures, masks = vary(self.recipe, batch, self._pool)
        labels, masked = batch[2], batch[3]
        with tf.GradientTape() as tape:
            outputs = self.model(pictures, training=True)
            loss = losses.classification(outputs[LOGITS], labels, self.recipe.smoothing)
            total = loss
            if self.recipe.guidance:
                total += self.recipe.guidance * losses.guidance(
                    outputs[MAPS], masks, labels, masked, self.recipe.tumor_free
                )
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(total, variables), variables)
        self._steps.assign_add(1.0)
        # Early on the average forgets faster, or it would remember the random start.
        keep = tf.minimum(AVERAGING, self._steps / (self._steps + 10.0))
        for average, variable in zip(self._average, self.model.weights, strict=True):
            average.assign(average * keep + (1 - keep) * tf.cast(variable.value, tf.float32))
        return loss

    def variables(self) -> list[list[Any]]:
        """All that a step changes: the weights, their average, the optimizer's moments and the count of steps."""
        moments = [v for v in self.optimizer.variables if v.path != "learning_rate"]
        return [_values(self.model.weights), list(self._average), _values(moments), [self._steps]]

    def save_average(self, path: Path) -> None:
        """Write the averaged weights; the file is replaced as a whole."""
        self._use_average()
        arrays = {v.path: np.asarray(keras.ops.convert_to_numpy(v), np.float32) for v in self._plain.weights}
        draft = path.with_suffix(".part.npz")
        np.savez(draft, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
        draft.replace(path)

    def check(self, tensors: Any, labels: Any) -> tuple[float, float]:
        """Log loss (each class counts alike) and accuracy of the averaged weights."""
        self._use_average()
        logits = np.concatenate([self._predict(tensors[i : i + 32]).numpy() for i in range(0, len(tensors), 32)])
        logits -= logits.max(1, keepdims=True)
        log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        each = -log_probabilities[np.arange(len(labels)), labels]
        per_class = [each[labels == k].mean() for k in np.unique(labels)]
        return float(np.mean(per_class)), float((logits.argmax(1) == labels).mean())

    def _use_average(self) -> None:
        for variable, average in zip(self._plain.weights, self._average, strict=True):
            variable.assign(average)
