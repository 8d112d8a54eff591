"""Pictures that are no scan, drawn by code: text, plots, gradients, noise, tiles, tissue, tinted scans, cut-outs."""

import string
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from inference.training.drawn import more_outliers, screen_photos

Rgb = NDArray[np.uint8]


def draw(count: int, side: int, scans: Rgb, others: Rgb, seed: int) -> Rgb:
    """Draw ``count`` pictures [count, side, side, 3]; some are made from ``scans`` and ``others`` (same shape)."""
    rng = np.random.default_rng(seed)
    cut = others if len(others) else scans
    drawn = []
    for i in range(count):
        kind, _ = _kinds()[i % len(_kinds())]
        drawn.append(kind(rng, side, cut if kind is _grey_cutout else scans))
    return np.stack(drawn)


def groups(count: int) -> tuple[str, ...]:
    """What the pictures that ``draw`` makes would be called, in its order: a reason to refuse, or nothing."""
    return tuple(_kinds()[i % len(_kinds())][1] for i in range(count))


def _kinds() -> tuple[tuple[Callable[[np.random.Generator, int, Rgb], Rgb], str], ...]:
    page, cells, medical, none = "photo_or_page", "other_cells", "other_medical", ""
    return (
        *[(_text, page)] * 2,
        *[(_screen, page)] * 3,
        *((_plot, page), (_gradient, none), (_noise, none), (_flat, none), (_shapes, page)),
        *[(_texture, none)] * 2,
        *[(_tissue, cells)] * 2,
        *[(_scrambled, none)] * 2,
        *((_tinted, none), (_contact_sheet, none), (_object_on_black, none)),
        *[(more_outliers.cells, cells)] * 2,
        *((more_outliers.glowing, none), (more_outliers.disc, none), (more_outliers.layers, medical)),
        *[(more_outliers.bones, medical)] * 2,
        (more_outliers.trace, none),
        *[(_photographed, "photo_of_screen")] * 6,
        # Any other picture, cut out and grey on black, stands for body parts and machines that are not in the data.
        *[(_grey_cutout, none)] * 4,
    )


