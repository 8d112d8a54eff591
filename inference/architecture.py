"""The network of every model, as code: rebuilt from the card and filled with ``weights.npz`` (needs TensorFlow).

The gate reads EfficientNet-Lite0 (``_pooled_backbone``), the blood smear's model measured cells (``_weigh_cells``), the
brain's a pretrained net that also draws lesions (``inference.lesion_net``). Else it is a plain residual net of 3x3
convolutions with group normalisation and a stride of 8, then one 1x1 convolution to K class maps, their mean, and a
bias per class: ``logits[c] = bias[c] + mean_xy(maps[c])``. In all of them Grad-CAM on a logit has a closed form, which
is the output ``maps`` (Selvaraju et al. 2017, section 3.1; Draelos & Carin 2020).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from inference import lesion_net
from inference.card import Architecture, LesionArchitecture
from inference.efficientnet import STAGES, TEXTURE_STAGES, efficientnet_lite0
from inference.layers import ACTIVATIONS, FEATURES, LOGITS, MAPS, Bias, residual_activations


def build(
    architecture: Architecture | LesionArchitecture, input_side: int, channels: int, n_classes: int
) -> keras.Model:
    """Build the net for [B, side, side, channels] float32; its output is {"logits", "maps", "features", ...}, float32.

    Shapes: logits [B, K], maps [B, side/8, side/8, K] for the shipped strides, features [B, F] (mean of the last
    activations). An architecture without a stem weighs measured cells instead (see ``_weigh_cells``).
    """
    if isinstance(architecture, LesionArchitecture):
        return lesion_net.build_lesion_net(architecture, input_side, channels, n_classes)
    if architecture.backbone:
        return _pooled_backbone(input_side, channels, n_classes)
    if not architecture.stem:
        return _weigh_cells(input_side, channels, n_classes)
    picture = keras.Input((input_side, input_side, channels), name="picture")
    x = residual_activations(picture, architecture)
    maps = layers.Conv2D(n_classes, 1, use_bias=False, dtype="float32", name=MAPS)(x)
    logits = Bias(dtype="float32", name=LOGITS)(layers.GlobalAveragePooling2D(dtype="float32", name="map_mean")(maps))
    features = layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(x)
    return keras.Model(picture, {"logits": logits, "maps": maps, "features": features})


class Colours(layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Brings levels 0..1 to the range -1..1 that ImageNet's weights know."""

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of the input."""
        return shape

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


def texture_net(side: int) -> keras.Model:
    """EfficientNet-Lite0's first three stages, fixed: [B, side, side, 3] in 0..1 to {"features": [B, 40]}, their mean.

    What reads the textures of white cells (``inference.cells.textures``).
    """
    picture = keras.Input((side, side, 3), name="picture")
    x = efficientnet_lite0(Colours(name="colours")(picture), fixed=len(STAGES), stages=TEXTURE_STAGES)[-1]
    return keras.Model(picture, {"features": layers.GlobalAveragePooling2D(dtype="float32", name=FEATURES)(x)})


def _weigh_cells(side: int, channels: int, n_classes: int) -> keras.Model:
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


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights as float16 arrays named ``layer/variable`` (no pickled objects)."""
    arrays = {_key(v): np.asarray(ops.convert_to_numpy(v), np.float16) for v in model.weights}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's types take the names for its own keywords


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill ``model`` from ``path``; raises ValueError naming the file when a weight is missing or has another shape."""
    fill(model, read_weights(path), path)


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of a file of weights, by their names ``layer/variable``."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def fill(model: keras.Model, arrays: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """As ``load_weights``, from ``arrays`` that were read of ``path``."""
    names = {_key(v) for v in model.weights}
    if names != set(arrays):
        raise ValueError(f"{path} does not fit the architecture: {sorted(names ^ set(arrays))[:4]}")
    for variable in model.weights:
        value = arrays[_key(variable)]
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{path}: {_key(variable)} is {value.shape}, expected {tuple(variable.shape)}")
        variable.assign(value)


def _key(variable: Any) -> str:
    return str(variable.path)
