"""Kinds of pictures that no training ever drew: what the gate does with them stands for kinds that nobody thought of.

``python -m inference.training evaluate gate`` shows them to the shipped gate. They may not be used to train it.
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from inference.training.drawn.more_outliers import noise

Rgb = NDArray[np.uint8]
Plane = NDArray[np.floating]
Points = list[tuple[float, float]]
SIDE: Final = 256


def draw(kind: str, count: int, seed: int = 5) -> list[Rgb]:
    """``count`` pictures of one of ``KINDS``, H x W x 3; always the same for a seed."""
    rng = np.random.default_rng([seed, crc32(kind.encode())])
    return [KINDS[kind](rng) for _ in range(count)]


def breast(rng: np.random.Generator) -> Rgb:
    """A mammogram: half an oval at one side, cloudy, with strands and now and then bright grains; label in a corner."""
    ys, xs = _grid()
    reach, half, middle = rng.uniform(0.45, 0.85), rng.uniform(0.32, 0.48), rng.uniform(0.42, 0.58)
    radius = np.hypot(xs / reach, (ys - middle) / half)
    cloud = sum(noise(rng, SIDE, grains) / (i + 1) for i, grains in enumerate((5, 11, 24, 60)))
    grey = (50 + 95 * cloud * np.exp(-1.5 * np.hypot(xs - 0.2, ys - middle))) * np.clip(6 * (1 - radius), 0, 1)
    if rng.random() < 0.5:  # the muscle behind
        grey = np.where((xs + 0.7 * ys < rng.uniform(0.15, 0.35)) & (radius < 1.2), rng.uniform(150, 220), grey)
    for _grain in range(int(rng.integers(0, 12))):
        y, x = rng.integers(60, 190), rng.integers(5, 120)
        grey[y : y + 2, x : x + 2] = 240
    image = _plain(grey[:, ::-1] if rng.random() < 0.5 else grey)
    ImageDraw.Draw(image).text((SIDE * 0.75, 8), "R MLO", fill=(230, 230, 230), font=_font(rng, 9, 16))
    return np.asarray(image.crop((0, 0, int(SIDE * rng.uniform(0.7, 1)), SIDE)))


def tracer(rng: np.random.Generator) -> Rgb:
    """A whole body by PET: a faint upright body with hot spots, black on white or in the colours of hot metal."""
    image = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    faint = int(rng.integers(30, 70))
    pen.ellipse([108, 6, 148, 56], fill=faint + 20)
    pen.rounded_rectangle([84, 60, 172, 190], 26, fill=faint)
    for x in (62, 176):
        pen.rounded_rectangle([x, 64, x + 18, 168], 8, fill=faint)
    for x in (92, 134):
        pen.rounded_rectangle([x, 180, x + 30, 254], 10, fill=faint)
    for x, y, r in ((128, 28, 16), (118, 98, 14), (108, 130, 12), (146, 128, 12), (128, 186, 11)):
        if rng.random() < 0.8:
            _dot(
                pen, x + rng.normal(0, 4), y + rng.normal(0, 4), r * rng.uniform(0.6, 1.3), int(rng.integers(140, 256))
            )
    for _spot in range(int(rng.integers(0, 9))):
        _dot(pen, rng.uniform(80, 176), rng.uniform(60, 220), rng.uniform(2, 7), int(rng.integers(150, 256)))
    heat = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(2, 4)))), np.float32)
    heat = np.asarray((heat + rng.normal(0, 3, heat.shape)).clip(0, 255) / 255, np.float32)
    if rng.random() < 0.5:
        return np.asarray(_plain(255 * (1 - heat)))
    colours = np.stack([(2.4 * heat).clip(0, 1), (2.4 * heat - 0.9).clip(0, 1), (4 * heat - 2.8).clip(0, 1)], -1)
    return (255 * colours).astype(np.uint8)


def knee(rng: np.random.Generator) -> Rgb:
    """A joint by MRI from the side: two bones with dark edges, a cap, muscle in strands, fat, noise."""
    ys, xs = _grid()
    gap, bend = rng.uniform(0.46, 0.56), rng.normal(0, 0.06)
    at = xs - 0.5 - bend * (ys - 0.5)
    wide = 0.13 + 0.12 * np.exp(-(((ys - gap) / 0.13) ** 2))
    bone = (np.abs(at) < wide) & (np.abs(ys - gap + 0.3 * at**2) > 0.015)
    cap = np.hypot((xs - 0.5 - wide - 0.07) / 0.05, (ys - gap + 0.1) / 0.09) < 1
    limb = np.abs(at) < 0.36 + 0.05 * np.cos(5 * ys + rng.uniform(0, 6))
    fat_first = rng.random() < 0.6
    bright, dim = (
        (rng.uniform(150, 230), rng.uniform(50, 90)) if fat_first else (rng.uniform(40, 80), rng.uniform(60, 120))
    )
    strands = 0.75 + 0.5 * np.asarray(
        Image.fromarray(noise(rng, SIDE, 22)).resize((SIDE, 4 * SIDE)).crop((0, 0, SIDE, SIDE))
    )
    grey = np.where(limb, dim * strands, 0.0)
    grey = np.where(limb & (np.abs(at) > 0.3), bright * 1.05, grey)
    soft = _blur(255.0 * (bone | cap), 1.5) / 255
    grey = grey * (1 - soft) + soft * bright * (0.85 + 0.3 * noise(rng, SIDE, 30))
    edge = np.abs(_blur(255.0 * (bone | cap), 2) / 255 - 0.5) < 0.22
    grey = _blur(np.where(edge, 12, grey), float(rng.uniform(0.6, 1.4))) + rng.normal(0, rng.uniform(2, 9), grey.shape)
    return np.asarray(_plain(grey).rotate(float(rng.normal(0, 6))))


def belly(rng: np.random.Generator) -> Rgb:
    """A body across by MRI or CT: a wide oval with a rim of fat, liver, spleen, kidneys, bowel and a vertebra."""
    ys, xs = _grid()
    turn = rng.normal(0, 0.03)
    x, y = (xs - 0.5) / rng.uniform(0.42, 0.48), (ys - 0.5) / rng.uniform(0.28, 0.36)
    x, y = x + turn * y, y - turn * x
    wobble = 0.08 * (noise(rng, SIDE, 7) - 0.5)
    level = rng.permutation([60, 95, 120, 150, 180, 215]) * rng.uniform(0.8, 1.1)
    grey = np.where(np.hypot(x, y) + wobble < 1, level[0], 0.0)
    grey = np.where(np.hypot(x, y) + wobble < rng.uniform(0.78, 0.9), level[1], grey)
    organs = ((-0.38, -0.12, 0.42, 0.5), (0.5, 0.1, 0.16, 0.3), (-0.32, 0.42, 0.14, 0.22), (0.3, 0.42, 0.14, 0.22))
    for k, (cx, cy, a, b) in enumerate(organs):
        inside = np.hypot((x - cx - rng.normal(0, 0.04)) / a, (y - cy - rng.normal(0, 0.04)) / b) + wobble < 1
        grey = np.where(inside, level[2 + min(k, 2)], grey)
    for _loop in range(int(rng.integers(4, 14))):
        cx, cy, r = rng.uniform(-0.3, 0.55), rng.uniform(-0.55, 0.2), rng.uniform(0.05, 0.12)
        ring = np.hypot(x - cx, (y - cy) * 0.8)
        grey = np.where(ring < r, level[5] * rng.uniform(0.3, 1), grey)
    grey = np.where(np.hypot(x / 0.14, (y - 0.45) / 0.22) < 1, rng.uniform(80, 240), grey)
    grey = np.where(np.hypot(x / 0.05, (y - 0.56) / 0.07) < 1, rng.uniform(10, 60), grey)
    grey = _blur(grey, float(rng.uniform(0.8, 2))) * (0.9 + 0.2 * noise(rng, SIDE, 40))
    image = _plain(grey + rng.normal(0, rng.uniform(2, 10), grey.shape))
    return np.asarray(image.crop((0, 30, SIDE, 226)) if rng.random() < 0.6 else image)


def skull(rng: np.random.Generator) -> Rgb:
    """A head by X-ray: a bright outline, a haze within, dark sinuses and teeth; the whole picture in soft greys."""
    ys, xs = _grid()
    front = rng.random() < 0.4
    a = rng.uniform(0.27, 0.33) if front else rng.uniform(0.38, 0.44)
    b = rng.uniform(0.34, 0.4) if front else rng.uniform(0.3, 0.36)
    radius = np.hypot((xs - 0.5) / a, (ys - 0.42) / b)
    grey = 30 + 60 * np.clip(1.4 - radius, 0, 1) + 110 * np.exp(-(((radius - 1) / 0.05) ** 2))
    jaw = np.hypot((xs - (0.5 if front else 0.68)) / 0.18, (ys - 0.8) / 0.16)
    grey = grey + 60 * np.clip(1.1 - jaw, 0, 1) + 70 * np.exp(-(((jaw - 1) / 0.1) ** 2))
    holes = ((0.4, 0.5, 0.07), (0.6, 0.5, 0.07), (0.5, 0.58, 0.05)) if front else ((0.78, 0.5, 0.06), (0.5, 0.52, 0.05))
    for cx, cy, r in holes:
        grey = grey - 60 * np.exp(-((np.hypot(xs - cx, ys - cy) / r) ** 2))
    teeth = (np.abs(ys - 0.76) < 0.045) & (np.sin(xs * 130) > -0.3) & (jaw < 0.9)
    grey = grey + 70 * teeth + 45 * (noise(rng, SIDE, 14) - 0.5) + 20 * (noise(rng, SIDE, 50) - 0.5)
    grey = _blur(grey, float(rng.uniform(0.8, 1.8))) * rng.uniform(0.8, 1.25) + rng.normal(0, 4, grey.shape)
    return np.asarray(_plain(grey))


def vessels(rng: np.random.Generator) -> Rgb:
    """An angiogram: a dark tree that thins out with every fork, on cloudy grey, in a round or square window."""
    image = _plain(rng.uniform(130, 200) + 70 * (noise(rng, SIDE, 5) - 0.5))
    pen = ImageDraw.Draw(image)
    ink = int(rng.integers(20, 90))

    def branch(x: float, y: float, turn: float, width: float) -> None:
        points: Points = [(x, y)]
        for _step in range(int(rng.integers(5, 12))):
            turn += rng.normal(0, 0.22)
            x, y = x + 7 * np.cos(turn), y + 7 * np.sin(turn)
            points.append((float(x), float(y)))
        pen.line(points, fill=(ink, ink, ink), width=max(1, round(width)), joint="curve")
        if width > 1.1:
            for side in (-1, 1):
                branch(x, y, turn + side * rng.uniform(0.2, 0.8), width * rng.uniform(0.55, 0.8))

    branch(rng.uniform(60, 196), 250.0 if rng.random() < 0.5 else 6.0, 0.0, 1.0)
    start = rng.uniform(80, 176)
    branch(float(start), 252.0, -np.pi / 2, rng.uniform(6, 9))
    grey = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.5)))), np.float32)[..., 0]
    ys, xs = _grid()
    window = np.hypot(xs - 0.5, ys - 0.5) < 0.49 if rng.random() < 0.5 else np.ones_like(xs, bool)
    return np.asarray(_plain(np.where(window, grey + rng.normal(0, 5, grey.shape), 0)))


def from_above(rng: np.random.Generator) -> Rgb:
    """Fields, woods, roads and roofs from above."""
    ys, xs = _grid()
    seeds = rng.random((int(rng.integers(12, 60)), 2))
    nearest = np.argmin((xs[..., None] - seeds[:, 0]) ** 2 + (ys[..., None] - seeds[:, 1]) ** 2, -1)
    tints = np.array([[96, 120, 62], [150, 140, 90], [70, 92, 55], [180, 165, 120], [110, 105, 80], [60, 80, 95]])
    ground = tints[rng.integers(0, len(tints), len(seeds))][nearest] * (0.75 + 0.5 * noise(rng, SIDE, 64)[..., None])
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _road in range(int(rng.integers(1, 6))):
        ends = rng.uniform(-20, SIDE + 20, 4)
        pen.line([float(v) for v in ends], fill=(190, 188, 180), width=int(rng.integers(1, 5)))
    for _roof in range(int(rng.integers(0, 50))):
        x, y, a, b = *rng.uniform(0, SIDE, 2), *rng.uniform(3, 12, 2)
        pen.rectangle([x, y, x + a, y + b], fill=(int(rng.integers(120, 220)), int(rng.integers(80, 140)), 90))
    return np.asarray(image)


def chart(rng: np.random.Generator) -> Rgb:
    """A pie, a scatter or a coloured table of numbers, with words around."""
    image = Image.new("RGB", (SIDE, int(SIDE * rng.uniform(0.6, 1))), (255, 255, 255))
    pen, font, which = ImageDraw.Draw(image), _font(rng, 7, 13), rng.integers(3)
    hues = [tuple(int(v) for v in rng.integers(30, 250, 3)) for _ in range(8)]
    pen.text((20, 4), _words(rng, 4), fill=(30, 30, 30), font=font)
    if which == 0:
        cuts = np.sort(rng.uniform(0, 360, int(rng.integers(3, 8))))
        for hue, low, high in zip(hues, cuts, np.roll(cuts, -1), strict=False):
            pen.pieslice([60, 24, 190, 154], float(low), float(high + 360 * (high < low)), fill=hue, outline=(255,) * 3)
    elif which == 1:
        pen.line([(24, 20), (24, image.height - 16), (250, image.height - 16)], fill=(0, 0, 0))
        for hue in hues[: int(rng.integers(1, 4))]:
            for x, y in rng.normal(rng.uniform(70, 160, 2), rng.uniform(8, 40), (int(rng.integers(20, 150)), 2)):
                _dot(pen, x, y, 2.0, hue)
    else:
        n = int(rng.integers(4, 14))
        table = noise(rng, 64, n)
        for i in range(n):
            for j in range(n):
                v = float(table[i * 64 // n, j * 64 // n])
                cell = [30 + j * 200 / n, 22 + i * 120 / n, 30 + (j + 1) * 200 / n, 22 + (i + 1) * 120 / n]
                pen.rectangle(cell, fill=(int(255 * v), int(120 + 80 * v), int(255 * (1 - v))))
    return np.asarray(image)


def code(rng: np.random.Generator) -> Rgb:
    """A square code of black and white modules with three eyes, plain or on a coloured card."""
    n = int(rng.choice([21, 25, 29, 33, 41]))
    cells = rng.random((n, n)) < 0.5
    eye = np.pad(np.pad(np.ones((3, 3), bool), 1), 1, constant_values=True)
    for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
        cells[y : y + 7, x : x + 7] = eye
    side = int(SIDE * rng.uniform(0.5, 0.95))
    square = Image.fromarray(np.where(cells, 10, 245).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    card = Image.new("RGB", (SIDE, SIDE), (255, 255, 255) if rng.random() < 0.6 else _tint(rng))
    card.paste(square, ((SIDE - side) // 2, (SIDE - side) // 2))
    return np.asarray(card.rotate(float(rng.normal(0, 4)), fillcolor=card.getpixel((1, 1))))


def atlas(rng: np.random.Generator) -> Rgb:
    """A brain from a book: lines on paper, or regions in flat colours, with names and pointers."""
    paper = tuple(int(v) for v in rng.integers(225, 256, 3))
    image = Image.new("RGB", (SIDE, SIDE), paper)
    pen = ImageDraw.Draw(image)
    angle = np.linspace(0, 2 * np.pi, 180)
    for k in range(int(rng.integers(3, 9))):
        share = 1 - k / 9
        ripple = 1 + 0.05 * np.sin(angle * int(rng.integers(5, 22)) + rng.uniform(0, 6))
        x = 128 + 84 * share * ripple * np.cos(angle)
        y = 128 + 104 * share * ripple * np.sin(angle)
        points: Points = [(float(u), float(v)) for u, v in zip(x, y, strict=True)]
        fill = _tint(rng) if rng.random() < 0.5 else None
        pen.polygon(points, fill=fill, outline=(40, 30, 30))
    for _pointer in range(int(rng.integers(0, 7))):
        x, y = rng.uniform(70, 186, 2)
        edge = 6.0 if rng.random() < 0.5 else 210.0
        pen.line([(x, y), (edge + 20, y)], fill=(0, 0, 0))
        pen.text((edge, y), _words(rng, 1), fill=(0, 0, 0), font=_font(rng, 7, 11))
    return np.asarray(image if rng.random() < 0.7 else image.convert("L").convert("RGB"))


def sketch(rng: np.random.Generator) -> Rgb:
    """Pencil lines on paper: faces, houses, scribbles."""
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in rng.integers(215, 256, 3)))
    pen = ImageDraw.Draw(image)
    ink = tuple(int(v) for v in rng.integers(20, 110, 3))
    for _stroke in range(int(rng.integers(6, 40))):
        x, y = rng.uniform(10, 246, 2)
        turn, curl = rng.uniform(0, 6.3), rng.normal(0, 0.25)
        points: Points = [(x, y)]
        for _step in range(int(rng.integers(5, 40))):
            turn += curl + rng.normal(0, 0.1)
            x, y = x + 5 * np.cos(turn), y + 5 * np.sin(turn)
            points.append((float(x), float(y)))
        pen.line(points, fill=ink, width=int(rng.integers(1, 4)))
    return np.asarray(image)


def cloth(rng: np.random.Generator) -> Rgb:
    """Something knitted or woven in one or two colours, seen close."""
    ys, xs = _grid()
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(14, 45)
    u, v = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    across = np.sin(2 * np.pi * pitch * u)
    weave = 0.5 + 0.5 * across * np.cos(2 * np.pi * pitch * v + np.pi * across)
    stripe = (np.sin(2 * np.pi * rng.uniform(1, 6) * v) > rng.uniform(-1, 1))[..., None]
    tints = rng.uniform(30, 240, (2, 3))
    shade = (0.55 + 0.6 * weave) * (0.8 + 0.4 * noise(rng, SIDE, 6))
    woven = np.where(stripe, tints[0], tints[1]) * shade[..., None] + rng.normal(0, 6, (SIDE, SIDE, 1))
    return np.asarray(woven.clip(0, 255), np.uint8)


def sediment(rng: np.random.Generator) -> Rgb:
    """Urine under the microscope: crystals, casts and a few pale rings on an even ground."""
    ground = np.array([rng.uniform(170, 225)] * 3) * rng.uniform(0.9, 1.08, 3)
    image = Image.fromarray((ground * (0.96 + 0.08 * noise(rng, SIDE, 8)[..., None])).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    dark, light = (tuple(int(v) for v in (ground * k).clip(0, 255)) for k in (0.55, 1.15))
    for _thing in range(int(rng.integers(4, 40))):
        x, y, r = *rng.uniform(0, SIDE, 2), rng.uniform(4, 22)
        which = rng.integers(4)
        if which == 0:  # an envelope of oxalate
            pen.rectangle([x - r, y - r, x + r, y + r], outline=dark, fill=light)
            pen.line([x - r, y - r, x + r, y + r], fill=dark)
            pen.line([x - r, y + r, x + r, y - r], fill=dark)
        elif which == 1:
            pen.ellipse([x - r / 2, y - r / 2, x + r / 2, y + r / 2], outline=dark)
        elif which == 2:  # a coffin lid
            pen.polygon(
                [(x - 2 * r, y), (x - r, y - r), (x + r, y - r), (x + 2 * r, y), (x + r, y + r), (x - r, y + r)],
                outline=dark,
            )
        else:
            pen.line(
                [x, y, x + 3 * r * rng.normal(), y + 3 * r * rng.normal()], fill=dark, width=int(rng.integers(1, 9))
            )
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.5)))))


def bacteria(rng: np.random.Generator) -> Rgb:
    """Stained rods or chains and heaps of dots on a pale ground, a large pale cell or two."""
    ground = np.array([rng.uniform(215, 250), rng.uniform(190, 240), rng.uniform(205, 245)])
    image = Image.fromarray((ground * (0.94 + 0.1 * noise(rng, SIDE, 9)[..., None])).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    ink = (90, 40, int(rng.integers(120, 170))) if rng.random() < 0.5 else (200, int(rng.integers(60, 110)), 120)
    for _cell in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(0, SIDE, 2)
        _dot(pen, x, y, rng.uniform(15, 40), tuple(int(v) for v in ground * 0.88))
    rods = rng.random() < 0.5
    for _group in range(int(rng.integers(5, 50))):
        x, y = rng.uniform(0, SIDE, 2)
        for _one in range(int(rng.integers(1, 12))):
            x, y, turn = x + rng.normal(0, 5), y + rng.normal(0, 5), rng.uniform(0, np.pi)
            reach = 5.0 if rods else 0.0
            pen.line([x, y, x + reach * np.cos(turn), y + reach * np.sin(turn)], fill=ink, width=3)
            _dot(pen, x, y, 1.8, ink)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.2)))))


def scope(rng: np.random.Generator) -> Rgb:
    """An endoscope's view: wet pink folds around a dark way ahead, glare, cut to an octagon on black."""
    ys, xs = _grid()
    cx, cy = rng.uniform(0.3, 0.7, 2)
    depth, along = np.hypot(xs - cx, ys - cy), np.arctan2(ys - cy, xs - cx)
    folds = 0.75 + 0.25 * np.sin(
        40 * depth**0.6 + 1.5 * np.sin(3 * along + rng.uniform(0, 6)) + 3 * noise(rng, SIDE, 6)
    )
    light = np.clip(depth / rng.uniform(0.15, 0.4), 0.08, 1) * folds
    colour = np.array([rng.uniform(190, 245), rng.uniform(85, 150), rng.uniform(70, 130)])
    picture = light[..., None] * colour * (0.85 + 0.3 * noise(rng, SIDE, 40)[..., None])
    glare = noise(rng, SIDE, 28) > rng.uniform(0.9, 0.97)
    picture = np.where(glare[..., None], 250, picture)
    inside = (
        np.maximum(np.abs(xs - 0.5), np.abs(ys - 0.5)) + 0.35 * np.minimum(np.abs(xs - 0.5), np.abs(ys - 0.5)) < 0.52
    )
    soft = Image.fromarray(np.where(inside[..., None], picture, 0).clip(0, 255).astype(np.uint8))
    return np.asarray(soft.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2)))))


