"""What the networks are made of: group normalisation, a bias per class, residual stages (needs Keras)."""

from typing import Any

import numpy as np
from keras import layers, ops

from inference.card import Architecture

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

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input; said here, since Keras would trace ``call`` twice to find out."""
        return shape

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

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return shape

    def call(self, x: Any) -> Any:
        """Add it to [B, K]."""
        return x + self.bias


def residual_activations(x: Any, architecture: Architecture, prefix: str = "") -> Any:
    """The last activations of the residual net for ``x`` [B, S, S, C]; its layers' names begin with ``prefix``."""
    x = _conv(x, architecture.stem, 2, f"{prefix}stem")
    x = layers.Activation("relu", name=f"{prefix}stem_relu")(GroupNorm(name=f"{prefix}stem_norm")(x))
    stages = list(zip(architecture.widths, architecture.blocks, architecture.strides, strict=True))
    for stage, (width, blocks, stride) in enumerate(stages):
        for block in range(blocks):
            last = stage == len(stages) - 1 and block == blocks - 1
            name = f"{prefix}{ACTIVATIONS}" if last else None
            x = _residual(x, width, stride if block == 0 else 1, f"{prefix}s{stage}b{block}", name)
    return layers.Activation("linear", dtype="float32", name=f"{prefix}to_float32")(x)


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
