"""The heat maps of one picture, one for each kind of finding that its model knows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from inference.analyser import Analyser, draw_heat
from inference.analysis import PictureWords
from inference.chat_picture import sheet
from inference.decision import likeliest_tumor
from inference.decode.imaging import decode
from inference.explain import overlay


def draw_kind_maps(
    analyser: Analyser, picture: bytes, organ: str, alone: str, titles: Mapping[str, str], words: PictureWords,
    font: Path | None = None,
) -> bytes:  # fmt: skip
    """Draw the likeliest kind's map on black under the title ``alone``, then each kind's over the picture. JPEG.

    ``titles`` says what each class of the model's findings is called; where there is but one, its map over the picture
    is what the person has seen before, and is left out. Raises KeyError for an organ or a class that is unknown.
    """
    model = analyser.experts[organ]
    rgb = decode(picture, believe_tags=False).rgb
    shown, prediction = Image.fromarray(rgb), model.read(rgb)
    heats = {kind: draw_heat(model, prediction, shown.size, kind) for kind in titles}
    black = Image.fromarray(np.zeros_like(rgb))
    panels = [(alone, overlay(black, heats[likeliest_tumor(prediction.probabilities, model.card)]))]
    if len(heats) > 1:
        panels += [(titles[kind], overlay(shown, heat_map)) for kind, heat_map in heats.items()]
    return sheet(panels, words, font)
