"""LiteRT: logits and class maps in one forward pass on one thread; what serves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from inference.backends import WEIGHTS, Outputs
from inference.card import ModelCard, ModelError

_OUTPUTS = {"logits", "maps", "features"}
_AGAIN = "reinstall the package"


class LiteRTBackend:
    """One interpreter, with one signature a net; not to be shared between threads."""

    def __init__(self, interpreter: Interpreter, nets: Sequence[tuple[Any, str]]) -> None:
        self._interpreter = interpreter  # the signature runners borrow it
        self._nets = nets
        """Runner and name of the input of each net."""

    def run(self, tensor: NDArray[np.float32], net: int = 0) -> Outputs:
        """Run [1, side, side, channels]; outputs are found by name, whatever their order in the file."""
        signature, input_name = self._nets[net]
        found = signature(**{input_name: tensor})
        return Outputs(found["logits"][0], found["maps"][0], found["features"][0])


def load(folder: Path, card: ModelCard) -> LiteRTBackend:
    """Open ``model.tflite``. Raises ModelError when it is no model of this card."""
    path = folder / WEIGHTS["litert"]
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
        signatures = interpreter.get_signature_list()
        runners = {name: interpreter.get_signature_runner(name) for name in sorted(signatures)}
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is not a model that LiteRT can run ({error}): {_AGAIN}") from None
    if len(runners) != card.architecture.nets:
        raise ModelError(f"{path} holds {len(runners)} nets, its card says {card.architecture.nets}: {_AGAIN}")
    expected = [1, card.input.side, card.input.side, card.input.channels]
    nets = []
    for name, runner in runners.items():
        (input_name,) = signatures[name]["inputs"]
        shape = list(runner.get_input_details()[input_name]["shape"])
        named = set(signatures[name]["outputs"]) >= _OUTPUTS
        classes = int(runner.get_output_details()["logits"]["shape"][-1]) if named else 0
        if shape != expected or classes != len(card.classes):
            raise ModelError(f"{path} does not fit its card (input {shape}, {classes} classes): {_AGAIN}")
        nets.append((runner, input_name))
    return LiteRTBackend(interpreter, nets)
