"""Flat drawings by code: discs, charts, chats, pages, icons and cartoons, in every colour, often those of a stain.

The gate learns from them that an even area is no nucleus and no tissue. What the test draws instead is in ``unseen``.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from inference.training.drawn.pens import Palette, Rgb, disc, font, hue_colour, ink, palette, sheet, stored, words


def draw(kind: str, rng: np.random.Generator) -> Rgb:
    """One picture of a kind in ``KINDS``: H x W x 3, of varying size, as a program or a chat would store it."""
    return stored(KINDS[kind](rng, palette(rng)), rng)


def discs(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A few to many even discs, ovals or rings, of one size or of many, apart or in heaps."""
    image, pen = sheet(rng, colours, rng.uniform(0.6, 1.2))
    usual, spread = min(image.size) * rng.uniform(0.02, 0.17), rng.uniform(0, 0.6)
    oval = rng.uniform(0.6, 1) if rng.random() < 0.3 else 1.0
    outline = ink(rng, colours) if rng.random() < 0.25 else None
    ring = rng.random() < 0.12
    for _ in range(int(rng.integers(1, 60 if usual < 25 else 14))):
        x, y, r = rng.uniform(0, image.width), rng.uniform(0, image.height), usual * np.exp(rng.normal(0, spread))
        fill = ink(rng, colours)
        pen.ellipse([x - r, y - r * oval, x + r, y + r * oval], fill=fill, outline=outline)
        if ring:
            disc(pen, x, y, r * 0.55, colours.ground)
    return image


