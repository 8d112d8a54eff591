"""What the drawn pictures share: palettes, paper, words, and how a program or a chat stores them."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]
STAIN_HUES: Final = ((0.58, 0.92), (0.92, 1.02))
"""Hues (0 to 1) of blue, violet, purple and pink: half of all drawings have them, because nuclei do."""
_LETTERS: Final = "aaeeiioounrstlmdcpbghfkvwy"


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one drawing."""

    ground: Colour
    inks: tuple[Colour, ...]
    text: Colour
    faint: Colour


def hue_colour(hue: float, saturation: float, value: float) -> Colour:
    """A colour (0 to 255 each) from hue, saturation and value in 0..1."""
    sector = (hue % 1) * 6
    levels = [
        value * (1 - saturation * max(0.0, min(1.0, 2 - abs((sector - centre + 3) % 6 - 3)))) for centre in (3, 5, 1)
    ]
    red, green, blue = (round(255 * level) for level in levels)
    return red, green, blue


def palette(rng: np.random.Generator) -> Palette:
    """Colours that go together: mostly a pale ground and one to five inks, in every second drawing those of a stain."""
    stain = rng.random() < 0.5
    inks = []
    for _ in range(int(rng.integers(1, 6))):
        low, high = STAIN_HUES[int(rng.random() < 0.25)] if stain else (0.0, 1.0)
        inks.append(hue_colour(rng.uniform(low, high), rng.uniform(0.25, 1) ** 0.7, rng.uniform(0.3, 1)))
    dark = rng.random() < 0.2
    if dark:
        ground = hue_colour(rng.random(), rng.uniform(0, 0.5), rng.uniform(0, 0.25))
    elif rng.random() < 0.45:
        ground = (255, 255, 255)
    else:
        ground = hue_colour(rng.random(), rng.uniform(0, 0.25), rng.uniform(0.82, 1))
    text = (235, 235, 238) if dark else (25, 25, 30)
    faint = tuple(int(0.75 * g + 0.25 * t) for g, t in zip(ground, text, strict=True))
    return Palette(ground, tuple(inks), text, (faint[0], faint[1], faint[2]))


def stored(image: Image.Image, rng: np.random.Generator) -> Rgb:
    """As it is, or through JPEG and a change of size, as chats do."""
    if rng.random() < 0.35:
        scale = rng.uniform(0.4, 1.3)
        size = max(48, round(image.width * scale)), max(48, round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 2))))
    if rng.random() < 0.5:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(40, 96)))
        image = Image.open(buffer).convert("RGB")
    if rng.random() < 0.1:
        image = image.convert("L").convert("RGB")
    return np.asarray(image)


def sheet(rng: np.random.Generator, colours: Palette, tall: float = 1.0) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty drawing about ``tall`` times as high as wide."""
    width = int(rng.integers(220, 420))
    height = max(120, int(width * tall * rng.uniform(0.8, 1.25)))
    image = Image.new("RGB", (width, height), colours.ground)
    return image, ImageDraw.Draw(image)


def ink(rng: np.random.Generator, colours: Palette) -> Colour:
    """One of the inks."""
    return colours.inks[int(rng.integers(len(colours.inks)))]


def words(rng: np.random.Generator, count: int) -> str:
    """``count`` made-up words."""
    return " ".join("".join(rng.choice(list(_LETTERS), int(rng.integers(2, 9)))) for _ in range(count)).capitalize()


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow carries."""
    return ImageFont.load_default(size)


def disc(pen: ImageDraw.ImageDraw, x: float, y: float, r: float, fill: Colour, outline: Colour | None = None) -> None:
    """A filled circle."""
    pen.ellipse([x - r, y - r, x + r, y + r], fill=fill, outline=outline)
