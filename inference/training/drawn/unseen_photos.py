"""Photos of screens and films to measure with alone: other tilts, lights and hands than in ``screen_photos``.

Whoever changes how a photo is searched looks at these last; ``laptop`` and ``dark_viewer`` have been seen: the search
for heads without a frame was made after them. NumPy and Pillow only. Every style takes and gives RGB pictures
(H x W x 3, uint8) and draws from ``rng`` alone.
"""

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from inference.training.drawn.screen_photos import Point, Rgb, projection, smooth_noise

Floats = NDArray[np.float32]
_SIDE: Final = 640
_TOOLS: Final = (
    "W/L",
    "Zoom",
    "Pan",
    "ROI",
    "MPR",
    "Cine",
    "Reset",
    "Series 4",
    "Ax T2",
    "14/28",
    "512 x 512",
    "R",
    "L",
)
_SKIN: Final = ((224, 172, 138), (141, 85, 54), (255, 205, 180), (92, 58, 40))


def laptop(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A laptop seen from above and one side: dark viewer, keys below the screen, coarse moiré, a lamp in the glass."""
    screen = _viewer(picture, rng, 960, 600)
    width, height = 1000, 1120
    body = Image.new("RGB", (width, height), _grey(rng, 120, 200))
    pen = ImageDraw.Draw(body)
    pen.rectangle((0, 0, width, 652), fill=_grey(rng, 4, 22))
    body.paste(screen, (20, 20))
    keys = _grey(rng, 15, 50)
    for row in range(5):
        for column in range(14):
            left, top = 40 + column * 66, 700 + row * 62
            pen.rounded_rectangle((left, top, left + 56, top + 52), 6, fill=keys)
    pen.rounded_rectangle((340, 1020, 660, 1112), 8, outline=_grey(rng, 90, 110), width=3)
    levels = np.asarray(body, np.float32) / 255
    levels[20:620, 20:980] *= 1 + _beats(rng, 600, 960)
    lean, far = rng.uniform(0.05, 0.2), rng.uniform(0.72, 0.9)
    corners = _leaning(rng, (0.08, 0.05, 0.92, 0.98), far, lean)
    return _taken(levels, corners, _desk(rng, 640, 640), rng, lamp=True)


def film_at_window(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A film held against the sky with two fingers on it: light through its black, a window bar, a bright outside."""
    image = Image.new("RGB", (620, 760))
    image.paste(_fitted(picture, 560, 640), (30, 60))
    pen = ImageDraw.Draw(image)
    for x, y in ((20, 14), (440, 14), (20, 720)):
        pen.text((x, y), f"{rng.choice(_TOOLS)} {rng.integers(1, 900)}", fill=(225, 225, 225), font=_font(17))
    levels = np.asarray(image, np.float32) / 255
    through = 0.06 + 0.16 * smooth_noise(rng, 760, 620, 3)
    levels = through * np.array([0.8, 0.95, 1.15], np.float32) + (0.95 - through) * levels
    sky = 0.75 + 0.25 * smooth_noise(rng, 800, 640, 4)
    around = np.asarray(sky * np.array([0.92, 0.97, 1.0], np.float32), np.float32)
    bar = int(rng.integers(60, 560))
    around[:, bar : bar + 26] = rng.uniform(0.25, 0.9)
    around[int(rng.integers(500, 760)) :] *= np.array([0.35, 0.5, 0.3], np.float32)
    corners = _leaning(rng, (0.12, 0.1, 0.88, 0.9), rng.uniform(0.9, 1.0), rng.uniform(-0.06, 0.06))
    return _taken(levels, corners, around, rng, fingers=int(rng.integers(1, 3)))


def small_in_portrait(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A photo held upright of a room with a monitor in its middle, the slice a fifth of it; its corners fall dark."""
    screen = _viewer(picture, rng, 800, 600, tools=False)
    framed = Image.new("RGB", (840, 700), _grey(rng, 8, 60))
    framed.paste(screen, (20, 20))
    wall = _desk(rng, 640, 480)
    wall[430:] *= np.array([0.75, 0.55, 0.4], np.float32)
    share = rng.uniform(0.62, 0.8)
    left, top = rng.uniform(0.03, 0.97 - share), rng.uniform(0.2, 0.35)
    corners = _leaning(rng, (left, top, left + share, top + 0.62 * share), rng.uniform(0.92, 1.0), 0.0, (480, 640))
    return _taken(np.asarray(framed, np.float32) / 255, corners, wall, rng, vignette=0.75)


def dark_viewer(picture: Rgb, rng: np.random.Generator) -> Rgb:
    """A dark program with tool bars that runs out of the photo on two sides or more: no whole frame is to be seen."""
    screen = _viewer(picture, rng, 900, 700)
    levels = np.asarray(screen, np.float32) / 255
    levels = 0.03 + 0.97 * levels * (1 + 0.5 * _beats(rng, 700, 900))
    corners = _leaning(rng, (-0.12, -0.08, 1.1, 1.0), rng.uniform(0.88, 1.0), rng.uniform(-0.08, 0.08), (640, 480))
    return _taken(levels, corners, _desk(rng, 480, 640), rng, lamp=rng.random() < 0.5)


STYLES: Final[dict[str, Callable[[Rgb, np.random.Generator], Rgb]]] = {
    style.__name__: style for style in (laptop, film_at_window, small_in_portrait, dark_viewer)
}


def _viewer(picture: Rgb, rng: np.random.Generator, width: int, height: int, *, tools: bool = True) -> Image.Image:
    """A dark program: a bar of tools, a strip of small pictures, the slice on black with letters in two corners."""
    image = Image.new("RGB", (width, height), _grey(rng, 20, 45))
    pen = ImageDraw.Draw(image)
    left, top = (110, 48) if tools else (0, 0)
    if tools:
        for i in range(width // 70):
            pen.rounded_rectangle((8 + 70 * i, 6, 66 + 70 * i, 40), 5, fill=_grey(rng, 50, 90))
            pen.text((14 + 70 * i, 14), str(rng.choice(_TOOLS)), fill=_grey(rng, 170, 240), font=_font(13))
        for i in range(height // 110 - 1):
            image.paste(_fitted(np.roll(picture, 9 * i, 1), 92, 92), (9, 60 + 104 * i))
    pen.rectangle((left, top, width, height), fill=(0, 0, 0))
    image.paste(_fitted(picture, width - left, height - top), (left, top))
    ink = ((230, 230, 230), (255, 180, 60), (90, 220, 220))[int(rng.integers(3))]
    for x, y in ((left + 8, top + 6), (width - 120, height - 50)):
        for line in range(2):
            pen.text((x, y + 20 * line), f"{rng.choice(_TOOLS)} {rng.integers(1, 99)}", fill=ink, font=_font(15))
    return image


def _fitted(picture: Rgb, width: int, height: int) -> Image.Image:
    """The picture as large as it fits, in the middle of black."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale))
    whole = Image.new("RGB", (width, height))
    part = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    whole.paste(part, ((width - size[0]) // 2, (height - size[1]) // 2))
    return whole


def _beats(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Moiré that bends around a centre, broad, tinted: [height, width, 3] around 0."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    x, y = rng.uniform(-0.5, 1.5) * width, rng.uniform(-0.5, 1.5) * height
    away = np.hypot(xs - x, ys - y) / np.float32(rng.uniform(3, 14))
    strength = rng.uniform(0.02, 0.1)
    return np.asarray(np.stack([np.sin(away + s) for s in rng.uniform(0, 2, 3)], -1) * strength, np.float32)


def _desk(rng: np.random.Generator, height: int, width: int) -> Floats:
    """A table top with grain and a few things on it, out of focus: [height, width, 3] in 0..1."""
    grain = smooth_noise(rng, height, width, 40) * 0.1 + smooth_noise(rng, height, width, 4) * 0.3
    tone = rng.uniform(0.15, 0.6) * np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.5, 1.0)], np.float32)
    image = Image.fromarray(((tone + grain - 0.2).clip(0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 5))):
        x, y, reach = int(rng.integers(width)), int(rng.integers(height)), int(rng.integers(30, 120))
        colour = tuple(int(v) for v in rng.integers(20, 235, 3))
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + reach, y + reach), fill=colour)
    return np.asarray(np.asarray(image.filter(ImageFilter.GaussianBlur(4)), np.float32) / 255, np.float32)


