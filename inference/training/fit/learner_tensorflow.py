"""The update step on TensorFlow: one graph that changes the variables in place."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from inference.training.fit.learner import Learner, averaged
from inference.training.recipes import Recipe


class TensorFlowLearner(Learner):
    """Learns with TensorFlow."""

    def __init__(self, recipe: Recipe, model: keras.Model) -> None:
        super().__init__(recipe, model)
        self._graph = tf.function(self._update, reduce_retracing=True)

    def update(self, batch: Sequence[Any], rate: float) -> float:
        """See ``Learner``."""
        self.optimizer.learning_rate.assign(rate)
        return float(self._graph(*batch))

    def _update(self, pictures: Any, masks: Any, labels: Any, masked: Any) -> Any:
        with tf.GradientTape() as tape:
            total, told = self.losses(self.model(pictures, training=True), masks, labels, masked)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(total, variables), variables)
        self.steps.assign_add(1.0)
        for average, variable in zip(self.average, self.model.weights, strict=True):
            average.assign(averaged(average.value, variable.value, self.steps.value))
        return told
