"""TensorFlow: the reference. Grad-CAM by GradientTape, as in the paper, on a model rebuilt from code and weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.architecture import build, load_weights
from inference.backends import WEIGHTS, Outputs
from inference.card import ModelCard, ModelError
from inference.layers import ACTIVATIONS, FEATURES, LOGITS, MAPS
from inference.lesion_net import MEMBER, stretched


class TensorFlowBackend:
    """A Keras model that also gives the activations that its maps are made of (of a member, too, where it has one)."""

    def __init__(self, model: keras.Model) -> None:
        names = [name for name in (ACTIVATIONS, f"{MEMBER}{ACTIVATIONS}") if any(x.name == name for x in model.layers)]
        self._explained = [model.get_layer(name) for name in names]
        self._model = keras.Model(model.input, {name: model.output[name] for name in (LOGITS, FEATURES)})
        self._explain = tf.function(self._grad_cam, autograph=False)  # its loops are over lists

    def run(self, tensor: NDArray[np.float32]) -> Outputs:
        """Grad-CAM of every class (Selvaraju et al. 2017, equations 1 and 2, without the ReLU).

        alpha_k = mean_xy(d logit_c / d A_k), map_c = sum_k alpha_k A_k; times the number of places, so that where a
        logit is a mean over places the map's mean is the logit without its bias. With a member the maps of both add up.
        """
        outputs = self._explain(tf.constant(tensor))
        return Outputs(*(np.asarray(outputs[name][0]) for name in (LOGITS, MAPS, FEATURES)))

    def _grad_cam(self, tensor: Any) -> dict[str, Any]:
        # Nothing below the activations is recorded: a class's way back through a whole net takes seconds to be traced.
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            with _watched(self._explained, tape) as activations:
                outputs = self._model(tensor, training=False)
            scores = tf.unstack(outputs[LOGITS][0])
        slopes = [tape.gradient(score, activations) for score in scores]
        side = activations[0].shape[1]
        maps = [stretched(self._maps(*layer), side) for layer in zip(activations, *slopes, strict=True)]
        return {LOGITS: outputs[LOGITS], MAPS: tf.add_n(maps), FEATURES: outputs[FEATURES]}

    @staticmethod
    def _maps(activations: Any, *slopes: Any) -> Any:
        """Maps [1, h, w, K] over one layer's activations, from each score's slopes there."""
        places = activations.shape[1] * activations.shape[2]
        maps = [tf.reduce_sum(tf.reduce_mean(each, axis=(1, 2)) * activations, axis=-1) for each in slopes]
        return tf.stack(maps, axis=-1) * float(places)


@contextmanager
def _watched(layers: Sequence[Any], tape: Any) -> Iterator[list[Any]]:
    """What the layers give while the body runs, in their order, watched by ``tape`` before it goes on."""
    seen: dict[Any, Any] = {}

    def watching(layer: Any, call: Any) -> Any:
        def watched_call(*args: Any, **kwargs: Any) -> Any:
            seen[layer] = call(*args, **kwargs)
            tape.watch(seen[layer])
            return seen[layer]

        return watched_call

    given: list[Any] = []
    for layer in layers:
        layer.call = watching(layer, layer.call)
    try:
        yield given
        given += [seen[layer] for layer in layers]
    finally:
        for layer in layers:
            del layer.call


def load(folder: Path, card: ModelCard) -> TensorFlowBackend:
    """Rebuild the model and fill it from ``weights.npz``. Raises ModelError when the weights don't fit."""
    model = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    try:
        load_weights(model, folder / WEIGHTS["tensorflow"])
    except ValueError as error:
        raise ModelError(f"{error}: reinstall the package") from None
    return TensorFlowBackend(model)