def _leaning(
    rng: np.random.Generator,
    box: tuple[float, float, float, float],
    far: float,
    lean: float,
    size: tuple[int, int] = (_SIDE, _SIDE),
) -> list[Point]:
    """Corners of a box (shares of the photo) whose upper side is ``far`` of the lower one and moved by ``lean``."""
    left, top, right, bottom = box
    inner = (right - left) * (1 - far) / 2
    corners = [(left + inner + lean, top), (right - inner + lean, top), (right, bottom), (left, bottom)]
    return [
        (float((x + rng.normal(0, 0.012)) * size[0]), float((y + rng.normal(0, 0.012)) * size[1])) for x, y in corners
    ]


def _taken(
    thing: NDArray[np.floating],
    corners: list[Point],
    around: NDArray[np.floating],
    rng: np.random.Generator,
    *,
    lamp: bool = False,
    fingers: int = 0,
    vignette: float = 0.2,
) -> Rgb:
    """Lay ``thing`` into ``around`` at ``corners``; lamp, fingers, dark corners, a shaken hand, coarse grain, JPEG."""
    height, width = around.shape[:2]
    source = Image.fromarray((thing.clip(0, 1) * 255).astype(np.uint8))
    matrix = projection(corners, source.width, source.height)
    laid = source.transform((width, height), Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC)
    covered = Image.new("L", source.size, 255).transform(
        (width, height), Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC
    )
    image = Image.composite(laid, Image.fromarray((around.clip(0, 1) * 255).astype(np.uint8)), covered)
    if fingers:
        _put_fingers(image, corners, rng, fingers)
    levels = np.asarray(image, np.float32) / 255
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    if lamp:
        levels = levels + _strip_light(xs, ys, rng)
    levels = levels * (1 - vignette * ((xs**2 + ys**2) / 2)[..., None] ** 1.5) * rng.uniform(0.7, 1.05)
    levels = levels * np.array([rng.uniform(0.85, 1.12), 1.0, rng.uniform(0.85, 1.15)], np.float32)
    levels = levels + rng.uniform(0.01, 0.05) * (smooth_noise(rng, height, width, width // 2) - 0.5)
    shaken = Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.5:
        moved = np.asarray(shaken, np.float32)
        way = (0, int(rng.integers(1, 4))) if rng.random() < 0.5 else (int(rng.integers(1, 4)), 0)
        shaken = Image.fromarray(((moved + np.roll(moved, way, (0, 1))) / 2).astype(np.uint8))
    buffer = io.BytesIO()
    shaken.save(buffer, "JPEG", quality=int(rng.integers(60, 90)))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _strip_light(xs: NDArray[np.float32], ys: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The reflection [H, W, 1] of a strip light, long and with soft ends, at the places ``xs`` and ``ys`` (-1 to 1)."""
    x, y, turn = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.2), rng.uniform(0, np.pi)
    along = (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn)
    across = (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn)
    light = np.exp(-((along / 0.5) ** 4) - (across / rng.uniform(0.04, 0.15)) ** 2)[..., None]
    return np.asarray(np.float32(rng.uniform(0.1, 0.35)) * light.astype(np.float32))


def _put_fingers(image: Image.Image, corners: list[Point], rng: np.random.Generator, count: int) -> None:
    """Lay finger tips over the film from outside, each at a side of its own."""
    pen = ImageDraw.Draw(image)
    skin = _SKIN[int(rng.integers(len(_SKIN)))]
    for side in rng.permutation(2)[:count]:
        first, second = (corners[0], corners[3]) if side == 0 else (corners[1], corners[2])
        place = rng.uniform(0.45, 0.9)
        x, y = (first[i] + place * (second[i] - first[i]) for i in (0, 1))
        reach, wide = rng.uniform(25, 60), rng.uniform(18, 28)
        outside = x - 400 if side == 0 else x + reach
        inside = x + reach if side == 0 else x + 400
        left, right = (outside, inside) if side == 0 else (x - reach, inside)
        pen.rounded_rectangle((left, y - wide, right, y + wide), int(wide), fill=skin)


def _grey(rng: np.random.Generator, low: int, high: int) -> tuple[int, int, int]:
    level = int(rng.integers(low, high))
    return level, level, level


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