def _photographed(rng: np.random.Generator, side: int, scans: Rgb) -> Rgb:
    """A screen or a film with a scan, and much around it: to be laid flat first (``inference.gate.screen_finder``)."""
    take = screen_photos.screen_photo if rng.random() < 0.5 else screen_photos.film_photo
    shot = replace(screen_photos.FRAMED, room=float(rng.uniform(0.6, 1)), blur=float(rng.uniform(0, 0.3)))
    photo = Image.fromarray(take(scans[rng.integers(len(scans))], rng, shot, side))
    sheet = Image.new("RGB", (side, side))
    sheet.paste(photo, ((side - photo.width) // 2, (side - photo.height) // 2))
    return np.asarray(sheet)


def letters(count: int, side: int, seed: int) -> NDArray[np.uint8]:
    """Transparent overlays [count, side, side, 1]: letters, scale bars and frame lines as viewers burn them in."""
    rng = np.random.default_rng(seed)
    overlays = []
    for _ in range(count):
        image = Image.new("L", (side, side))
        pen = ImageDraw.Draw(image)
        for _ in range(rng.integers(1, 6)):
            font = ImageFont.load_default(float(rng.uniform(5, 16)))
            x, y = (int(rng.choice([rng.integers(2, side // 4), rng.integers(side * 3 // 4, side)])) for _ in range(2))
            pen.text((x, y), _word(rng), fill=int(rng.integers(120, 256)), font=font)
        if rng.random() < 0.3:
            x = int(rng.choice([4, side - 8]))
            pen.line([(x, side // 4), (x, side * 3 // 4)], fill=200)
            for y in range(side // 4, side * 3 // 4, 8):
                pen.line([(x - 2, y), (x + 2, y)], fill=200)
        if rng.random() < 0.2:
            inset = int(rng.integers(0, 8))
            pen.rectangle([inset, inset, side - 1 - inset, side - 1 - inset], outline=int(rng.integers(80, 256)))
        overlays.append(np.asarray(image)[..., None])
    return np.stack(overlays)


def _word(rng: np.random.Generator) -> str:
    letters_ = string.ascii_letters + string.digits + " .:/-"
    return "".join(rng.choice(list(letters_), rng.integers(1, 12)))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.4:
        level = int(rng.integers(0, 256))
        return level, level, level
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _smooth(rng: np.random.Generator, side: int, cells: int, channels: int = 3) -> NDArray[np.float32]:
    coarse = rng.random((cells, cells, channels)).astype(np.float32)
    planes = [
        np.asarray(Image.fromarray(coarse[..., c]).resize((side, side), Image.Resampling.BICUBIC))
        for c in range(channels)
    ]
    return np.asarray(np.clip(np.stack(planes, -1), 0, 1), np.float32)


def _text(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    dark = rng.random() < 0.3
    image = Image.new("RGB", (side, side), (20, 22, 30) if dark else (250, 250, 248))
    pen = ImageDraw.Draw(image)
    size = float(rng.uniform(5, 22))
    font = ImageFont.load_default(size)
    y = float(rng.uniform(0, 12))
    while y < side:
        if rng.random() < 0.85:
            words = " ".join(_word(rng) for _ in range(rng.integers(1, 9)))
            ink = _colour(rng) if rng.random() < 0.2 else ((220,) * 3 if dark else (25,) * 3)
            pen.text((float(rng.uniform(0, side / 4)), y), words, fill=ink, font=font)
        y += size * 1.3
    return np.asarray(image)


def _screen(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """A screenshot: a bar, then bubbles, cards or rows with text on a plain ground, in a light or a dark theme."""
    tall = rng.random() < 0.7
    width, height = (int(side * rng.uniform(0.45, 0.8)), side) if tall else (side, int(side * rng.uniform(0.5, 0.9)))
    level = float(rng.uniform(0, 45) if rng.random() < 0.35 else rng.uniform(205, 255))
    ground = tuple(int(v) for v in np.clip(level + rng.normal(0, 7, 3), 0, 255))
    ink = (225, 225, 230) if level < 128 else (30, 30, 34)
    image = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(float(rng.uniform(4, 9)))
    y = float(height * rng.uniform(0, 0.12))
    if rng.random() < 0.8:
        pen.rectangle([0, 0, width, y], fill=_colour(rng))
    panels = [_colour(rng) if rng.random() < 0.3 else _pastel(rng, level) for _ in range(2)]
    chat, gap, tall_row = rng.random() < 0.6, rng.uniform(2, 7), rng.uniform(7, 26)
    while (y := y + gap) < height:
        row = tall_row * rng.uniform(0.7, 1.6)
        mine = bool(rng.random() < 0.5)
        wide = width * float(rng.uniform(0.35, 0.8)) if chat else width - 6.0
        left = width - wide - 3 if chat and mine else 3.0
        pen.rounded_rectangle([left, y, left + wide, y + row], float(rng.uniform(0, row / 2)), fill=panels[int(mine)])
        for line in range(int(row // 7) or 1):
            words = " ".join(_word(rng) for _ in range(rng.integers(1, 6)))
            pen.text((left + 3, y + 1 + 7 * line), words[: int(wide / 5)], fill=ink, font=font)
        y += row
    sheet = Image.new("RGB", (side, side))
    sheet.paste(image, ((side - width) // 2, (side - height) // 2))
    return np.asarray(sheet)


def _pastel(rng: np.random.Generator, level: float) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in np.clip(level + rng.uniform(-45, 45, 3), 0, 255))
    return red, green, blue


def _plot(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    image = Image.new("RGB", (side, side), (255, 255, 255) if rng.random() < 0.7 else _colour(rng))
    pen = ImageDraw.Draw(image)
    pen.line([(12, 6), (12, side - 12), (side - 6, side - 12)], fill=(0, 0, 0))
    for _line in range(rng.integers(1, 5)):
        ys = side / 2 + np.cumsum(rng.normal(0, side / 25, 24))
        pen.line([(12 + i * (side - 20) / 24, float(y)) for i, y in enumerate(ys)], fill=_colour(rng), width=2)
    if rng.random() < 0.4:
        for i in range(rng.integers(3, 9)):
            top = float(rng.uniform(side / 4, side - 14))
            pen.rectangle([16 + i * 14, top, 26 + i * 14, side - 12], fill=_colour(rng))
    return np.asarray(image)


def _gradient(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    field = _smooth(rng, side, int(rng.integers(2, 5)))
    return (255 * (field.mean(-1, keepdims=True).repeat(3, -1) if rng.random() < 0.4 else field)).astype(np.uint8)


def _noise(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    cells = int(rng.choice([side, side // 2, side // 4]))
    noise = rng.normal(rng.uniform(0, 255), rng.uniform(10, 120), (cells, cells, 3)).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        noise[...] = noise[..., :1]
    return np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.NEAREST))


def _flat(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    flat = np.full((side, side, 3), _colour(rng), np.float32) + rng.normal(0, rng.uniform(0, 6), (side, side, 1))
    return flat.clip(0, 255).astype(np.uint8)


def _shapes(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    image = Image.new("RGB", (side, side), _colour(rng))
    pen = ImageDraw.Draw(image)
    for _shape in range(rng.integers(2, 30)):
        x, y, r = rng.integers(0, side), rng.integers(0, side), rng.integers(3, side // 3)
        box = [int(x - r), int(y - r), int(x + r), int(y + r)]
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, fill=_colour(rng))
    return np.asarray(image)


def _texture(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    total = sum(_smooth(rng, side, cells, 1) / (i + 1) for i, cells in enumerate((4, 9, 20, 45)))
    field = np.asarray(total, np.float32)
    field = (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    low, high = np.array(_colour(rng), np.float32), np.array(_colour(rng), np.float32)
    return np.asarray(low + field * (high - low), np.uint8)


def _tissue(rng: np.random.Generator, side: int, _: Rgb) -> Rgb:
    """Dense pink-violet tissue without separate cells on a pale ground, as in histology."""
    base = np.array([rng.uniform(200, 245), rng.uniform(130, 190), rng.uniform(180, 220)], np.float32)
    ground = base + (_smooth(rng, side, int(rng.integers(6, 30)), 1) - 0.5) * rng.uniform(40, 120)
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _nucleus in range(rng.integers(60, 400)):
        x, y = rng.uniform(0, side, 2)
        a, b = rng.uniform(1, side / 28, 2)
        shade = rng.uniform(0.4, 0.8)
        ink = tuple(int(v) for v in base * np.array([shade * 0.8, shade * 0.75, shade * 1.05]).clip(0, 1))
        pen.ellipse([x - a, y - b, x + a, y + b], fill=ink)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2)))))


def _scrambled(rng: np.random.Generator, side: int, scans: Rgb) -> Rgb:
    """A scan cut into tiles and shuffled: the right texture, no anatomy."""
    scan = _grey_scan(rng, scans)
    n = int(rng.integers(3, 7))
    tile = side // n
    tiles = [scan[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] for y in range(n) for x in range(n)]
    tiles = [np.rot90(tiles[i], int(rng.integers(4))) for i in rng.permutation(len(tiles))]
    picture = np.zeros((side, side, 3), np.uint8)
    for i, piece in enumerate(tiles):
        y, x = divmod(i, n)
        picture[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = piece
    return picture


def _tinted(rng: np.random.Generator, _: int, scans: Rgb) -> Rgb:
    """A scan painted in a false-colour map: no viewer shows a patient's slice like that."""
    grey = _grey_scan(rng, scans).mean(-1) / 255
    knots = np.stack([_colour(rng) for _ in range(4)]).astype(np.float32)
    knots[:, int(rng.integers(3))] = np.linspace(255, 0, 4)
    position = grey * 3
    low = np.floor(position).astype(int).clip(0, 2)
    share = (position - low)[..., None]
    return np.asarray(knots[low] * (1 - share) + knots[low + 1] * share, np.uint8)


def _grey_scan(rng: np.random.Generator, scans: Rgb) -> Rgb:
    """A scan without colour: a shuffled or tinted smear would still be much of a smear."""
    for i in rng.integers(len(scans), size=20):
        if np.ptp(scans[i].astype(np.int16), axis=-1).mean() < 4:
            return np.asarray(scans[i])
    return np.repeat(scans[0][..., :1], 3, -1)


def _contact_sheet(rng: np.random.Generator, side: int, scans: Rgb) -> Rgb:
    """Many scans on one sheet: too small to read."""
    n = int(rng.integers(3, 6))
    tile = side // n
    sheet = np.zeros((side, side, 3), np.uint8)
    for y in range(n):
        for x in range(n):
            scan = Image.fromarray(scans[rng.integers(len(scans))]).resize((tile, tile))
            sheet[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = np.asarray(scan)
    return sheet


def _object_on_black(rng: np.random.Generator, side: int, scans: Rgb) -> Rgb:
    """Something round and grey on black that is no head."""
    ys, xs = np.mgrid[:side, :side] / side - 0.5
    radius = np.hypot(xs / rng.uniform(0.25, 0.48), ys / rng.uniform(0.25, 0.48))
    kind = rng.integers(3)
    if kind == 0:
        inside = _texture(rng, side, scans).mean(-1)
    elif kind == 1:
        inside = 255 * _smooth(rng, side, int(rng.integers(2, 12)), 1)[..., 0]
    else:
        inside = _scrambled(rng, side, scans).mean(-1)
    grey = np.where(radius < 1, inside, 0).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def _grey_cutout(rng: np.random.Generator, side: int, others: Rgb) -> Rgb:
    """A piece of some other picture, grey, cut to a rounded outline on black, now and then with a bright rim."""
    source = others[rng.integers(len(others))].mean(-1)
    size = int(rng.integers(side // 4, side))
    y, x = (int(v) for v in rng.integers(0, side - size + 1, 2))
    piece = Image.fromarray(source[y : y + size, x : x + size].astype(np.uint8)).resize((side, side))
    grey = np.asarray(piece, np.float32)
    ys, xs = np.mgrid[:side, :side] / side - 0.5
    turn = rng.uniform(0, np.pi)
    along, across = xs * np.cos(turn) + ys * np.sin(turn), ys * np.cos(turn) - xs * np.sin(turn)
    power = rng.choice([2.0, 2.0, 3.0, 6.0])
    radius = (np.abs(along / rng.uniform(0.2, 0.5)) ** power + np.abs(across / rng.uniform(0.2, 0.5)) ** power) ** (
        1 / power
    )
    radius += 0.15 * (_smooth(rng, side, 6, 1)[..., 0] - 0.5)
    if rng.random() < 0.4:
        grey = np.where((radius > 0.9) & (radius < 1), rng.uniform(120, 255), grey)
    grey = np.where(radius < 1, grey, rng.choice([0, 0, 0, 30])).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)
