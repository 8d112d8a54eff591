"""Charts, plans, games and patterns that no training draws; see ``unseen``."""

import numpy as np
from PIL import Image, ImageDraw

from inference.training.drawn.pens import Palette, disc, font, hue_colour, ink, sheet, words


def flag(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Stripes, now and then with a disc or a cross."""
    image, pen = sheet(rng, colours, 0.65)
    count, level = int(rng.integers(2, 8)), rng.random() < 0.5
    for i in range(count):
        low, high = i / count, (i + 1) / count
        box = [0, low * image.height, image.width, high * image.height]
        pen.rectangle(
            box if level else [low * image.width, 0, high * image.width, image.height], fill=ink(rng, colours)
        )
    if rng.random() < 0.6:
        disc(pen, image.width / 2, image.height / 2, image.height * rng.uniform(0.15, 0.35), colours.ground)
    return image


def venn(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Overlapping see-through circles with names."""
    image, _ = sheet(rng, colours, 0.85)
    r = min(image.size) * rng.uniform(0.2, 0.3)
    for i in range(int(rng.integers(2, 5))):
        layer = Image.new("L", image.size)
        x, y = image.width / 2 + r * 0.7 * np.cos(2.1 * i), image.height / 2 + r * 0.7 * np.sin(2.1 * i)
        ImageDraw.Draw(layer).ellipse([x - r, y - r, x + r, y + r], fill=150)
        image.paste(ink(rng, colours), mask=layer)
        ImageDraw.Draw(image).text((x - 15, y), words(rng, 1), fill=colours.text, font=font(12))
    return image


def network(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Nodes and edges."""
    image, pen = sheet(rng, colours, 0.9)
    nodes = [
        (rng.uniform(20, image.width - 20), rng.uniform(20, image.height - 20)) for _ in range(int(rng.integers(4, 25)))
    ]
    for a in nodes:
        b = nodes[int(rng.integers(len(nodes)))]
        pen.line([a, b], fill=colours.faint, width=2)
    for x, y in nodes:
        disc(pen, x, y, rng.uniform(5, 17), ink(rng, colours), colours.text if rng.random() < 0.3 else None)
    return image


def calendar(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A month with marked days."""
    image, pen = sheet(rng, colours, 0.9)
    step, top = image.width / 7.4, image.height * 0.2
    pen.text((image.width * 0.3, 8), words(rng, 1), fill=ink(rng, colours), font=font(18))
    for day in range(31):
        x, y = (day % 7 + 0.7) * step, top + (day // 7 + 0.5) * (image.height - top) / 5.5
        if rng.random() < 0.25:
            disc(pen, x, y, step * 0.38, ink(rng, colours))
        pen.text((x - 5, y - 6), str(day + 1), fill=colours.text, font=font(11))
    return image


def keypad(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Round keys with numbers: a phone that wants its code."""
    image, pen = sheet(rng, colours, 1.6)
    one, step = ink(rng, colours), image.width / 4
    for i in range(12):
        x, y = (i % 3 + 1) * step, image.height * 0.3 + (i // 3) * step
        disc(pen, x, y, step * rng.uniform(0.34, 0.4), one)
        pen.text((x - 5, y - 8), "123456789*0#"[i], fill=colours.ground, font=font(18))
    return image


def lights(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A traffic light or signs on posts."""
    image, pen = sheet(rng, colours, 1.3)
    x, r = image.width / 2, image.width * rng.uniform(0.1, 0.16)
    pen.rounded_rectangle([x - 1.4 * r, 20, x + 1.4 * r, 30 + 7.4 * r], r / 2, fill=colours.text)
    for i in range(3):
        disc(pen, x, 30 + (1.4 + 2.3 * i) * r, r, ink(rng, colours))
    pen.rectangle([x - 5, 30 + 7.4 * r, x + 5, max(image.height, 40 + 7.4 * r)], fill=colours.text)
    return image


def board(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Go stones or draughts on their board."""
    image, pen = sheet(rng, colours, 1.0)
    n, side = int(rng.integers(6, 14)), min(image.size)
    step, chequered = side / n, rng.random() < 0.4
    pen.rectangle(
        [0, 0, side, side], fill=hue_colour(rng.uniform(0.05, 0.13), rng.uniform(0.2, 0.6), rng.uniform(0.7, 1))
    )
    one, other = ink(rng, colours), ink(rng, colours)
    for i in range(n * n):
        x, y = (i % n + 0.5) * step, (i // n + 0.5) * step
        if chequered and (i % n + i // n) % 2:
            pen.rectangle([x - step / 2, y - step / 2, x + step / 2, y + step / 2], fill=colours.faint)
        elif not chequered:
            pen.line([(x, 0), (x, side)], fill=(60, 50, 40))
            pen.line([(0, y), (side, y)], fill=(60, 50, 40))
    for i in range(n * n):
        if rng.random() < 0.25:
            disc(pen, (i % n + 0.5) * step, (i // n + 0.5) * step, step * 0.44, one if rng.random() < 0.5 else other)
    return image


def gantt(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A plan with lying bars."""
    image, pen = sheet(rng, colours, 0.7)
    rows = int(rng.integers(4, 14))
    for row in range(rows):
        y, start = image.height * (row + 0.3) / rows, rng.uniform(0.2, 0.7)
        pen.text((4, y), words(rng, 1), fill=colours.text, font=font(9))
        box = [start * image.width, y, image.width * rng.uniform(start + 0.05, 0.98), y + image.height * 0.5 / rows]
        pen.rounded_rectangle(box, 3, fill=ink(rng, colours))
    return image


def balloons(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Balloons on strings."""
    image, pen = sheet(rng, colours, 1.2)
    for _ in range(int(rng.integers(2, 12))):
        x, y, r = rng.uniform(20, image.width - 20), rng.uniform(20, image.height * 0.6), rng.uniform(14, 42)
        pen.line([(x, y), (image.width / 2, image.height)], fill=colours.text)
        pen.ellipse([x - r, y - 1.2 * r, x + r, y + 1.2 * r], fill=ink(rng, colours))
        disc(pen, x - r / 3, y - r / 2, r / 6, (255, 255, 255))
    return image


def flowers(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Petals around a middle."""
    image, pen = sheet(rng, colours, 1.0)
    for _ in range(int(rng.integers(1, 12))):
        x, y, r, n = (
            rng.uniform(0, image.width),
            rng.uniform(0, image.height),
            rng.uniform(10, 45),
            int(rng.integers(4, 9)),
        )
        fill = ink(rng, colours)
        for i in range(n):
            disc(pen, x + r * np.cos(6.283 * i / n), y + r * np.sin(6.283 * i / n), r * 0.55, fill)
        disc(pen, x, y, r * 0.5, ink(rng, colours))
    return image


def subway(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Lines with stations."""
    image, pen = sheet(rng, colours, 0.9)
    for _ in range(int(rng.integers(2, 6))):
        fill, x, y = ink(rng, colours), rng.uniform(0, image.width), rng.uniform(0, image.height)
        points = [(x, y)]
        for _stop in range(int(rng.integers(3, 9))):
            turn = rng.integers(8) * np.pi / 4
            x, y = x + 45 * np.cos(turn), y + 45 * np.sin(turn)
            points.append((float(x), float(y)))
        pen.line(points, fill=fill, width=7, joint="curve")
        for px, py in points:
            disc(pen, px, py, 6, (255, 255, 255), fill)
    return image


def spirograph(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """One long curve of a gear in a ring."""
    image, pen = sheet(rng, colours, 1.0)
    at = np.linspace(0, 120, 2400)
    k, d, r = rng.uniform(0.15, 0.85), rng.uniform(0.4, 1.1), min(image.size) * 0.32
    x = image.width / 2 + r * ((1 - k) * np.cos(at) + d * k * np.cos((1 - k) / k * at))
    y = image.height / 2 + r * ((1 - k) * np.sin(at) - d * k * np.sin((1 - k) / k * at))
    pen.line(
        [(float(a), float(b)) for a, b in zip(x, y, strict=True)], fill=ink(rng, colours), width=int(rng.integers(1, 4))
    )
    return image


def word_cloud(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Words of many sizes."""
    image, pen = sheet(rng, colours, 0.7)
    for _ in range(int(rng.integers(15, 60))):
        place = (rng.uniform(-10, image.width), rng.uniform(0, image.height))
        pen.text(place, words(rng, 1), fill=ink(rng, colours), font=font(float(rng.uniform(8, 40))))
    return image


def radar(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A chart like a spider's web."""
    image, pen = sheet(rng, colours, 1.0)
    n, r = int(rng.integers(4, 10)), min(image.size) * 0.42
    angle = 2 * np.pi * np.arange(n) / n

    def ring(reach: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[tuple[float, float]]:
        return [
            (float(image.width / 2 + k * np.cos(a)), float(image.height / 2 + k * np.sin(a)))
            for a, k in zip(angle, reach, strict=True)
        ]

    pen.polygon(ring(r * rng.uniform(0.3, 1, n)), fill=ink(rng, colours))
    for share in (0.25, 0.5, 0.75, 1.0):
        pen.polygon(ring(np.full(n, r * share)), outline=colours.faint)
    return image


def weather(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A forecast: suns, clouds and drops in a row with numbers."""
    image, pen = sheet(rng, colours, 0.6)
    n = int(rng.integers(3, 8))
    for i in range(n):
        x, y, r = image.width * (i + 0.5) / n, image.height * 0.4, image.width / n * 0.22
        fill = ink(rng, colours)
        if rng.random() < 0.4:
            disc(pen, x, y, r, fill)
        else:
            for dx, k in ((-0.8, 0.7), (0.0, 1.0), (0.8, 0.7)):
                disc(pen, x + dx * r, y, r * k, fill)
            for drop in range(int(rng.integers(0, 5))):
                pen.line(
                    [(x - r + drop * r / 2, y + 1.4 * r), (x - 1.2 * r + drop * r / 2, y + 2 * r)], fill=fill, width=3
                )
        pen.text((x - 8, image.height * 0.75), str(int(rng.integers(-9, 35))), fill=colours.text, font=font(14))
    return image


def crossword(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A grid with filled squares and letters."""
    image, pen = sheet(rng, colours, 1.0)
    n, side = int(rng.integers(6, 16)), min(image.size)
    step, one = side / n, ink(rng, colours)
    for i in range(n * n):
        x, y = (i % n) * step, (i // n) * step
        pen.rectangle([x, y, x + step, y + step], outline=colours.text, fill=one if rng.random() < 0.3 else None)
        if rng.random() < 0.3:
            pen.text((x + 3, y + 1), words(rng, 1)[0], fill=colours.text, font=font(max(6.0, step * 0.6)))
    return image


def music(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Staves with notes."""
    image, pen = sheet(rng, colours, 1.2)
    one, y = ink(rng, colours), 20.0
    while y < image.height - 50:
        for line in range(5):
            pen.line([(10, y + 8 * line), (image.width - 10, y + 8 * line)], fill=colours.text)
        for _ in range(int(rng.integers(4, 16))):
            x, at = rng.uniform(20, image.width - 20), y + 4 * float(rng.integers(-1, 9))
            pen.ellipse([x - 5, at - 4, x + 5, at + 4], fill=one)
            pen.line([(x + 5, at), (x + 5, at - 26)], fill=one, width=2)
        y += 64
    return image


def clock(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A dial with hands."""
    image, pen = sheet(rng, colours, 1.0)
    x, y, r = image.width / 2, image.height / 2, min(image.size) * rng.uniform(0.3, 0.46)
    disc(pen, x, y, r, ink(rng, colours))
    disc(pen, x, y, r * 0.88, colours.ground)
    for i in range(12):
        disc(pen, x + 0.75 * r * np.cos(i * 0.5236), y + 0.75 * r * np.sin(i * 0.5236), r * 0.05, ink(rng, colours))
    for reach in (0.5, 0.7):
        turn = rng.uniform(0, 6.3)
        pen.line([(x, y), (x + reach * r * np.cos(turn), y + reach * r * np.sin(turn))], fill=colours.text, width=5)
    return image


def tiles(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Honeycombs, bricks or triangles."""
    image, pen = sheet(rng, colours, 0.9)
    r, corners = rng.uniform(10, 32), int(rng.choice([3, 4, 6]))
    for row in range(int(image.height / r / 1.5) + 2):
        for column in range(int(image.width / r / 1.7) + 2):
            x, y = (column + 0.5 * (row % 2)) * 1.75 * r, row * 1.5 * r
            angle = np.arange(corners) * 2 * np.pi / corners + np.pi / 6
            shape = [(float(x + 0.95 * r * np.cos(a)), float(y + 0.95 * r * np.sin(a))) for a in angle]
            pen.polygon(shape, fill=ink(rng, colours))
    return image


def candles(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """The price of a share by the day."""
    image, pen = sheet(rng, colours, 0.6)
    level, one, other = image.height / 2, ink(rng, colours), ink(rng, colours)
    for x in np.arange(10, image.width - 10, rng.uniform(8, 16)):
        move = rng.normal(0, image.height / 14)
        low, high = sorted((level, level + move))
        pen.line([(x, low - rng.uniform(2, 20)), (x, high + rng.uniform(2, 20))], fill=colours.text)
        pen.rectangle([x - 3, low, x + 3, high + 1], fill=one if move > 0 else other)
        level = float(np.clip(level + move, 30, image.height - 30))
    return image


def treemap(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """One rectangle cut into ever smaller ones."""
    image, pen = sheet(rng, colours, 0.75)
    boxes = [(0.0, 0.0, float(image.width), float(image.height))]
    for _ in range(int(rng.integers(5, 25))):
        x0, y0, x1, y1 = boxes.pop(int(np.argmax([(b[2] - b[0]) * (b[3] - b[1]) for b in boxes])))
        cut = rng.uniform(0.3, 0.7)
        if x1 - x0 > y1 - y0:
            middle = x0 + cut * (x1 - x0)
            boxes += [(x0, y0, middle, y1), (middle, y0, x1, y1)]
        else:
            middle = y0 + cut * (y1 - y0)
            boxes += [(x0, y0, x1, middle), (x0, middle, x1, y1)]
    for box in boxes:
        pen.rectangle(box, fill=ink(rng, colours), outline=colours.ground, width=2)
    return image


def organigram(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Boxes joined by lines, from the top down."""
    image, pen = sheet(rng, colours, 0.7)
    above: list[float] = [image.width / 2]
    for level in range(int(rng.integers(2, 5))):
        places = [image.width * (i + 0.5) / (2**level) for i in range(2**level)]
        y = 30 + level * image.height / 4.5
        for x in places:
            parent = above[int(np.argmin(np.abs(np.array(above) - x)))]
            pen.line([(parent, y - image.height / 4.5), (x, y)], fill=colours.faint, width=2)
            wide = image.width / (2**level + 1) / 2.4
            pen.rounded_rectangle([x - wide, y - 13, x + wide, y + 13], 6, fill=ink(rng, colours))
            pen.text((x - wide + 3, y - 6), words(rng, 1)[: int(wide / 3)], fill=colours.ground, font=font(9))
        above = places
    return image
