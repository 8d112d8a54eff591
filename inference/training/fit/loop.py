"""One training loop for TensorFlow and JAX: Keras ``fit``, an average of the weights, a backup to go on from."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

BACKUP_FOLDER = "backup"
BEST_FILE, LAST_FILE, SCORE_FILE, STARTS_FILE = "best.npz", "last.npz", "best.txt", "starts.txt"
Losses = Callable[[Any, Any], dict[str, Any]]
"""(what is true, what the net says) -> named parts of the loss, already weighted."""
Validate = Callable[[keras.Model], tuple[float, str]]
"""What averaged weights are worth, lower being better, and how to say it."""


class Learner(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A functional net whose loss looks at all of its outputs at once."""

    def minimise(self, losses: Losses, names: tuple[str, ...]) -> None:
        """Name what is minimised: the sum of the parts; each part (``names``) is shown by itself, too."""
        self._objective = losses
        self._parts = {name: keras.metrics.Mean(name) for name in names}

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002 - Keras's signature
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """Sum the parts (called by ``fit`` on every backend)."""
        parts = self._objective(y, y_pred)
        for name, value in parts.items():
            self._parts[name].update_state(value)
        return sum(parts.values())

    @property
    def metrics(self) -> list[Any]:
        """The parts of the loss, beside what Keras counts itself."""
        return [*super().metrics, *getattr(self, "_parts", {}).values()]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast: ``steps`` of a cosine after ``warm`` steps of rising, in epochs of ``epoch`` steps."""

    steps: int
    peak: float
    warm: int = 150
    epoch: int = 200
    weight_decay: float = 0.02
    clip: float = 5.0
    averaging: float = 0.998
    rates: Mapping[str, float] = field(default_factory=dict)
    """Pattern of a variable's path -> its rate as a share of ``peak``."""

    @property
    def epochs(self) -> int:
        """How often the averaged weights are judged and the training is backed up."""
        return -(-self.steps // self.epoch)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """AdamW that also keeps an average of the weights, at its own rate for the layers that ``rates`` names."""

        def adamw(share: float) -> keras.optimizers.Optimizer:
            rate = self.peak * share
            decay = keras.optimizers.schedules.CosineDecay(
                rate * 0.05, max(1, self.steps - self.warm), alpha=0.02, warmup_target=rate, warmup_steps=self.warm
            )
            optimizer = keras.optimizers.AdamW(
                decay,
                weight_decay=self.weight_decay,
                global_clipnorm=self.clip,
                use_ema=True,
                ema_momentum=self.averaging,
            )
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            return optimizer

        choice = keras.optimizers.OptimizerMap(default_optimizer=adamw(1.0))
        for pattern, share in self.rates.items():
            choice[pattern] = adamw(share)
        return keras.optimizers.MultiOptimizer(choice)


def run(
    net: Learner,
    batches: Callable[[int], Any],
    schedule: Schedule,
    folder: Path,
    *,
    validate: Validate,
    log: Callable[[str], None] = print,
    progress: Callable[[float], None] = lambda _: None,
    resume: bool = False,
) -> Path:
    """Train ``net`` (see ``Learner.minimise``), leave it its averaged weights, and return the file of the best ones.

    ``batches`` gives endless batches from a number. ``validate`` is given the averaged weights after every epoch; those
    with the lowest number that it gives are kept. With ``resume`` an interrupted training goes on from its last backup;
    without it, what was there is overwritten.
    """
    backup = folder / BACKUP_FOLDER
    start = _number_of_start(folder, resume=resume)
    net.compile(optimizer=schedule.optimizer(), loss=None)
    net.optimizer.build(net.trainable_variables)
    kept = _BestWeights(validate, folder, schedule, log, progress)
    net.fit(
        batches(start),
        epochs=schedule.epochs,
        steps_per_epoch=schedule.epoch,
        # The raw weights are backed up first; then the averaged ones are judged, and the raw ones go on.
        callbacks=[keras.callbacks.BackupAndRestore(backup, double_checkpoint=True, delete_checkpoint=False), kept],
        verbose=0,
        shuffle=False,
    )
    save(net, folder / LAST_FILE)
    for file in backup.iterdir():
        file.unlink()  # nothing was interrupted
    return folder / BEST_FILE


def _number_of_start(folder: Path, *, resume: bool) -> int:
    """How often this training was begun before, by which no batch is drawn twice; one that is new clears the folder."""
    backup, starts = folder / BACKUP_FOLDER, folder / STARTS_FILE
    backup.mkdir(parents=True, exist_ok=True)
    if not resume:
        for file in (*backup.iterdir(), folder / BEST_FILE, folder / SCORE_FILE, starts):
            file.unlink(missing_ok=True)
    start = int(starts.read_text()) if starts.exists() else 0
    starts.write_text(str(start + 1))
    return start


def save(net: keras.Model, path: Path) -> None:
    """Write the weights as float32 arrays named ``layer/variable``; the file is replaced as a whole."""
    arrays = {v.path: np.asarray(keras.ops.convert_to_numpy(v), np.float32) for v in net.weights}
    draft = path.with_suffix(".part.npz")
    np.savez(draft, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords
    draft.replace(path)


class _BestWeights(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Says how it goes after each step and epoch, validates the averaged weights, and keeps the best."""

    def __init__(
        self, validate: Validate, folder: Path, schedule: Schedule, log: Callable[[str], None], progress: Any
    ) -> None:
        super().__init__()
        self._validate, self._folder, self._schedule, self._log = validate, folder, schedule, log
        self._progress = progress
        self._score = folder / SCORE_FILE
        self._best = float(self._score.read_text()) if self._score.exists() else np.inf
        self._epoch = 0
        self._start = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Remember which epoch it is (after a stop the first one is not the first)."""
        if not self._epoch and epoch:
            self._log(f"going on after epoch {epoch}")
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's
        """Show how far it has come."""
        self._progress((self._epoch * self._schedule.epoch + batch + 1) / self._schedule.epochs / self._schedule.epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validate the averaged weights and give the raw ones back."""
        variables = self.model.trainable_variables
        raw = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
        self.model.optimizer.finalize_variable_values(variables)
        for variable in variables:
            # A copy: on JAX Keras gives the values that it predicts with away.
            variable.assign(np.array(keras.ops.convert_to_numpy(variable)))
        score, said = self._validate(self.model)
        if score < self._best:
            self._best = score
            save(self.model, self._folder / BEST_FILE)
            self._score.write_text(repr(score))
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)
        parts = " ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        minutes = (time.monotonic() - self._start) / 60
        self._log(f"epoch {epoch + 1}/{self._schedule.epochs} {minutes:.1f} min: {parts}; {said}")
