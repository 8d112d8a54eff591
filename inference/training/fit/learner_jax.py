"""The update step on JAX (CPU or accelerator): one compiled function of values, which the Keras variables then take."""

from collections.abc import Sequence
from typing import Any

import jax
import keras
import numpy as np
import tensorflow as tf

from inference.training.fit.learner import Learner, averaged
from inference.training.recipes import Recipe

# TensorFlow varies the pictures, on the processor: it must not take the accelerator's memory.
tf.config.set_visible_devices([], "GPU")


class JaxLearner(Learner):
    """Learns with JAX. The nets hold nothing but trainable weights: ``stateless_call`` raises ValueError otherwise."""

    def __init__(self, recipe: Recipe, model: keras.Model) -> None:
        super().__init__(recipe, model)
        self._compiled = jax.jit(self._update)

    def update(self, batch: Sequence[Any], rate: float) -> float:
        """See ``Learner``."""
        self.optimizer.learning_rate.assign(rate)
        groups = self.variables()
        state, told = self._compiled([[v.value for v in group] for group in groups], *map(np.asarray, batch))
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return float(told)

    def _update(self, state: Any, pictures: Any, masks: Any, labels: Any, masked: Any) -> tuple[Any, Any]:
        weights, average, moments, [steps] = state

        def minimised(weights: Any) -> tuple[Any, Any]:
            outputs, _ = self.model.stateless_call(weights, [], pictures, training=True)
            return self.losses(outputs, masks, labels, masked)

        (_, told), gradients = jax.value_and_grad(minimised, has_aux=True)(weights)
        weights, moments = self.optimizer.stateless_apply(moments, gradients, weights)
        steps += 1.0
        average = [averaged(a, w, steps) for a, w in zip(average, weights, strict=True)]
        return [weights, average, moments, [steps]], told
