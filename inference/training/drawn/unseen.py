"""Drawings of kinds that no training draws: what the gate does with them stands for drawings that nobody thought of.

``python -m inference.training evaluate gate`` shows them to the shipped gate. They may not be used to train it.
"""

from collections.abc import Callable, Iterator
from typing import Final
from zlib import crc32

import numpy as np
from PIL import Image

from inference.training.drawn import unseen_charts as charts
from inference.training.drawn import unseen_things as things
from inference.training.drawn.pens import Palette, Rgb, palette, stored

OF_EACH: Final = 4
"""Pictures of each kind: half of them in the colours of a stain."""
Kind = Callable[[np.random.Generator, Palette], Image.Image]
KINDS: Final[dict[str, Kind]] = {
    kind.__name__: kind
    for kind in (
        *(
            charts.flag,
            charts.venn,
            charts.network,
            charts.calendar,
            charts.keypad,
            charts.lights,
            charts.board,
            charts.gantt,
            charts.balloons,
            charts.flowers,
            charts.subway,
            charts.spirograph,
            charts.word_cloud,
            charts.radar,
            charts.weather,
            charts.crossword,
            charts.music,
            charts.clock,
            charts.tiles,
            charts.candles,
            charts.treemap,
            charts.organigram,
        ),
        *(
            things.fruit,
            things.animal,
            things.login,
            things.spreadsheet,
            things.street_map,
            things.gauge,
            things.snow,
            things.rainbow,
            things.molecule,
            things.pills,
            things.virus,
        ),
    )
}


def draw_all(seed: int = 11) -> Iterator[tuple[str, Rgb]]:
    """``OF_EACH`` pictures of every kind with its name; always the same for a seed."""
    for name in KINDS:
        for picture in draw(name, seed):
            yield name, picture


def draw(name: str, seed: int = 11) -> Iterator[Rgb]:
    """``OF_EACH`` pictures of one kind, the same as among all."""
    rng = np.random.default_rng([seed, crc32(name.encode())])
    for _ in range(OF_EACH):
        yield stored(KINDS[name](rng, palette(rng)), rng)
