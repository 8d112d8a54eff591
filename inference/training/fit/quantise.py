"""Chooses what of a net counts in 8-bit integers, and has it converted so for LiteRT.

Convolutions take nearly all of the time, and integers are several times as fast. One scale for a whole tensor is fine
where its values are alike; it is not where a few are hundreds of times as large as the others: there the small ones are
lost (``IN_FLOAT``). Ranges of activations are read off pictures of the training ("post-training quantisation").
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from numpy.typing import NDArray
from tensorflow.lite.python.convert import mlir_quantize

from inference.layers import MAPS
from inference.lesion_net import ABNORMAL_MAP, CLASS_MAPS, LESION_MAP
from inference.training.data.example import Example, stable_share

Tensors = NDArray[np.float32]
EARLY: Final = ("stem", "s0b0dw", "s0b0pr", "s1b0ex", "s1b0dw", "s1b0pr", "s1b1ex", "s1b1dw", "s1b1pr")
"""EfficientNet's stem and first two stages: their channels differ most, and all others inherit their errors."""
IN_FLOAT: Final = (*EARLY, "pw", MAPS, CLASS_MAPS, LESION_MAP, ABNORMAL_MAP)
"""Convolutions that stay in float32 (of a second net, too, by the end of the name).

Besides the early ones the last one, whose sum with its input is what all maps are made of (0 to some hundreds, mostly
below 1), and the maps, which add up to logits.
"""
MOST: Final = 300
"""So many pictures say what an activation's range is."""
FOLLOWING: Final = (layers.ReLU, layers.Add, layers.UpSampling2D, layers.AveragePooling2D)
"""Kinds of layers that count in integers where all that they get does."""


def alike(examples: Sequence[Example]) -> list[Example]:
    """``MOST`` pictures of the training, of every place and class alike, always the same ones."""
    sides: dict[tuple[str, str], list[Example]] = {}
    for example in sorted(examples, key=lambda e: stable_share(e.path.name + e.source)):
        if example.part == "train":
            sides.setdefault((example.source, example.label), []).append(example)
    return [one for row in zip_longest(*sides.values()) for one in row if one is not None][:MOST]


def in_integers(model: keras.Model) -> set[str]:
    """Names of the layers that count in integers: convolutions, and what lies between them.

    Group norms, which divide by a spread of each picture's own, and everything after the maps' activations do not.
    """
    chosen: set[str] = set()
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            if not any(layer.name == name or layer.name.endswith(f"_{name}") for name in IN_FLOAT):
                chosen.add(layer.name)
        elif isinstance(layer, FOLLOWING) and _sources(layer) <= chosen:
            chosen.add(layer.name)
    return chosen


def _sources(layer: Any) -> set[str]:
    """Names of the layers that a layer gets its inputs from."""
    given = layer.input if isinstance(layer.input, list) else [layer.input]
    return {tensor._keras_history.operation.name for tensor in given}


def convert(converter: Any, chosen: set[str], calibration: Tensors) -> bytes:
    """The LiteRT file of ``converter``'s model in which the ``chosen`` layers count in integers.

    ``calibration`` [N, side, side, C] are pictures as the model gets them; outputs and inputs stay float32.
    """

    def pictures() -> Iterator[list[Tensors]]:
        for picture in calibration:
            yield [picture[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    # What QuantizationDebugger does, without the file for debugging that it makes and opens first.
    converter.experimental_mlir_quantizer = True
    converter._experimental_calibrate_only = True
    calibrated = bytes(converter.convert())
    others = [node for node in _nodes(calibrated) if not layers_of(node) & chosen]
    return bytes(mlir_quantize(calibrated, denylisted_nodes=others))


def layers_of(node: str) -> set[str]:
    """What may be names of layers in a node's: "functional_1/s1b0dw_1/depthwise" -> functional, s1b0dw, depthwise."""
    return {re.sub(r"_\d+$", "", part) for part in re.split("[;/]", node)}


def _nodes(calibrated: bytes) -> list[str]:
    """Names of what every operation of a LiteRT file gives."""
    interpreter = Interpreter(model_content=calibrated)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    return [names[output] for operation in interpreter._get_ops_details() for output in operation["outputs"]]
