"""Writes a model folder: LiteRT file (8-bit integers or float16), float16 weights and card (see ``inference.card``)."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from inference.architecture import build, load_weights, save_weights
from inference.card import Arithmetic, ModelCard, OperatingPoints
from inference.layers import FEATURES, LOGITS, MAPS
from inference.training.data import dataset
from inference.training.data.example import Example
from inference.training.fit import features, quantise
from inference.training.fit.quantise import Tensors
from inference.training.recipes import Recipe

LITERT_FILE = "model.tflite"
WEIGHTS_FILE = "weights.npz"
OUTPUTS = (LOGITS, MAPS, FEATURES)


def export(
    recipe: Recipe, model: keras.Model, folder: Path, model_version: str, calibration: Tensors | None = None
) -> ModelCard:
    """Write ``folder`` from a float32 ``model``; temperature, operating points and figures come by ``calibrate``.

    The weights are rounded to float16 first, so that the LiteRT file and the rebuilt Keras model hold the same numbers,
    or with ``calibration`` (see ``to_litert``) the LiteRT file is made of the same numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not recipe.guidance:
        centre_maps(model)
    round_weights(model)
    (folder / LITERT_FILE).write_bytes(to_litert(model, calibration=calibration))
    save_weights(model, folder / WEIGHTS_FILE)
    card = ModelCard(
        name=recipe.name,
        version=model_version,
        organ=recipe.organ,
        slices=recipe.slices,
        classes=recipe.classes,
        architecture=recipe.architecture,
        input=recipe.input,
        arithmetic=arithmetic(model, calibration),
        temperature=1.0,
        operating_points=OperatingPoints(positive=0.9, negative=0.1),
        conformal=dict.fromkeys(recipe.class_names, 0.95),
        heatmap_full_scale=10.0,
        sha256=checksums(folder),
        trained_on=[],
        figures={},
        intended_use=recipe.card.intended_use,
        out_of_scope=recipe.card.out_of_scope,
        known_failures=list(recipe.card.known_failures),
        made_with={name: version(name) for name in ("keras", "numpy", "pillow", "ai-edge-litert")}
        | {"tensorflow": tf.__version__},
    )
    write_card(card, folder)
    return card


def calibration(recipe: Recipe, examples: Sequence[Example]) -> Tensors | None:
    """Training pictures [N, side, side, C] by which the net's integers are calibrated; None for cells, without a net.

    Of every place and class alike; of the gate's every kind, made by code or varied, too.
    """
    if recipe.of_cells:
        return None
    if recipe.organ is None:
        return features.calibration(features.chosen(examples), recipe.input)
    return dataset.tensors(quantise.alike(examples), recipe.input)


def quantised(card: ModelCard, folder: Path, pictures: Tensors) -> ModelCard:
    """The card after the LiteRT file of ``folder`` was made anew of its ``weights.npz``, calibrated by ``pictures``."""
    model = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    load_weights(model, folder / WEIGHTS_FILE)
    (folder / LITERT_FILE).write_bytes(to_litert(model, calibration=pictures))
    changes = {"arithmetic": arithmetic(model, pictures), "sha256": card.sha256 | checksums(folder)}
    return card.model_copy(update=changes)


def write_card(card: ModelCard, folder: Path) -> None:
    """Write ``card.json``, one field a line where that reads well."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) of the weight files in ``folder``."""
    return {name: checksum(folder / name) for name in (LITERT_FILE, WEIGHTS_FILE)}


def checksum(path: Path) -> str:
    """SHA-256 (hex) of a file, as the card lists it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def centre_maps(model: keras.Model) -> None:
    """Take the mean over the classes away from the class maps and the biases.

    Softmax does not see what all classes have in common, so without guidance a class map may hold anything of it. What
    is left is the evidence for a class against the others (with two classes: half the log odds); probabilities stay.
    """
    for layer in (model.get_layer(MAPS), model.get_layer(LOGITS)):
        weight = layer.weights[0]
        values = np.asarray(keras.ops.convert_to_numpy(weight), np.float32)
        weight.assign(values - values.mean(-1, keepdims=True))


def round_weights(model: keras.Model) -> None:
    """Round every weight to float16 in place. Raises ValueError when one is not finite there."""
    for variable in model.weights:
        rounded = np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float16)
        if not np.isfinite(rounded).all():
            raise ValueError(f"{variable.path} does not fit into float16: the training has gone astray")
        variable.assign(rounded.astype(np.float32))


def arithmetic(model: keras.Model, calibration: Tensors | None) -> Arithmetic:
    """How a file counts that ``to_litert`` makes."""
    return "int8" if calibration is not None and quantise.in_integers(model) else "float16"


def to_litert(model: keras.Model, outputs: tuple[str, ...] = OUTPUTS, calibration: Tensors | None = None) -> bytes:
    """Convert to LiteRT; one signature, float32 picture in, {"logits", "maps", "features"} out.

    The weights are float16. With pictures to calibrate by [N, side, side, C] most of the net counts in 8-bit integers
    instead, and the rest has its weights in float32: see ``fit.quantise``.
    """
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="picture")
    traced = tf.function(lambda picture: [model(picture, training=False)[name] for name in outputs], autograph=False)
    # Frozen first: the converter otherwise leaves the weights out as uninitialised variables.
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function(spec))
    module = tf.Module()
    module.answer = tf.function(
        lambda picture: dict(zip(outputs, frozen(picture), strict=True)), input_signature=[spec], autograph=False
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.answer)
        converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None and arithmetic(model, calibration) == "int8":
            return quantise.convert(converter, quantise.in_integers(model), calibration)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())
