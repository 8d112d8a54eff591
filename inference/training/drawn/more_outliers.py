"""More pictures that are no scan, drawn by code: other cells, glowing cells, discs, layers, bones, curves of a monitor.

They stand for what laboratories and clinics also photograph and no set here holds; ``outliers`` draws the rest.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Rgb = NDArray[np.uint8]


def cells(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Large pale cells with small nuclei, now and then rods between them, in any stain: smears of other organs."""
    hue = rng.permutation([rng.uniform(0.55, 0.9), rng.uniform(0.75, 1.0), rng.uniform(0.85, 1.0)])
    ground = 255 * np.clip(hue + rng.uniform(0, 0.15), 0, 1)
    image = Image.new("RGB", (side, side), _ink(ground))
    pen = ImageDraw.Draw(image)
    for _cell in range(int(rng.integers(1, 14))):
        x, y = rng.uniform(0, side, 2)
        r = rng.uniform(0.1, 0.45) * side
        corners = int(rng.integers(5, 12))
        turn = rng.uniform(0, 2 * np.pi)
        outline = [
            (x + r * k * np.cos(turn + a), y + r * k * np.sin(turn + a))
            for a, k in zip(np.arange(corners) * 2 * np.pi / corners, rng.uniform(0.6, 1.0, corners), strict=True)
        ]
        pen.polygon(outline, fill=_ink(ground * rng.uniform(0.7, 0.97)))
        n = r * rng.uniform(0.06, 0.3)
        pen.ellipse([x - n, y - n * 0.8, x + n, y + n * 0.8], fill=_ink(ground * rng.uniform(0.25, 0.6)))
    for _rod in range(int(rng.integers(0, 60)) if rng.random() < 0.4 else 0):
        x, y, turn, length = *rng.uniform(0, side, 2), rng.uniform(0, np.pi), side * rng.uniform(0.01, 0.05)
        end = (x + length * np.cos(turn), y + length * np.sin(turn))
        pen.line([(x, y), end], fill=_ink(ground * rng.uniform(0.2, 0.6)), width=int(rng.integers(1, 4)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.6)))))


def glowing(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Bright blobs in one or two colours on black: fluorescence, a night sky, lamps."""
    total = np.zeros((side, side, 3), np.float32)
    for _colour in range(int(rng.integers(1, 4))):
        plane = Image.new("L", (side, side))
        pen = ImageDraw.Draw(plane)
        for _blob in range(int(rng.integers(3, 60))):
            x, y = rng.uniform(0, side, 2)
            a, b = rng.uniform(0.005, 0.1, 2) * side
            pen.ellipse([x - a, y - b, x + a, y + b], fill=int(rng.integers(60, 256)))
        soft = plane.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3))))
        colour = np.eye(3)[rng.integers(3)] if rng.random() < 0.8 else np.ones(3)
        total += np.asarray(soft, np.float32)[..., None] * colour.astype(np.float32)
    return total.clip(0, 255).astype(np.uint8)


def disc(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """One round field with branching lines on black: the back of an eye, a scope's view, a moon, a dish."""
    ys, xs = np.mgrid[:side, :side] / side - rng.uniform(0.42, 0.58, (2, 1, 1))
    radius = np.hypot(xs, ys) / rng.uniform(0.3, 0.5)
    colour = np.array([rng.uniform(120, 255), rng.uniform(40, 180), rng.uniform(10, 140)])
    if rng.random() < 0.3:
        colour[:] = rng.uniform(80, 220)
    shade = 1 - rng.uniform(0, 0.5) * radius**2 + 0.25 * (noise(rng, side, int(rng.integers(4, 25))) - 0.5)
    image = Image.fromarray((shade[..., None] * colour).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _branch in range(int(rng.integers(0, 14))):
        x, y = rng.uniform(0.3, 0.7, 2) * side
        turn, points = rng.uniform(0, 2 * np.pi), [(x, y)]
        for _part in range(12):
            turn += rng.normal(0, 0.35)
            x, y = x + 0.05 * side * np.cos(turn), y + 0.05 * side * np.sin(turn)
            points.append((x, y))
        pen.line(points, fill=_ink(colour * rng.uniform(0.4, 0.8)), width=int(rng.integers(1, 4)))
    drawn = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2)))))
    return np.where((radius < 1)[..., None], drawn, 0).astype(np.uint8)


