"""What serves (LiteRT) says the same as the reference (TensorFlow with GradientTape Grad-CAM)."""

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.analyser import Analyser
from inference.card import MODELS_DIR
from inference.decode.imaging import decode
from inference.explain import heat
from inference.model import Model
from tests import pictures

pytest.importorskip("tensorflow", reason="the reference needs the extra 'train'", exc_type=ImportError)

DRAWN = [
    pictures.brain(), pictures.brain(tumour=False, seed=4), pictures.photo(),
    pictures.smear(), pictures.smear(blasts=False), pictures.cat(), pictures.chest_xray(),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """How far what serves may be from the reference: probabilities, heat (0..1), features (relative and absolute)."""

    probability: float
    heat: float
    features: float


BOUNDS = {
    "float16": Bound(2e-4, 1e-3, 1e-3),  # sums of a hundred layers, in another order
    "int8": Bound(0.1, 0.08, 0.6),
    "gate": Bound(0.01, 0.3, 1.6),
}
"""With integers a logit is 0.2 off on average and 1.1 at most on the pictures of this file, of some tens; of a
probability that was 0.06 at most, of the heat 0.05 and of a feature 0.4. Half as much again is allowed. The gate's
maps, which nobody is shown, are small: of their heat it was 0.19, of its features, which reach 16, 1.1."""


@pytest.fixture(scope="module")
def both() -> tuple[Analyser, Analyser]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Analyser.load(), Analyser.load(backend="tensorflow")


def pairs(both: tuple[Analyser, Analyser]) -> Iterator[tuple[Model, Model]]:
    serving, reference = both
    yield serving.gate.model, reference.gate.model
    for organ, model in serving.experts.items():
        yield model, reference.experts[organ]


def assert_same(one: Model, other: Model, rgb: NDArray[np.uint8]) -> None:
    a, b = one.read(rgb), other.read(rgb)
    bound = BOUNDS["gate"] if one.card.arithmetic == "int8" and one.card.organ is None else BOUNDS[one.card.arithmetic]
    for name, chance in a.probabilities.items():
        assert abs(chance - b.probabilities[name]) <= bound.probability
    for index in range(a.outputs.maps.shape[-1]):
        # Where a map stays far below the scale that it is drawn at, it is dark: what it holds there is rounding.
        strongest = max(float(outputs.maps[..., index].max()) for outputs in (a.outputs, b.outputs))
        scale = max(strongest, one.card.heatmap_full_scale)
        difference = heat(a.outputs.maps[..., index], scale) - heat(b.outputs.maps[..., index], scale)
        assert np.abs(difference).max() <= bound.heat
    assert np.allclose(a.outputs.features, b.outputs.features, rtol=1e-3, atol=bound.features)


@pytest.mark.parametrize("number", range(len(DRAWN)))
def test_both_backends_agree_on_drawn_pictures(both: tuple[Analyser, Analyser], number: int) -> None:
    rgb = decode(DRAWN[number]).rgb
    for one, other in pairs(both):
        assert_same(one, other, rgb)


def test_both_backends_agree_on_real_pictures(both: tuple[Analyser, Analyser], shared_data: Path) -> None:
    for part in ("brain", "blood", "other"):
        with (shared_data / part / "index.csv").open() as file:
            files = [row["file"] for row in csv.DictReader(file)]
        for name in files[:: len(files) // 8]:
            rgb = decode((shared_data / part / name).read_bytes()).rgb
            for one, other in pairs(both):
                assert_same(one, other, rgb)


def test_maps_of_anything_are_those_of_grad_cam(both: tuple[Analyser, Analyser]) -> None:
    """To 1e-3, of the activations that the file itself has: what integers do before them is no matter of the maps."""
    rng = np.random.default_rng(0)
    for serving, reference in pairs(both):
        spec = serving.card.input
        for _ in range(3):
            noise = rng.random((1, spec.side, spec.side, spec.channels)).astype(np.float32)
            maps, expected = (
                grad_cam_of_its_own_activations(serving, noise)
                if serving.card.arithmetic == "int8"
                else (serving.backend.run(noise).maps, reference.backend.run(noise).maps)
            )
            assert np.abs(maps - expected).max() < 1e-3 * max(1, serving.card.heatmap_full_scale / 10)


def grad_cam_of_its_own_activations(
    model: Model, tensor: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The maps of the LiteRT file [h, w, K], and Grad-CAM by GradientTape of the float32 net's logits.

    Both at the activations that the file has in this very run: kernels of another kind round integers otherwise.
    """
    import keras
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from inference.architecture import build, load_weights
    from inference.backends.tensorflow import TensorFlowBackend
    from inference.layers import ACTIVATIONS, LOGITS
    from inference.lesion_net import MEMBER, stretched
    from inference.training.fit.quantise import layers_of

    card, folder = model.card, MODELS_DIR / model.card.name
    net = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    load_weights(net, folder / "weights.npz")
    ends = [net.get_layer(n) for n in (ACTIVATIONS, f"{MEMBER}{ACTIVATIONS}") if any(x.name == n for x in net.layers)]
    heads = keras.Model([end.output for end in ends], net.output[LOGITS])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it takes memory
        file = Interpreter(
            model_path=str(folder / "model.tflite"), experimental_preserve_all_tensors=True, num_threads=1
        )
    served = file.get_signature_runner()(picture=tensor)["maps"][0]
    shapes = [tuple(end.output.shape[1:]) for end in ends]
    names = [{"refined", "activations"}, {f"{MEMBER}{ACTIVATIONS}"}]
    activations = [
        tf.constant(next(
            file.get_tensor(t["index"])
            for t in file.get_tensor_details()
            if t["dtype"] == np.float32 and tuple(t["shape"][1:]) == shape and layers_of(t["name"]) & wanted
        ))
        for shape, wanted in zip(shapes, names, strict=False)
    ]  # fmt: skip
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(activations)
        scores = tf.unstack(heads(activations, training=False)[0])
    slopes = [tape.gradient(score, activations) for score in scores]
    maps = [TensorFlowBackend._maps(*of) for of in zip(activations, *slopes, strict=True)]
    return served, np.asarray(tf.add_n([stretched(each, maps[0].shape[1]) for each in maps])[0])


def test_integers_change_as_little_as_was_measured(both: tuple[Analyser, Analyser], shared_data: Path) -> None:
    """Over slices of test, beside the card's own figures: a file calibrated by other pictures is further off."""
    from inference.training.measure import integers

    for one, _ in pairs(both):
        if one.card.arithmetic == "float16" or not one.card.organ:
            continue
        folder = {"brain_mri": "brain", "blood_smear": "blood"}[one.card.organ]
        with (shared_data / folder / "index.csv").open() as file:
            names = [row["file"] for row in csv.DictReader(file) if row["part"] == "test"]
        rows = [decode((shared_data / folder / name).read_bytes()).rgb for name in names[:: len(names) // 24]]
        found = integers.figures(
            one.card, MODELS_DIR / one.card.name, np.concatenate([one.tensor(rgb) for rgb in rows])
        )
        assert found["logits_mean"] < 2 * one.card.figures["integers"]["logits_mean"]
        assert found["maps_correlation"] > 0.98
        assert found["told_the_same"] > 0.9


def test_the_whole_answer_is_the_same(both: tuple[Analyser, Analyser]) -> None:
    serving, reference = (analyser.analyse(DRAWN[0]) for analyser in both)
    assert (serving.organ, serving.verdict, serving.label) == (reference.organ, reference.verdict, reference.label)
    assert serving.model is not None
    assert reference.model is not None
    assert serving.model.sha256 != reference.model.sha256  # each names the file that it ran
