"""What a pretrained net sees of each white cell, in colours that no laboratory's stain has a say in.

The first three stages of EfficientNet-Lite0, as ImageNet left them, tell edges and textures apart at a stride of 8.
Their mean over a crop around the nucleus is a cell's textures; what these say of leukaemia is learned beside the
measures, cell by cell (``inference.training.fit.cells``). One small LiteRT file, on one thread.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image

from inference.card import ModelError
from inference.cells.finder import Field, Floats, crops, violet
from inference.cells.measures import nuclei

TEXTURES_FILE: Final = "textures.tflite"
TEXTURES: Final = 40
"""So many numbers are read of each cell."""
SIDE: Final = 64
"""Side, in pixels, of what the net reads of a cell."""
USUAL_STAIN: Final = (0.6, 0.95, 0.08)
"""Optical density of a usual nucleus in red, green and blue: about the median of the looks of the training."""
_LEAST_STAIN = 0.05
"""A fainter nucleus is stretched no further: that would be noise."""


@dataclass(frozen=True, slots=True)
class TextureReader:
    """The net, ready to read cells; not to be shared between threads."""

    interpreter: Interpreter
    """Kept, since the runner borrows it."""
    runner: Any

    @classmethod
    def load(cls, path: Path) -> Self:
        """Open the LiteRT file. Raises ModelError when it does not read crops of cells."""
        try:
            interpreter = Interpreter(model_path=str(path), num_threads=1)
            runner = interpreter.get_signature_runner()
            read, given = runner.get_input_details()["picture"], runner.get_output_details()["features"]
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelError(f"{path} is not a model that LiteRT can run ({error}): reinstall the package") from None
        shapes = list(read["shape"]), list(given["shape"])
        if shapes != ([1, SIDE, SIDE, 3], [1, TEXTURES]):
            raise ModelError(f"{path} does not read cells (shapes {shapes}): reinstall the package")
        return cls(interpreter, runner)

    def read(self, field: Field) -> Floats:
        """The textures of every cell: [n, TEXTURES]."""
        found = np.zeros((len(field.cells), TEXTURES), np.float32)
        if field.cells:
            for number, crop in enumerate(in_usual_colours(field)):
                found[number] = self.runner(picture=crop[None])["features"][0]
        return found


def in_usual_colours(field: Field) -> Floats:
    """Every cell as a picture [n, SIDE, SIDE, 3] in 0..1 whose stain is the usual one, on white; n at least 1.

    The densities are stretched, channel by channel, so that the median nucleus of the field has ``USUAL_STAIN``: how
    dark a nucleus is beside its neighbours stays, the laboratory's tint goes.
    """
    cut = crops(field)
    nucleus, _ = nuclei(field, violet(cut.transpose(1, 0, 2, 3)))
    area = np.maximum(nucleus.sum((1, 2)), 1)
    stain = np.median((cut * nucleus[:, None]).sum((2, 3)) / area[:, None], axis=0)
    stretch = np.asarray(USUAL_STAIN, np.float32) / np.maximum(stain, _LEAST_STAIN)
    levels = np.exp(-np.maximum(cut * stretch[:, None, None], 0)).transpose(0, 2, 3, 1)
    return np.stack([_enlarged(np.rint(255 * cell).astype(np.uint8)) for cell in levels])


def _enlarged(pixels: NDArray[np.uint8]) -> Floats:
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32) / np.float32(255)