def cartoon_smear(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Blood as a textbook draws it: even round red cells, even nuclei in even cytoplasm."""
    ground = hue_colour(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.9, 1))
    image, pen = sheet(rng, Palette(ground, colours.inks, colours.text, colours.faint), rng.uniform(0.6, 1))
    red = hue_colour(rng.uniform(0.93, 1.03), rng.uniform(0.25, 0.75), rng.uniform(0.75, 1))
    pale = tuple(int((a + b) / 2) for a, b in zip(red, ground, strict=True))
    r = rng.uniform(9, 22)
    for _ in range(int(rng.integers(0, 50))):
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
        disc(pen, x, y, r, red)
        if rng.random() < 0.7:
            disc(pen, x, y, r * 0.45, (pale[0], pale[1], pale[2]))
    for _ in range(int(rng.integers(1, 9))):
        x, y, big = rng.uniform(0, image.width), rng.uniform(0, image.height), r * rng.uniform(1.1, 2.2)
        disc(pen, x, y, big, hue_colour(rng.uniform(0.55, 0.9), rng.uniform(0.1, 0.4), 0.95))
        nucleus = hue_colour(rng.uniform(0.62, 0.85), rng.uniform(0.4, 1), rng.uniform(0.3, 0.7))
        for _lobe in range(int(rng.integers(1, 4))):
            disc(pen, x + rng.normal(0, big / 4), y + rng.normal(0, big / 4), big * rng.uniform(0.4, 0.75), nucleus)
    return image


def bars(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A bar chart, upright or lying, with or without axes, grid and labels."""
    image, pen = sheet(rng, colours, 0.75)
    width, height = image.size
    count, base = int(rng.integers(2, 12)), height * rng.uniform(0.8, 0.97)
    one, gap = ink(rng, colours), rng.uniform(0.1, 0.6)
    step = width * 0.86 / count
    for line in range(int(rng.integers(0, 6))):
        pen.line([(width * 0.05, base * line / 6), (width * 0.97, base * line / 6)], fill=colours.faint)
    for i in range(count):
        left, top = width * 0.08 + i * step, base - (base * rng.uniform(0.05, 0.9))
        fill = one if rng.random() < 0.7 else ink(rng, colours)
        pen.rectangle([left, top, left + step * (1 - gap), base], fill=fill)
        if rng.random() < 0.4:
            pen.text((left, base + 2), words(rng, 1)[:5], fill=colours.text, font=font(9))
    if rng.random() < 0.6:
        pen.line(
            [(width * 0.06, height * 0.05), (width * 0.06, base), (width * 0.97, base)], fill=colours.text, width=2
        )
    if rng.random() < 0.4:
        pen.text((width * 0.3, 3), words(rng, 2), fill=colours.text, font=font(13))
    return image.transpose(Image.Transpose.ROTATE_270) if rng.random() < 0.2 else image


def pie(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A pie or a ring of shares with a legend."""
    image, pen = sheet(rng, colours, 0.8)
    x, y, r = image.width * rng.uniform(0.35, 0.55), image.height * 0.5, min(image.size) * rng.uniform(0.2, 0.42)
    cuts = np.sort(rng.uniform(0, 360, int(rng.integers(2, 9))))
    for i, (low, high) in enumerate(zip(cuts, np.roll(cuts, -1), strict=True)):
        fill = colours.inks[i % len(colours.inks)]
        fill = (min(255, fill[0] + 9 * i), min(255, fill[1] + 7 * i), min(255, fill[2] + 5 * i))
        pen.pieslice([x - r, y - r, x + r, y + r], float(low), float(high + 360 * (high <= low)), fill=fill)
        if rng.random() < 0.6:
            pen.rectangle([image.width * 0.82, 20 + 14 * i, image.width * 0.82 + 9, 29 + 14 * i], fill=fill)
            pen.text((image.width * 0.82 + 13, 18 + 14 * i), words(rng, 1), fill=colours.text, font=font(9))
    if rng.random() < 0.4:
        disc(pen, x, y, r * rng.uniform(0.4, 0.7), colours.ground)
    return image


def curves(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Lines or points in a frame."""
    image, pen = sheet(rng, colours, 0.75)
    width, height = image.size
    pen.rectangle([width * 0.08, height * 0.06, width * 0.96, height * 0.9], outline=colours.faint)
    for _ in range(int(rng.integers(1, 5))):
        one = ink(rng, colours)
        xs = np.linspace(0.1, 0.94, int(rng.integers(5, 40)))
        ys = np.clip(rng.uniform(0.2, 0.8) + np.cumsum(rng.normal(0, 0.06, len(xs))), 0.08, 0.88)
        points = [(float(a * width), float(b * height)) for a, b in zip(xs, ys, strict=True)]
        if rng.random() < 0.6:
            pen.line(points, fill=one, width=int(rng.integers(1, 5)))
        if rng.random() < 0.6:
            for x, y in points:
                disc(pen, x, y, rng.uniform(2, 8), one)
    return image


def chat_list(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Rows with a round picture, a name and a line of text, below a coloured bar: chats, contacts, results."""
    image, pen = sheet(rng, colours, 1.9)
    width, height = image.size
    bar = height * rng.uniform(0.05, 0.11)
    pen.rectangle([0, 0, width, bar], fill=ink(rng, colours))
    pen.text((width * 0.15, bar * 0.25), words(rng, 1), fill=(255, 255, 255), font=font(bar * 0.45))
    row, square = height * rng.uniform(0.06, 0.12), rng.random() < 0.2
    y = bar + row * 0.3
    while y < height:
        r = row * 0.32
        if square:
            pen.rounded_rectangle([width * 0.04, y, width * 0.04 + 2 * r, y + 2 * r], 3, fill=ink(rng, colours))
        else:
            disc(pen, width * 0.04 + r, y + r, r, ink(rng, colours))
        pen.text((width * 0.09 + 2 * r, y), words(rng, 1), fill=colours.text, font=font(max(6, row * 0.24)))
        pen.text(
            (width * 0.09 + 2 * r, y + row * 0.32), words(rng, 3), fill=colours.faint, font=font(max(5, row * 0.19))
        )
        if rng.random() < 0.3:
            disc(pen, width * 0.92, y + r, r * 0.5, ink(rng, colours))
        y += row
    return image


def chat_bubbles(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A conversation: bubbles left and right, now and then a dark theme or a patterned ground."""
    image, pen = sheet(rng, colours, 1.8)
    width, height = image.size
    mine, theirs = ink(rng, colours), colours.faint
    y, round_by = height * 0.07, rng.uniform(4, 18)
    pen.rectangle([0, 0, width, y], fill=ink(rng, colours))
    while y < height:
        lines, is_mine = int(rng.integers(1, 4)), rng.random() < 0.5
        wide, tall = width * rng.uniform(0.3, 0.72), 9 + 12 * lines
        left = width - wide - 8 if is_mine else 8.0
        y += rng.uniform(4, 12)
        pen.rounded_rectangle(
            [left, y, left + wide, y + tall], min(round_by, tall / 2), fill=mine if is_mine else theirs
        )
        for line in range(lines):
            pen.text((left + 7, y + 4 + 12 * line), words(rng, 6)[: int(wide / 6)], fill=colours.text, font=font(9))
        y += tall
    return image


def portal(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A web page or an app: bars, cards, buttons, a table, round icons."""
    image, pen = sheet(rng, colours, rng.choice([0.65, 1.8]))
    width, height = image.size
    pen.rectangle([0, 0, width, height * 0.09], fill=ink(rng, colours))
    if rng.random() < 0.5:
        pen.rectangle([0, height * 0.09, width * rng.uniform(0.12, 0.25), height], fill=ink(rng, colours))
    y = height * 0.14
    while y < height * 0.95:
        tall, columns = height * rng.uniform(0.05, 0.22), int(rng.integers(1, 5))
        for column in range(columns):
            left = width * (0.05 + 0.9 * column / columns)
            box = [left, y, left + 0.8 * width / columns, y + tall]
            which = rng.integers(4)
            if which == 0:
                pen.rounded_rectangle(box, float(rng.uniform(0, 9)), fill=ink(rng, colours))
            elif which == 1:
                pen.rounded_rectangle(box, float(rng.uniform(0, 9)), outline=colours.faint, width=2)
            elif which == 2:
                disc(pen, left + tall / 2, y + tall / 2, tall / 2, ink(rng, colours))
            pen.text((left + 4, y + 3), words(rng, 2)[: int(width / columns / 7)], fill=colours.text, font=font(10))
        y += tall + height * rng.uniform(0.02, 0.06)
    return image


def face(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A smiley or another round cartoon face."""
    image, pen = sheet(rng, colours, 1.0)
    x, y, r = image.width / 2, image.height / 2, min(image.size) * rng.uniform(0.15, 0.47)
    disc(pen, x, y, r, ink(rng, colours), colours.text if rng.random() < 0.4 else None)
    eye = (255, 255, 255) if rng.random() < 0.5 else colours.text
    for side in (-1, 1):
        pen.ellipse(
            [x + side * r * 0.37 - r * 0.12, y - r * 0.42, x + side * r * 0.37 + r * 0.12, y - r * 0.1], fill=eye
        )
    box = [x - r * 0.5, y - r * 0.1, x + r * 0.5, y + r * rng.uniform(0.3, 0.7)]
    pen.arc(box, 15, 165, fill=eye, width=max(2, int(r * 0.08)))
    if rng.random() < 0.3:
        for side in (-1, 1):
            disc(pen, x + side * r * 0.75, y - r * 0.8, r * 0.3, ink(rng, colours))
    return image


def icons(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Simple shapes in a grid or thrown about: stars, drops, hearts, crosses, arrows, blobs."""
    image, pen = sheet(rng, colours, 1.0)
    grid, n = rng.random() < 0.6, int(rng.integers(1, 6))
    for i in range(n * n):
        if grid:
            x, y, r = image.width * (i % n + 0.5) / n, image.height * (i // n + 0.5) / n, 0.32 * min(image.size) / n
        else:
            x, y, r = (
                rng.uniform(0, image.width),
                rng.uniform(0, image.height),
                min(image.size) * rng.uniform(0.03, 0.2),
            )
        corners, inner, turn = int(rng.integers(3, 10)), rng.uniform(0.35, 1), rng.uniform(0, 6.3)
        angle = turn + np.arange(2 * corners) * np.pi / corners
        reach = r * np.where(np.arange(2 * corners) % 2, inner, 1.0)
        if rng.random() < 0.3:  # a rounded blob instead of corners
            angle = np.linspace(0, 2 * np.pi, 60)
            reach = r * (1 + 0.25 * np.sin(int(rng.integers(2, 6)) * angle + turn))
        shape = [(float(x + k * np.cos(a)), float(y + k * np.sin(a))) for a, k in zip(angle, reach, strict=True)]
        pen.polygon(shape, fill=ink(rng, colours), outline=colours.text if rng.random() < 0.2 else None)
    return image


def page(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Text in one or two columns, headings and boxes in colour: forms, leaflets, laboratory results."""
    image, pen = sheet(rng, colours, 1.4)
    width, height = image.size
    size, y, columns = rng.uniform(7, 15), height * 0.04, int(rng.integers(1, 3))
    while y < height:
        if rng.random() < 0.12:
            pen.rectangle([width * 0.05, y, width * rng.uniform(0.3, 0.95), y + 1.6 * size], fill=ink(rng, colours))
        for column in range(columns):
            if rng.random() < 0.85:
                text = words(rng, int(rng.integers(1, 9)))[: int(width / columns / size * 1.6)]
                colour = ink(rng, colours) if rng.random() < 0.15 else colours.text
                pen.text((width * (0.05 + column / columns), y), text, fill=colour, font=font(size))
        y += 1.5 * size
    return image


def scene(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Large even areas: ground, hills, a sun, trees, houses, as children and stickers show them."""
    image, pen = sheet(rng, colours, 0.8)
    width, height = image.size
    pen.rectangle([0, height * rng.uniform(0.45, 0.8), width, height], fill=ink(rng, colours))
    disc(pen, rng.uniform(0, width), rng.uniform(0, height * 0.4), height * rng.uniform(0.06, 0.2), ink(rng, colours))
    for _ in range(int(rng.integers(1, 9))):
        x, y, r = rng.uniform(0, width), height * rng.uniform(0.4, 0.9), height * rng.uniform(0.04, 0.2)
        fill = ink(rng, colours)
        which = rng.integers(3)
        if which == 0:
            pen.rectangle([x - r, y - r, x + r, y + r], fill=fill)
            pen.polygon([(x - 1.2 * r, y - r), (x, y - 2 * r), (x + 1.2 * r, y - r)], fill=ink(rng, colours))
        elif which == 1:
            pen.rectangle([x - r / 6, y, x + r / 6, y + 1.5 * r], fill=(110, 80, 60))
            disc(pen, x, y, r, fill)
        else:
            pen.ellipse([x - 2 * r, y - r / 2, x + 2 * r, y + r], fill=fill)
    return image


def shaded(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Balls and drops with a smooth shine: buttons, beads, balloons."""
    image, _ = sheet(rng, colours, rng.uniform(0.7, 1.1))
    width, height = image.size
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    pixels = np.asarray(image, np.float32).copy()
    usual = min(image.size) * rng.uniform(0.04, 0.22)
    for _ in range(int(rng.integers(1, 14))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), usual * rng.uniform(0.7, 1.4)
        away = np.hypot(xs - x, ys - y) / r
        light = 0.75 + rng.uniform(0.2, 0.9) * np.exp(-((xs - x + r / 3) ** 2 + (ys - y + r / 3) ** 2) / (0.5 * r * r))
        pixels = np.where((away < 1)[..., None], np.array(ink(rng, colours)) * light[..., None], pixels)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def cartoon_head(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A head or a brain in even greys or colours on black or white: icons, logos, diagrams."""
    dark = rng.random() < 0.6
    image = Image.new(
        "RGB", (int(rng.integers(200, 360)), int(rng.integers(220, 380))), (0, 0, 0) if dark else (255,) * 3
    )
    pen = ImageDraw.Draw(image)
    grey = rng.random() < 0.7
    x, y, a, b = (
        image.width / 2,
        image.height / 2,
        image.width * rng.uniform(0.25, 0.45),
        image.height * rng.uniform(0.3, 0.46),
    )
    for share in sorted(rng.uniform(0.15, 1, int(rng.integers(1, 6))), reverse=True):
        level = int(rng.integers(30, 256))
        fill = (level, level, level) if grey else ink(rng, colours)
        dx, dy = (rng.normal(0, 0.12, 2) * (1 - share) * a).tolist()
        pen.ellipse([x + dx - a * share, y + dy - b * share, x + dx + a * share, y + dy + b * share], fill=fill)
    for _fold in range(int(rng.integers(0, 14))):
        turn = rng.uniform(0, 360)
        reach = rng.uniform(0.3, 0.95)
        level = int(rng.integers(0, 120))
        box = [x - a * reach, y - b * reach, x + a * reach, y + b * reach]
        pen.arc(box, turn, turn + float(rng.uniform(10, 60)), fill=(level, level, level), width=int(rng.integers(2, 7)))
    return image


def rings(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Rings in each other: targets, records, cut trees; they are round like a head."""
    image, pen = sheet(rng, colours, rng.uniform(0.8, 1.3))
    x, y, r = image.width / 2, image.height / 2, min(image.size) * rng.uniform(0.2, 0.48)
    count, oval, two = int(rng.integers(2, 12)), rng.uniform(0.75, 1), rng.random() < 0.5
    for k in range(count, 0, -1):
        reach = r * k / count
        fill = colours.ground if two and k % 2 == 0 else ink(rng, colours)
        pen.ellipse([x - reach * oval, y - reach, x + reach * oval, y + reach], fill=fill)
    return image


Kind = Callable[[np.random.Generator, Palette], Image.Image]
KINDS: Final[dict[str, Kind]] = {
    kind.__name__: kind
    for kind in (
        *(discs, cartoon_smear, bars, pie, curves, chat_list, chat_bubbles, portal),
        *(face, icons, page, scene, shaded, cartoon_head, rings),
    )
}