def layers(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Wavy grey bands with speckle, straight or in a fan: sections by sound or light."""
    ys, xs = np.mgrid[:side, :side] / side
    if rng.random() < 0.4:
        depth, along = np.hypot(xs - 0.5, ys + 0.1), np.arctan2(xs - 0.5, ys + 0.1)
        inside = (depth < rng.uniform(0.8, 1.05)) & (np.abs(along) < rng.uniform(0.4, 0.8)) & (depth > 0.12)
    else:
        depth, along, inside = ys, xs, np.ones((side, side), bool)
    depth = depth + 0.06 * np.sin(along * rng.uniform(3, 12) + rng.uniform(0, 6)) + 0.1 * noise(rng, side, 5)
    bands = rng.uniform(0, 255, 40)[(depth * rng.uniform(5, 28)).astype(int).clip(0, 39)]
    grey = (bands * np.exp(-rng.uniform(0, 2) * depth) * rng.gamma(3, 1 / 3, (side, side))) * inside
    image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return _grey(np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.4))))))


def bones(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Grey limbs on black with long shafts and round ends within: knees, feet, shoulders, teeth."""
    big = 2 * side
    soft, hard = Image.new("L", (big, big)), Image.new("L", (big, big))
    flesh, bone = ImageDraw.Draw(soft), ImageDraw.Draw(hard)
    middle, turn = rng.uniform(0.35, 0.65, 2) * big, rng.uniform(0, np.pi)
    for _shaft in range(int(rng.integers(1, 6))):
        turn += rng.normal(0, 0.5)
        reach, width = rng.uniform(0.25, 0.7) * big, rng.uniform(0.04, 0.13) * big
        start = middle + rng.normal(0, 0.08 * big, 2)
        end = start + reach * np.array([np.cos(turn), np.sin(turn)])
        line = [(float(start[0]), float(start[1])), (float(end[0]), float(end[1]))]
        flesh.line(line, fill=int(rng.integers(50, 130)), width=int(width * rng.uniform(1.5, 2.6)))
        bone.line(line, fill=int(rng.integers(120, 256)), width=int(width))
        for x, y in line:
            r = width * rng.uniform(0.6, 1.1)
            bone.ellipse([x - r, y - r, x + r, y + r], fill=int(rng.integers(120, 256)))
    parts = [
        np.asarray(plane.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 4)))).resize((side, side)), np.float32)
        for plane in (soft, hard)
    ]
    texture = 0.7 + 0.6 * noise(rng, side, int(rng.integers(8, 40)))
    grey = np.maximum(parts[0], parts[1]) * texture + rng.normal(0, rng.uniform(0, 8), (side, side))
    return _grey((255 - grey if rng.random() < 0.1 else grey).clip(0, 255).astype(np.uint8))


def trace(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Beats on squared paper, or bright curves on a dark monitor."""
    dark = rng.random() < 0.4
    image = Image.new("RGB", (side, side), (8, 10, 12) if dark else (255, int(rng.integers(215, 250)), 225))
    pen = ImageDraw.Draw(image)
    step = float(rng.uniform(3, 12))
    for i in range(int(side / step) + 1 if not dark or rng.random() < 0.4 else 0):
        line = (40, 50, 50) if dark else (240, 175, 175)
        pen.line([(i * step, 0), (i * step, side)], fill=line)
        pen.line([(0, i * step), (side, i * step)], fill=line)
    rows = int(rng.integers(1, 7))
    for row in range(rows):
        at, beats = np.linspace(0, 1, 160), rng.uniform(2, 9)
        phase = (at * beats + rng.random()) % 1
        beat = np.exp(-(((phase - 0.5) / 0.02) ** 2)) - 0.3 * np.exp(-(((phase - 0.55) / 0.03) ** 2))
        wave = beat + 0.2 * np.exp(-(((phase - 0.75) / 0.06) ** 2)) + rng.normal(0, 0.02, 160)
        ink = _ink(rng.integers(100, 256, 3)) if dark else (20, 20, 40)
        base, height = (row + 0.6) * side / rows, 0.45 * side / rows
        pen.line([(float(x * side), float(base - height * y)) for x, y in zip(at, wave, strict=True)], fill=ink)
    return np.asarray(image)


def noise(rng: np.random.Generator, side: int, grains: int) -> NDArray[np.float32]:
    """Smooth noise [side, side] in 0..1 with ``grains`` cells across."""
    coarse = Image.fromarray(rng.random((grains, grains)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32).clip(0, 1)


def _grey(plane: NDArray[np.uint8]) -> Rgb:
    return np.repeat(plane[..., None], 3, -1)


def _ink(colour: NDArray[np.generic]) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in colour.astype(np.float64).clip(0, 255))
    return red, green, blue


KINDS = (cells, cells, glowing, disc, layers, bones, bones, trace)
"""How often each is drawn."""
