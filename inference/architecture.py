"""The network of every model, as code: rebuilt from the card and filled with ``weights.npz`` (needs TensorFlow).

The gate reads EfficientNet-Lite0 (``_pooled_backbone``), the blood smear's model measured cells (``_judge_cells``).
Else it is a plain residual net of 3x3 convolutions with group normalisation and a stride of 8, then one 1x1 convolution
to K class maps, their mean, and a bias per class. So Grad-CAM on a logit has a closed form (Selvaraju et al. 2017,
section 3.1; Draelos & Carin 2020), and ``logits[c] = bias[c] + mean_xy(maps[c])`` holds for every picture.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from inference.card import Architecture
from inference.efficientnet import STAGES, efficientnet_lite0

GROUP_SIZE = 8
"""Channels that are normalised together (Wu & He 2018)."""
ACTIVATIONS = "activations"
"""Layer whose output the class maps are made of: the one to differentiate a logit by."""
MAPS = "maps"
LOGITS = "logits"
FEATURES = "features"


class GroupNorm(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Group normalisation out of operations that LiteRT runs fast: per-channel moments, pooled by one small matrix."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the scale and the offset, one each a channel."""
        channels = shape[-1]
        if channels is None or channels % GROUP_SIZE:
            raise ValueError(f"the number of channels must be a multiple of {GROUP_SIZE}, got {channels}")
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        self._pool = np.kron(np.eye(channels // GROUP_SIZE), np.full((GROUP_SIZE, GROUP_SIZE), 1 / GROUP_SIZE)).astype(
            np.float32
        )

    def call(self, x: Any) -> Any:
        """Normalise [B, h, w, C]; the moments are taken in float32 whatever the dtype of ``x``."""
        wide = ops.cast(x, "float32")
        pool = ops.convert_to_tensor(self._pool)
        mean = ops.matmul(ops.mean(wide, axis=(1, 2)), pool)
        square = ops.matmul(ops.mean(wide * wide, axis=(1, 2)), pool)
        spread = ops.rsqrt(ops.maximum(square - mean * mean, 0.0) + 1e-4)
        scale = ops.cast(self.gamma, "float32") * spread
        offset = ops.cast(self.beta, "float32") - mean * scale
        channels = self._pool.shape[0]
        scale = ops.reshape(scale, (-1, 1, 1, channels))
        offset = ops.reshape(offset, (-1, 1, 1, channels))
        return x * ops.cast(scale, x.dtype) + ops.cast(offset, x.dtype)


class Bias(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Adds one number a class: the part of a logit that no place in the picture explains."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the bias."""
        self.bias = self.add_weight(name="bias", shape=(shape[-1],), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Add it to [B, K]."""
        return x + self.bias


def build(architecture: Architecture, input_side: int, channels: int, n_classes: int) -> keras.Model:
    """Build the net for [B, side, side, channels] float32; its output is {"logits", "maps", "features"}, all float32.

    Shapes: logits [B, K], maps [B, side/8, side/8, K] for the shipped strides, features [B, F] (mean of the last
    activations). An architecture without a stem judges measured cells instead (see ``_judge_cells``).
    """
    if architecture.backbone:
        return _pooled_backbone(input_side, channels, n_classes)
    if not architecture.stem:
        return _judge_cells(input_side, channels, n_classes)
    picture = keras.Input((input_side, input_side, channels), name="picture")
    x = _conv(picture, architecture.stem, 2, "stem")
    x = layers.Activation("relu", name="stem_relu")(GroupNorm(name="stem_norm")(x))
    stages = list(zip(architecture.widths, architecture.blocks, architecture.strides, strict=True))
    for stage, (width, blocks, stride) in enumerate(stages):
        for block in range(blocks):
            last = stage == len(stages) - 1 and block == blocks - 1
            x = _residual(x, width, stride if block == 0 else 1, f"s{stage}b{block}", ACTIVATIONS if last else None)
    x = layers.Activation("linear", dtype="float32", name="to_float32")(x)
    maps = layers.Conv2D(n_classes, 1, use_bias=False, dtype="float32", name=MAPS)(x)
    logits = Bias(dtype="float32", name=LOGITS)(layers.GlobalAveragePooling2D(dtype="float32", name="map_mean")(maps))
    features = layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(x)
    return keras.Model(picture, {"logits": logits, "maps": maps, "features": features})


class Colours(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Brings levels 0..1 to the range -1..1 that ImageNet's weights know."""

    def call(self, x: Any) -> Any:
        """Map [B, S, S, 3]."""
        return x * (255 / 128) - 127 / 128


def _pooled_backbone(side: int, channels: int, n_classes: int) -> keras.Model:
    """EfficientNet-Lite0's last two stages, side by side at a stride of 32, and a linear layer on their mean.

    Its weights stay as ImageNet left them: such features tell kinds of pictures apart that no gate has seen.
    """
    picture = keras.Input((side, side, channels), name="picture")
    stages = efficientnet_lite0(Colours(name="colours")(picture), fixed=len(STAGES))
    x = layers.Concatenate(dtype="float32", name=ACTIVATIONS)(stages[-2:])
    maps = layers.Conv2D(n_classes, 1, use_bias=False, dtype="float32", name=MAPS)(x)
    logits = Bias(dtype="float32", name=LOGITS)(layers.GlobalAveragePooling2D(dtype="float32", name="map_mean")(maps))
    features = layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(x)
    return keras.Model(picture, {"logits": logits, "maps": maps, "features": features})


def _judge_cells(side: int, channels: int, n_classes: int) -> keras.Model:
    """One place a cell (``inference.cells.measures``): each is judged alone by a 1x1 convolution; their mean counts.

    The last channel is a cell's part in the mean; it stands for the constant, too. Class maps: [B, side, side, K].
    """
    sheet = keras.Input((side, side, channels), name="picture")
    part = sheet[..., -1:]
    counted = layers.Concatenate(name="counted")([sheet[..., :-1] * part, part])
    x = layers.Activation("linear", dtype="float32", name=ACTIVATIONS)(counted)
    maps = layers.Conv2D(n_classes, 1, use_bias=False, dtype="float32", name=MAPS)(x)
    logits = Bias(dtype="float32", name=LOGITS)(layers.GlobalAveragePooling2D(dtype="float32", name="map_mean")(maps))
    features = layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(x)
    return keras.Model(sheet, {"logits": logits, "maps": maps, "features": features})


def _conv(x: Any, width: int, stride: int, name: str, kernel: int = 3) -> Any:
    return layers.Conv2D(
        width, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def _residual(x: Any, width: int, stride: int, name: str, output_name: str | None) -> Any:
    y = GroupNorm(name=f"{name}_norm1")(_conv(x, width, stride, f"{name}_conv1"))
    y = layers.Activation("relu", name=f"{name}_relu1")(y)
    y = GroupNorm(name=f"{name}_norm2")(_conv(y, width, 1, f"{name}_conv2"))
    if stride != 1 or x.shape[-1] != width:
        x = layers.AveragePooling2D(stride, padding="same", name=f"{name}_pool")(x) if stride != 1 else x
        x = _conv(x, width, 1, f"{name}_skip", kernel=1)
    return layers.Activation("relu", name=output_name or f"{name}_relu2")(layers.Add(name=f"{name}_add")([x, y]))


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights as float16 arrays named ``layer/variable`` (no pickled objects)."""
    arrays = {_key(v): np.asarray(ops.convert_to_numpy(v), np.float16) for v in model.weights}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill ``model`` from ``path``; raises ValueError naming the file when a weight is missing or has another shape."""
    with np.load(path, allow_pickle=False) as arrays:
        names = {_key(v) for v in model.weights}
        if names != set(arrays.files):
            raise ValueError(f"{path} does not fit the architecture: {sorted(names ^ set(arrays.files))[:4]}")
        for variable in model.weights:
            value = arrays[_key(variable)].astype(np.float32)
            if value.shape != tuple(variable.shape):
                raise ValueError(f"{path}: {_key(variable)} is {value.shape}, expected {tuple(variable.shape)}")
            variable.assign(value)


def _key(variable: Any) -> str:
    return str(variable.path)
