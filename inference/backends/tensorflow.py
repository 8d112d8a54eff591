"""TensorFlow: the reference. Grad-CAM by GradientTape, as in the paper, on a model rebuilt from code and weights."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.architecture import ACTIVATIONS, FEATURES, LOGITS, MAPS, rebuild
from inference.backends import WEIGHTS, Outputs
from inference.card import ModelCard, ModelError


class TensorFlowBackend:
    """Keras models that also give the activations of their last convolution."""

    def __init__(self, nets: Sequence[keras.Model]) -> None:
        self._nets = []
        for net in nets:
            model = keras.Model(net.input, {**net.output, ACTIVATIONS: net.get_layer(ACTIVATIONS).output})
            self._nets.append(tf.function(partial(_grad_cam, model)))

    def run(self, tensor: NDArray[np.float32], net: int = 0) -> Outputs:
        """Grad-CAM of every class (Selvaraju et al. 2017, equations 1 and 2, without the ReLU).

        alpha_k = mean_xy(d logit_c / d A_k), map_c = sum_k alpha_k A_k; times the number of places, so that the map's
        mean is the logit without its bias, as in the class maps of the exported model.
        """
        found = self._nets[net](tf.constant(tensor))
        return Outputs(*(np.asarray(found[name][0]) for name in (LOGITS, MAPS, FEATURES)))


def _grad_cam(model: keras.Model, tensor: Any) -> dict[str, Any]:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensor)  # a net without weights before its activations would not be recorded
        found: dict[str, Any] = model(tensor, training=False)
        activations = found[ACTIVATIONS]
        scores = tf.unstack(found[LOGITS][0])
    places = activations.shape[1] * activations.shape[2]
    maps = [
        tf.reduce_sum(tf.reduce_mean(tape.gradient(score, activations), axis=(1, 2)) * activations, axis=-1)
        for score in scores
    ]
    return {LOGITS: found[LOGITS], MAPS: tf.stack(maps, axis=-1) * places, FEATURES: found[FEATURES]}


def load(folder: Path, card: ModelCard) -> TensorFlowBackend:
    """Rebuild the nets and fill them from ``weights.npz``. Raises ModelError when the weights don't fit."""
    try:
        return TensorFlowBackend(rebuild(card, folder / WEIGHTS["tensorflow"]))
    except ValueError as error:
        raise ModelError(f"{error}: reinstall the package") from None
