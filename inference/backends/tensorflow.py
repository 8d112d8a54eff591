"""TensorFlow: the reference. Grad-CAM by GradientTape, as in the paper, on a model rebuilt from code and weights."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.architecture import ACTIVATIONS, FEATURES, LOGITS, MAPS, build, load_weights
from inference.backends import WEIGHTS, Outputs
from inference.card import ModelCard, ModelError


class TensorFlowBackend:
    """A Keras model that also gives the activations of its last convolution."""

    def __init__(self, model: keras.Model) -> None:
        outputs = {**model.output, ACTIVATIONS: model.get_layer(ACTIVATIONS).output}
        self._model = keras.Model(model.input, outputs)
        self._explain = tf.function(self._grad_cam)

    def run(self, tensor: NDArray[np.float32]) -> Outputs:
        """Grad-CAM of every class (Selvaraju et al. 2017, equations 1 and 2, without the ReLU).

        alpha_k = mean_xy(d logit_c / d A_k), map_c = sum_k alpha_k A_k; times the number of places, so that the map's
        mean is the logit without its bias, as in the class maps of the exported model.
        """
        outputs = self._explain(tf.constant(tensor))
        return Outputs(*(np.asarray(outputs[name][0]) for name in (LOGITS, MAPS, FEATURES)))

    def _grad_cam(self, tensor: Any) -> dict[str, Any]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(tensor)  # a net without weights before its activations would not be recorded
            outputs: dict[str, Any] = self._model(tensor, training=False)
            activations = outputs[ACTIVATIONS]
            scores = tf.unstack(outputs[LOGITS][0])
        places = activations.shape[1] * activations.shape[2]
        maps = [
            tf.reduce_sum(tf.reduce_mean(tape.gradient(score, activations), axis=(1, 2)) * activations, axis=-1)
            for score in scores
        ]
        return {LOGITS: outputs[LOGITS], MAPS: tf.stack(maps, axis=-1) * places, FEATURES: outputs[FEATURES]}


def load(folder: Path, card: ModelCard) -> TensorFlowBackend:
    """Rebuild the model and fill it from ``weights.npz``. Raises ModelError when the weights don't fit."""
    model = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    try:
        load_weights(model, folder / WEIGHTS["tensorflow"])
    except ValueError as error:
        raise ModelError(f"{error}: reinstall the package") from None
    return TensorFlowBackend(model)
