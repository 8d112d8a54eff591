"""Learns with Keras on JAX, in a process of its own (Keras has one backend a process), for ``test_jax``.

``python -m tests.unit.training.on_jax FOLDER``, where FOLDER holds ``begin.npz``, ``batch.npz``
and ``own/`` with pictures.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

from inference.architecture import build, load_weights
from inference.layers import LOGITS
from inference.training import __main__
from inference.training.fit import losses, train
from inference.training.fit.loop import Learner, Schedule, save
from inference.training.recipes import RECIPES
from tests.unit.training.test_training import TINY

RATE, AGAIN = 2e-3, 40
"""The learning rate of the single steps, and how many follow the first one on the same batch."""
STEPS, EPOCH, STOPPED = 20, 10, 0.7
"""How long the training is, how often it is backed up, and after which share of it it is stopped."""


def learner(weights: Path) -> Learner:
    """A net that begins with ``weights``, ready for single steps at a constant rate."""
    model = build(TINY.architecture, TINY.input.side, TINY.input.channels, len(TINY.classes))
    load_weights(model, weights)
    net = Learner(model.input, model.output)
    net.minimise(*losses.of(TINY, tuple(model.output)))
    net.compile(optimizer=Schedule(10**6, RATE / 0.05, warm=10**6).optimizer(), loss=None)
    return net


def step(net: Learner, batch: Any) -> float:
    """One step on {"pictures", "masks", "labels", "masked"}; returns the loss before it."""
    net.reset_metrics()
    true = {name: np.asarray(batch[name]) for name in ("masks", "labels", "masked")}
    told = net.train_on_batch(np.asarray(batch["pictures"]), true, return_dict=True)
    return float(told["loss"])


def steps(folder: Path) -> list[float]:
    """Learn from one batch; what the first step changed lies in ``one.npz``. Returns the losses."""
    net = learner(folder / "begin.npz")
    with np.load(folder / "batch.npz") as kept:
        batch = {name: kept[name] for name in kept.files}
    found = [step(net, batch)]
    save(net, folder / "one.npz")
    return found + [step(net, batch) for _ in range(AGAIN)]


def training(folder: Path) -> None:
    """Train, stop in the middle, go on by the command."""

    def stop(share: float) -> None:
        if share >= STOPPED:
            raise KeyboardInterrupt

    arrays, validation = train.prepare(TINY, folder / "own")
    with suppress(KeyboardInterrupt):
        train.fit(TINY, arrays, validation, train.Plan(folder / "brain_mri", steps=STEPS, epoch=EPOCH, progress=stop))
    RECIPES["brain_mri"] = TINY
    command = ["train", "brain_mri", "--resume", "--data", str(folder / "own"), "--runs", str(folder)]
    assert __main__.main([*command, "--steps", str(STEPS), "--epoch", str(EPOCH)]) == 0


def main(folder: Path) -> None:
    """Leave ``one.npz``, ``logits.npy``, the checkpoints of a training and ``said.json`` in ``folder``."""
    found = steps(folder)
    training(folder)
    with np.load(folder / "batch.npz") as kept:
        model = train.restore(TINY, folder / "brain_mri" / "best.npz")
        np.save(folder / "logits.npy", keras.ops.convert_to_numpy(model(kept["pictures"])[LOGITS]))
    (folder / "said.json").write_text(json.dumps({"backend": keras.backend.backend(), "losses": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
