"""Draws blood smears whose nuclei lie where the test wants them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 240
PINK, VIOLET, PAPER = (222, 168, 165), (104, 62, 140), (243, 234, 228)


@dataclass(frozen=True)
class Nucleus:
    """Where to draw one, in pixels of the smear; ``lobes`` lie in a ring."""

    x: float
    y: float
    radius: float = 15.0
    lobes: int = 1


def smear(nuclei: list[Nucleus], red: float = 9.0, seed: int = 1) -> NDArray[np.uint8]:
    """Draw red cells of radius ``red`` and nuclei on top of them, 240 x 240."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE * 4, SIDE * 4), PAPER)
    draw = ImageDraw.Draw(image)

    def disc(x: float, y: float, r: float, fill: tuple[int, int, int]) -> None:
        draw.ellipse(((x - r) * 4, (y - r) * 4, (x + r) * 4, (y + r) * 4), fill=fill)

    for _ in range(110):
        x, y = rng.uniform(0, SIDE, 2)
        disc(x, y, red, PINK)
        disc(x, y, red * 0.35, (233, 197, 191))
    for n in nuclei:
        for turn in np.arange(n.lobes) * 2 * np.pi / n.lobes:
            out = 0.0 if n.lobes == 1 else 0.62 * n.radius
            disc(n.x + out * np.cos(turn), n.y + out * np.sin(turn), n.radius * (1 if n.lobes == 1 else 0.5), VIOLET)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.7))
    grain = rng.normal(0, 3, (SIDE, SIDE, 1))
    return np.clip(np.asarray(small, np.float32) + grain, 0, 255).astype(np.uint8)
