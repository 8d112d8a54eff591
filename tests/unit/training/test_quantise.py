"""Promises of the files that count in 8-bit integers: which layers do, and that they were calibrated by real ranges."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.architecture import build
from inference.card import Architecture, LesionArchitecture, Member
from inference.layers import LOGITS, MAPS
from inference.training.data.example import Example
from inference.training.fit import export, quantise

SIDE, CLASSES = 64, 3
SECOND = Member(architecture=Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,)), side=48, classes=2)


@pytest.fixture(scope="module")
def net() -> keras.Model:
    keras.utils.set_random_seed(0)
    architecture = LesionArchitecture(backbone="efficientnet_lite0", width=16, member=SECOND, abnormal=True)
    model = build(architecture, SIDE, 1, CLASSES)
    rng = np.random.default_rng(0)
    for variable in model.get_layer(LOGITS).weights:
        variable.assign(rng.normal(size=variable.shape))
    return model


def pictures(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((count, SIDE, SIDE, 1)).astype(np.float32) * 1.25


def maps_of(file: bytes, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
    runner = Interpreter(model_content=file, num_threads=1).get_signature_runner()
    return np.stack([runner(picture=tensor[None])[MAPS][0] for tensor in tensors])


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The correlation of what sets the places and classes of the pictures apart."""
    return float(np.corrcoef((one - one.mean(0)).ravel(), (other - other.mean(0)).ravel())[0, 1])


@pytest.fixture(scope="module")
def file(net: keras.Model) -> bytes:
    return export.to_litert(net, calibration=pictures(20))


def test_convolutions_are_integers_and_maps_are_not(
    net: keras.Model,
) -> None:
    chosen = quantise.in_integers(net)

    assert chosen >= {"s2b0ex", "s2b1_add", "s6b0pr", "l3", "l7", "l7_up", "fused", "dw", "member_s0b0_conv1"}
    assert not chosen & {
        *("levels", "stem", "s0b0dw", "s1b1_add", "pw", "pw_add", "refined", "member_stem", "member_s0b0_norm1"),
        *("member_s0b0_add", "class_maps", "lesion_map", "abnormal_map", "member_maps", "maps", "logits", "features"),
    }


def test_chosen_layers_are_integers_in_the_file_and_no_others(net: keras.Model, file: bytes) -> None:
    chosen = quantise.in_integers(net)
    interpreter = Interpreter(model_content=file)
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    seen = set()
    for operation in interpreter._get_ops_details():
        if operation["op_name"] not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        (output,) = operation["outputs"]
        names = quantise.layers_of(tensors[output]["name"])
        assert (tensors[output]["dtype"] == np.int8) == bool(names & chosen), tensors[output]["name"]
        seen |= names & chosen
    assert seen >= {name for name in chosen if isinstance(net.get_layer(name), keras.layers.Conv2D)}


def test_only_calibrated_integers_say_what_the_net_says(net: keras.Model, file: bytes) -> None:
    fresh = pictures(12, seed=1)
    exact = net.predict_on_batch(fresh)[MAPS]
    dark = export.to_litert(net, calibration=np.zeros((1, SIDE, SIDE, 1), np.float32))

    assert alike(maps_of(file, fresh), exact) > 0.97
    assert alike(maps_of(dark, fresh), exact) < 0.9


def test_without_pictures_weights_are_float16(net: keras.Model) -> None:
    assert export.arithmetic(net, None) == "float16"
    assert export.arithmetic(net, pictures(1)) == "int8"


def test_calibration_pictures_are_of_every_place_and_class(tmp_path: Path) -> None:
    many = [Example(tmp_path / f"{i}.png", "glioma", "train", "cheng", str(i)) for i in range(900)]
    few = [Example(tmp_path / f"few{i}.png", "no_tumor", "train", "ixi", str(i)) for i in range(40)]
    kept_back = [Example(tmp_path / f"val{i}.png", "no_tumor", "val", "ixi", str(i)) for i in range(40)]
    chosen = quantise.alike([*many, *few, *kept_back])

    assert len(chosen) == quantise.MOST
    assert sum(e.source == "ixi" for e in chosen) == 40
    assert all(e.part == "train" for e in chosen)
    assert chosen == quantise.alike([*reversed(many), *few])
