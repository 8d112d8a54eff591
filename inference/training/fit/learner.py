"""What learns: a net, its optimizer and the running average of its weights; each backend of Keras has its own step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from inference.architecture import LOGITS, MAPS
from inference.training.data.dataset import DataError
from inference.training.fit import losses
from inference.training.recipes import Recipe

AVERAGING = 0.998
"""How much of the averaged weights a step keeps."""


class Learner(ABC):
    """The model in training and all that a step changes; the Keras variables hold the truth between two steps."""

    def __init__(self, recipe: Recipe, model: keras.Model) -> None:
        self.recipe = recipe
        self.model = model
        self.optimizer = keras.optimizers.AdamW(recipe.peak_rate, weight_decay=recipe.weight_decay, clipnorm=2.0)
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(model.trainable_variables)
        self.average = [keras.Variable(ops.convert_to_numpy(v), trainable=False) for v in model.weights]
        self.steps = keras.Variable(0.0, trainable=False)

    @abstractmethod
    def update(self, batch: Sequence[Any], rate: float) -> float:
        """One step on a batch of ``batches.stream``; returns the loss of the classification."""

    def variables(self) -> list[list[Any]]:
        """All that a step changes: the weights, their average, the optimizer and the count of steps."""
        return [self.model.weights, self.average, self.optimizer.variables, [self.steps]]

    def losses(self, outputs: Any, masks: Any, labels: Any, masked: Any) -> tuple[Any, Any]:
        """What is minimised, and the part of it that says how well the class is told."""
        told = losses.classification(outputs[LOGITS], labels, self.recipe.smoothing)
        if not self.recipe.guidance:
            return told, told
        pointing = losses.guidance(outputs[MAPS], masks, labels, masked, self.recipe.tumor_free)
        return told + self.recipe.guidance * pointing, told


def averaged(average: Any, value: Any, steps: Any) -> Any:
    """The running average after ``steps`` steps, the last of which led to ``value``."""
    # Early on the average forgets faster, or it would remember the random start.
    keep = ops.minimum(AVERAGING, steps / (steps + 10.0))
    return average * keep + (1 - keep) * ops.cast(value, "float32")


def learner(recipe: Recipe, model: keras.Model) -> Learner:
    """The learner of the backend that Keras runs on. Raises DataError for one that has none."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from inference.training.fit.learner_tensorflow import TensorFlowLearner

        return TensorFlowLearner(recipe, model)
    if backend == "jax":
        from inference.training.fit.learner_jax import JaxLearner

        return JaxLearner(recipe, model)
    raise DataError(f"KERAS_BACKEND is {backend}: train runs on tensorflow or jax")
