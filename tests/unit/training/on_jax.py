"""Learns with Keras on JAX, in a process of its own (Keras has one backend a process), for ``test_training_jax``.

``python -m tests.unit.training.on_jax FOLDER``, where FOLDER holds ``begin.npz``, ``batch.npz``
and ``own/`` with pictures.
"""

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from inference.architecture import LOGITS, build, load_weights
from inference.card import Architecture
from inference.training import __main__
from inference.training.fit import train
from inference.training.fit.checkpoint import STATE_FILE, Progress, keep
from inference.training.fit.learner import Learner, learner
from inference.training.recipes import RECIPES, Recipe
from tests.unit.training.test_training import SMALL

TINY = replace(SMALL, architecture=Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,)))

RATE, AGAIN = 2e-3, 40
"""The learning rate of the single updates, and how many follow the first one on the same batch."""
STEPS, STOPPED = 20, 0.6
"""How long the training is, and after which share of it it is stopped."""


def updates(folder: Path) -> list[float]:
    """Learn from one batch; what the first update changed lies in ``one.npz``. Returns the losses."""
    model = build(TINY.architecture, TINY.input.side, TINY.input.channels, len(TINY.classes))
    load_weights(model, folder / "begin.npz")
    learns = learner(TINY, model)
    with np.load(folder / "batch.npz") as kept:
        batch = [kept[name] for name in ("pictures", "masks", "labels", "masked")]
    losses = [learns.update(batch, RATE)]
    keep(folder / "one.npz", learns.variables(), Progress(step=1))
    return losses + [learns.update(batch, RATE) for _ in range(AGAIN)]


def training(folder: Path) -> tuple[int, int]:
    """Train, stop in the middle, go on by the command. Returns the step that was kept and the last one."""

    def stop(share: float) -> None:
        if share >= STOPPED:
            raise KeyboardInterrupt

    runs = folder / "brain_mri"
    arrays, validation = train.prepare(TINY, folder / "own")
    with suppress(KeyboardInterrupt):
        train.fit(TINY, arrays, validation, train.Plan(runs, steps=STEPS, keep_every=0, progress=stop))
    with np.load(runs / STATE_FILE) as kept:
        step = int(kept["step"])
    learners: list[Learner] = []

    def noted(recipe: Recipe, model: keras.Model) -> Learner:
        learners.append(learner(recipe, model))
        return learners[-1]

    RECIPES["brain_mri"] = TINY
    train.learner = noted  # type: ignore[attr-defined]
    command = ["train", "brain_mri", "--resume", "--data", str(folder / "own"), "--runs", str(folder)]
    assert __main__.main([*command, "--steps", str(STEPS)]) == 0
    return step, int(learners[-1].steps)


def main(folder: Path) -> None:
    """Leave ``one.npz``, ``logits.npy``, the checkpoints of a training and ``said.json`` in ``folder``."""
    losses = updates(folder)
    step, steps = training(folder)
    with np.load(folder / "batch.npz") as kept:
        model = train.restore(TINY, folder / "brain_mri" / "best.npz")
        np.save(folder / "logits.npy", keras.ops.convert_to_numpy(model(kept["pictures"])[LOGITS]))
    said = {"backend": keras.backend.backend(), "losses": losses, "step": step, "steps": steps}
    (folder / "said.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
