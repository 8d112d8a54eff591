"""Promises of a training with Keras on JAX: the same step, the same files, and it goes on where it was stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.layers import LOGITS
from inference.training import __main__
from inference.training.fit import train
from inference.training.fit.loop import save
from tests.conftest import PROJECT
from tests.unit.training.on_jax import RATE, learner, step
from tests.unit.training.test_training import TINY, small_model, toy_slice


def batch_of_slices(count: int = 16) -> dict[str, NDArray[Any]]:
    """Drawn slices [N, 32, 32, 1] as the net takes them, their outlines, their labels and whether they have one."""
    rng = np.random.default_rng(8)
    labels = np.arange(count, dtype=np.int32) % 4
    drawn = np.array([toy_slice(rng, TINY.class_names[k]) for k in labels])[:, :, ::2, ::2, None]
    pictures, masks = drawn[:, 0].astype(np.float32) / 64, drawn[:, 1].astype(np.float32) / 255
    return {"pictures": pictures, "masks": masks, "labels": labels, "masked": (labels < 3).astype(np.float32)}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``on_jax`` left behind."""
    folder = tmp_path_factory.mktemp("jax")
    rng = np.random.default_rng(1)
    for label in TINY.class_names:
        (folder / "own" / label).mkdir(parents=True)
        for person in range(12):
            Image.fromarray(toy_slice(rng, label)[0]).save(folder / "own" / label / f"p{person}_1.png")
    np.savez(folder / "begin.npz", **{v.path: v.numpy() for v in small_model(4, TINY).weights})
    np.savez(folder / "batch.npz", **batch_of_slices())  # type: ignore[arg-type]  # NumPy's own keywords
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # The training that goes on is not compiled again, and no compiler takes pains for so few steps.
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    child = [sys.executable, "-m", "tests.unit.training.on_jax", str(folder)]
    done = subprocess.run(child, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def said(left: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((left / "said.json").read_text())
    return found


def test_one_step_is_the_same_on_both_backends(left: Path, said: dict[str, Any], tmp_path: Path) -> None:
    net = learner(left / "begin.npz")
    told = step(net, batch_of_slices())
    save(net, tmp_path / "one.npz")

    assert said["backend"] == "jax"
    assert told == pytest.approx(said["losses"][0], rel=1e-5)
    with np.load(tmp_path / "one.npz") as mine, np.load(left / "one.npz") as its:
        assert mine.files == its.files
        for name in mine.files:
            off = np.abs(mine[name] - its[name])
            # The first step of Adam goes by the sign of the gradient: where that is 0 but for rounding, it is anyone's.
            assert (off <= 1e-5 * np.abs(mine[name]).max() + 1e-6).mean() > 0.99, name
            assert off.max() <= 2.1 * RATE, name


def test_the_loss_falls_on_jax(said: dict[str, Any]) -> None:
    assert said["losses"][-1] < said["losses"][0] - 0.2


def test_stopped_jax_training_continues_where_it_was(left: Path) -> None:
    log = (left / "brain_mri" / "train.log").read_text()

    assert "going on after epoch 1" in log
    assert "epoch 2/2" in log
    assert {f.name for f in (left / "brain_mri").glob("*.npz")} >= {"best.npz", "last.npz"}


def test_a_checkpoint_of_jax_says_the_same_on_tensorflow(left: Path) -> None:
    model = train.restore(TINY, left / "brain_mri" / "best.npz")
    logits = model(batch_of_slices()["pictures"])[LOGITS].numpy()

    assert np.ptp(logits) > 0
    assert np.abs(logits - np.load(left / "logits.npy")).max() < 1e-4


def test_what_needs_tensorflow_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")

    with pytest.raises(SystemExit):
        __main__.main(["export", "gate"])
    assert "export needs Keras on tensorflow, not on jax: leave KERAS_BACKEND out" in capsys.readouterr().err