def brown_stain(rng: np.random.Generator) -> Rgb:
    """Tissue in another stain: brown marked and blue unmarked nuclei in strands and glands."""
    ground = np.array([236, 232, 228]) - 50 * noise(rng, SIDE, 9)[..., None] * rng.uniform(0.2, 1, 3)
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    pen, marked = ImageDraw.Draw(image), rng.uniform(0.1, 0.9)
    places, r = noise(rng, SIDE, int(rng.integers(5, 12))), rng.uniform(2.5, 6)
    for _nucleus in range(int(rng.integers(200, 900))):
        x, y = rng.integers(0, SIDE, 2)
        if places[y, x] < 0.45:
            continue
        ink = (120, 78, 45) if rng.random() < marked else (110, 120, 165)
        a, b = r * rng.uniform(0.7, 1.4), r * rng.uniform(0.7, 1.4)
        pen.ellipse([x - a, y - b, x + a, y + b], fill=tuple(int(v * rng.uniform(0.8, 1.2)) for v in ink))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.4)))))


KINDS: Final[dict[str, Callable[[np.random.Generator], Rgb]]] = {
    kind.__name__: kind
    for kind in (
        *(breast, tracer, knee, belly, skull, vessels, scope),
        *(sediment, bacteria, brown_stain),
        *(from_above, chart, code, atlas, sketch, cloth),
    )
}


def _grid() -> tuple[Plane, Plane]:
    ys, xs = np.mgrid[:SIDE, :SIDE] / SIDE
    return ys, xs


def _plain(grey: Plane) -> Image.Image:
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")


def _blur(grey: Plane, radius: float) -> Plane:
    image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float64)


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, r: float, fill: int | tuple[int, ...]) -> None:
    pen.ellipse([x - r, y - r, x + r, y + r], fill=fill)


def _tint(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(70, 250, 3))
    return red, green, blue


def _font(rng: np.random.Generator, low: float, high: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(float(rng.uniform(low, high)))


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join("".join(rng.choice(list("aeioulmnrst"), int(rng.integers(3, 9)))) for _ in range(count))
