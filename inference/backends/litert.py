"""LiteRT: logits and class maps in one forward pass on one thread; what serves."""

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.backends import WEIGHTS, Outputs
from inference.card import ModelCard, ModelError

_OUTPUTS = {"logits", "maps", "features"}


class LiteRTBackend:
    """One interpreter; not to be shared between threads."""

    def __init__(self, interpreter: Interpreter, signature: Any, input_name: str) -> None:
        self._interpreter = interpreter  # the signature runner borrows it
        self._signature = signature
        self._input_name = input_name

    def run(self, tensor: NDArray[np.float32]) -> Outputs:
        """Run [1, side, side, channels]; outputs are found by name, whatever their order in the file."""
        outputs = self._signature(**{self._input_name: tensor})
        return Outputs(outputs["logits"][0], outputs["maps"][0], outputs["features"][0])


def load(folder: Path, card: ModelCard) -> LiteRTBackend:
    """Open ``model.tflite``. Raises ModelError when it is no model of this card."""
    path = folder / WEIGHTS["litert"]
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        (name, io), *_ = interpreter.get_signature_list().items()
        runner = interpreter.get_signature_runner(name)
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is not a model that LiteRT can run ({error}): reinstall the package") from None
    expected = [1, card.input.side, card.input.side, card.input.channels]
    (input_name,) = io["inputs"]
    shape = list(runner.get_input_details()[input_name]["shape"])
    classes = int(runner.get_output_details()["logits"]["shape"][-1]) if set(io["outputs"]) >= _OUTPUTS else 0
    if shape != expected or classes != len(card.classes):
        raise ModelError(f"{path} does not fit its card (input {shape}, {classes} classes): reinstall the package")
    return LiteRTBackend(interpreter, runner, input_name)
