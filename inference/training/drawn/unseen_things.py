"""Things, forms and maps that no training draws; see ``unseen``."""

import numpy as np
from PIL import Image

from inference.training.drawn.pens import Palette, disc, font, ink, sheet, words


def fruit(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Grapes, cherries, berries: even discs in bunches with leaves."""
    image, pen = sheet(rng, colours, 1.1)
    r, fill = min(image.size) * rng.uniform(0.05, 0.09), ink(rng, colours)
    x, y = image.width / 2, image.height * 0.25
    pen.polygon([(x, y - r), (x + 4 * r, y - 3 * r), (x + 2 * r, y)], fill=(60, 150, 70))
    for row in range(int(rng.integers(3, 7))):
        for i in range(6 - row):
            disc(pen, x + (i - (5 - row) / 2) * 1.9 * r, y + row * 1.6 * r, r, fill, colours.text)
    return image


def animal(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Ladybirds, fish or paw prints."""
    image, pen = sheet(rng, colours, 0.9)
    for _ in range(int(rng.integers(1, 7))):
        x, y, r = rng.uniform(30, image.width - 30), rng.uniform(30, image.height - 30), rng.uniform(15, 60)
        fill, which = ink(rng, colours), rng.integers(3)
        if which == 0:
            disc(pen, x, y - r * 0.8, r * 0.45, colours.text)
            disc(pen, x, y, r, fill)
            for _dot in range(6):
                disc(pen, x + rng.uniform(-0.6, 0.6) * r, y + rng.uniform(-0.6, 0.6) * r, r * 0.15, colours.text)
        elif which == 1:
            pen.polygon([(x + r, y), (x + 1.7 * r, y - r / 2), (x + 1.7 * r, y + r / 2)], fill=fill)
            pen.ellipse([x - r, y - r / 2, x + 1.1 * r, y + r / 2], fill=fill)
            disc(pen, x - r * 0.6, y - r * 0.1, r * 0.09, colours.text)
        else:
            pen.ellipse([x - r * 0.6, y, x + r * 0.6, y + r * 0.9], fill=fill)
            for turn in (-0.9, -0.3, 0.3, 0.9):
                disc(pen, x + r * np.sin(turn), y - r * 0.5 * np.cos(turn), r * 0.26, fill)
    return image


def login(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """A form to sign in, with a round logo and one button."""
    image, pen = sheet(rng, colours, 1.6)
    width, height, one = *image.size, ink(rng, colours)
    disc(pen, width / 2, height * 0.22, width * rng.uniform(0.1, 0.2), one)
    for i in range(int(rng.integers(1, 4))):
        pen.rounded_rectangle(
            [width * 0.12, height * (0.42 + 0.1 * i), width * 0.88, height * (0.49 + 0.1 * i)], 6, outline=colours.faint
        )
        pen.text((width * 0.16, height * (0.435 + 0.1 * i)), words(rng, 1), fill=colours.faint, font=font(12))
    pen.rounded_rectangle([width * 0.12, height * 0.75, width * 0.88, height * 0.83], 8, fill=one)
    return image


def spreadsheet(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Cells with numbers, some of them filled."""
    image, pen = sheet(rng, colours, 0.75)
    rows, columns = int(rng.integers(6, 20)), int(rng.integers(3, 9))
    for row in range(rows):
        for column in range(columns):
            x, y = image.width * column / columns, image.height * row / rows
            box = [x, y, x + image.width / columns, y + image.height / rows]
            filled = row == 0 or rng.random() < 0.15
            pen.rectangle(box, outline=colours.faint, fill=ink(rng, colours) if filled else None)
            pen.text((x + 3, y + 1), str(int(rng.integers(0, 9999))), fill=colours.text, font=font(9))
    return image


def street_map(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Streets, blocks, a river and pins."""
    image, pen = sheet(rng, colours, 1.0)
    for _ in range(int(rng.integers(4, 14))):
        a, b = (rng.uniform(0, 1, 2) * image.size for _ in range(2))
        pen.line(
            [(float(a[0]), float(a[1])), (float(b[0]), float(b[1]))], fill=colours.faint, width=int(rng.integers(3, 14))
        )
    for _ in range(int(rng.integers(1, 14))):
        x, y, r = rng.uniform(0, image.width), rng.uniform(0, image.height), rng.uniform(6, 14)
        fill = ink(rng, colours)
        pen.polygon([(x - r, y), (x + r, y), (x, y + 2.4 * r)], fill=fill)
        disc(pen, x, y, r, fill)
        disc(pen, x, y, r * 0.4, (255, 255, 255))
    return image


def gauge(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Rings of progress with a number within."""
    image, pen = sheet(rng, colours, 0.8)
    n = int(rng.integers(1, 4))
    for i in range(n):
        x, y, r = image.width * (i + 0.5) / n, image.height / 2, 0.4 * min(image.width / n, image.height)
        disc(pen, x, y, r, colours.faint)
        pen.pieslice([x - r, y - r, x + r, y + r], -90, float(rng.uniform(0, 270)), fill=ink(rng, colours))
        disc(pen, x, y, r * rng.uniform(0.6, 0.85), colours.ground)
        pen.text((x - r / 3, y - r / 5), f"{rng.integers(100)}%", fill=colours.text, font=font(max(8.0, r / 3)))
    return image


def snow(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Confetti or snow: very many small even specks."""
    image, pen = sheet(rng, colours, 1.0)
    for _ in range(int(rng.integers(80, 500))):
        disc(pen, rng.uniform(0, image.width), rng.uniform(0, image.height), rng.uniform(1, 5), ink(rng, colours))
    return image


def rainbow(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Arcs in each other, or a smooth run of colours."""
    image, pen = sheet(rng, colours, 0.7)
    if rng.random() < 0.5:
        for i in range(6):
            r = image.width * (0.48 - 0.06 * i)
            disc(pen, image.width / 2, image.height, r, ink(rng, colours))
        return image
    ends = np.array([ink(rng, colours), ink(rng, colours)], np.float32)
    run = np.linspace(0, 1, image.width)[None, :, None] * np.ones((image.height, 1, 1))
    return Image.fromarray((ends[0] * (1 - run) + ends[1] * run).astype(np.uint8))


def molecule(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Atoms as balls on sticks, and a strand of a helix."""
    image, pen = sheet(rng, colours, 0.8)
    x, y = image.width * 0.15, image.height / 2
    for i in range(int(rng.integers(5, 14))):
        nx, ny = x + image.width * 0.07, image.height / 2 + image.height * 0.3 * np.sin(1.1 * i)
        pen.line([(x, y), (nx, ny)], fill=colours.text, width=4)
        disc(pen, nx, ny, rng.uniform(7, 20), ink(rng, colours), colours.text)
        x, y = nx, float(ny)
    return image


def pills(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Capsules and tablets."""
    image, pen = sheet(rng, colours, 0.9)
    for _ in range(int(rng.integers(2, 16))):
        x, y, r = rng.uniform(0, image.width), rng.uniform(0, image.height), rng.uniform(9, 24)
        if rng.random() < 0.5:
            disc(pen, x, y, r, ink(rng, colours))
            pen.line([(x - r, y), (x + r, y)], fill=colours.ground, width=2)
        else:
            pen.rounded_rectangle([x - 2 * r, y - r, x + 2 * r, y + r], r, fill=ink(rng, colours))
            pen.rounded_rectangle([x - 2 * r, y - r, x, y + r], r, fill=ink(rng, colours))
    return image


def virus(rng: np.random.Generator, colours: Palette) -> Image.Image:
    """Balls with spikes and germs with faces, as posters show them."""
    image, pen = sheet(rng, colours, 0.9)
    for _ in range(int(rng.integers(1, 8))):
        x, y, r, fill = (
            rng.uniform(20, image.width - 20),
            rng.uniform(20, image.height - 20),
            rng.uniform(14, 60),
            ink(rng, colours),
        )
        for turn in np.linspace(0, 6.28, int(rng.integers(7, 18))):
            tip = (x + 1.35 * r * np.cos(turn), y + 1.35 * r * np.sin(turn))
            pen.line([(x, y), tip], fill=fill, width=3)
            disc(pen, *tip, r * 0.12, fill)
        disc(pen, x, y, r, fill)
    return image
