"""What a phone makes of a scan on a screen or of a film on a light box: simulated photos to try robustness on.

NumPy and Pillow only. Every function takes and gives RGB pictures (H x W x 3, uint8) and draws from ``rng`` alone.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Rgb = NDArray[np.uint8]
Point = tuple[float, float]
_TAGS = ("TE", "TR", "FOV", "SE", "IM")


@dataclass(frozen=True, slots=True)
class Shot:
    """How hard a photo is: each from 0 (not at all) to 1 (a bad photo)."""

    room: float
    """How much around the screen is in the picture."""
    tilt: float
    """How far the phone was from straight above."""
    glare: float
    moire: float
    cast: float
    """Tint of the light and of the phone's white balance."""
    blur: float


CLOSE = Shot(room=0.0, tilt=0.25, glare=0.3, moire=0.5, cast=0.5, blur=0.4)
"""The scan fills the picture: no bezel, no room."""
FRAMED = Shot(room=0.6, tilt=0.6, glare=0.5, moire=0.6, cast=0.6, blur=0.5)
"""The whole screen with its bezel, and some of the room."""
SHOTS = {"close": CLOSE, "framed": FRAMED}


def screen_photo(picture: Rgb, rng: np.random.Generator, shot: Shot = FRAMED, side: int = 640) -> Rgb:
    """Photograph ``picture`` from a screen: viewer's bars, raised black, moiré, bezel, tilt, glare, tint, JPEG."""
    screen = _on_screen(picture, rng, side, bars=shot.room > 0 and rng.random() < 0.5)
    height, width = screen.shape[:2]
    pixels = screen.astype(np.float32) / 255
    black = rng.uniform(0.02, 0.09)
    pixels = black + (1 - black) * pixels ** rng.uniform(0.85, 1.2)
    pixels *= 1 + shot.moire * _moire(rng, height, width)
    bezel = int(rng.uniform(0.02, 0.06) * width) if shot.room > 0 else 0
    framed = np.full((height + 2 * bezel, width + 2 * bezel, 3), rng.uniform(0.01, 0.12), np.float32)
    framed[bezel : bezel + height, bezel : bezel + width] = pixels
    return _photograph(framed, _room(rng, side, bright=rng.uniform(0.1, 0.7)), rng, shot)


def film_photo(picture: Rgb, rng: np.random.Generator, shot: Shot = FRAMED, side: int = 640) -> Rgb:
    """Photograph ``picture`` from a film on a light box: letters at the rim, bluish black, a bright box around."""
    film = _on_screen(picture, rng, side, bars=False)
    image = Image.fromarray(film)
    pen = ImageDraw.Draw(image)
    unit = side / 640
    font = ImageFont.load_default(float(rng.uniform(10, 18)) * unit)
    right, low = film.shape[1] - 110 * unit, film.shape[0] - 50 * unit
    for x, y in ((8 * unit, 8 * unit), (right, 8 * unit), (8 * unit, low), (right, low)):
        for row in range(int(rng.integers(1, 4))):
            words = f"{rng.integers(10, 99)} {_TAGS[int(rng.integers(len(_TAGS)))]} {rng.integers(1, 5000)}"
            pen.text((x, y + 13 * unit * row), words, fill=(200, 200, 200), font=font)
    pixels = np.asarray(image, np.float32) / 255
    black = (np.array([0.05, 0.06, 0.09]) * rng.uniform(0.5, 1.8)).astype(np.float32)
    pixels = black + (1 - black) * pixels * rng.uniform(0.75, 1.0)
    white = rng.uniform(0.85, 1.0) * (0.9 + 0.1 * smooth_noise(rng, side, side, 3).repeat(3, -1))
    without_moire = Shot(shot.room, shot.tilt, shot.glare, 0.0, shot.cast, shot.blur)
    return _photograph(pixels.astype(np.float32), white.astype(np.float32), rng, without_moire)


def _on_screen(picture: Rgb, rng: np.random.Generator, side: int, *, bars: bool) -> Rgb:
    """The picture as large as it fits on a black screen, with a viewer's bars where asked."""
    width, height = (side, int(side * rng.uniform(0.7, 0.85))) if bars else (side, side)
    if not bars:
        width, height = (round(side * n / max(picture.shape[:2])) for n in (picture.shape[1], picture.shape[0]))
    screen = Image.new("RGB", (width, height))
    left, top = (int(0.1 * width), int(0.07 * height)) if bars else (0, 0)
    image = Image.fromarray(picture)
    scale = min((width - left) / image.width, (height - top) / image.height)
    image = image.resize(
        (max(1, int(image.width * scale)), max(1, int(image.height * scale))), Image.Resampling.BICUBIC
    )
    screen.paste(image, (left + (width - left - image.width) // 2, top + (height - top - image.height) // 2))
    if bars:
        pen = ImageDraw.Draw(screen)
        level = int(rng.integers(30, 200))
        pen.rectangle([0, 0, width, top], fill=(level, level, level))
        pen.rectangle([0, 0, left, height], fill=(level // 2, level // 2, level // 2))
        font = ImageFont.load_default(12.0 * side / 640)
        for row in range(8):
            pen.text(
                (0.01 * side, top + (0.015 + 0.047 * row) * side), f"Series {row + 1}", fill=(210, 210, 210), font=font
            )
    return np.asarray(screen)


def _moire(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Coloured beats between two pixel grids: [height, width, 3] around 0."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    planes = []
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 22)
    for _channel in range(3):
        turn = angle + rng.normal(0, 0.04)
        bend = 6 * smooth_noise(rng, height, width, 3)[..., 0]
        phase = 2 * np.pi * (xs * np.cos(turn) + ys * np.sin(turn)) / (period * rng.uniform(0.97, 1.03)) + bend
        planes.append(np.sin(phase))
    return np.stack(planes, -1).astype(np.float32) * np.float32(rng.uniform(0.04, 0.16))


def _room(rng: np.random.Generator, side: int, bright: float) -> NDArray[np.float32]:
    """A desk or a wall out of focus: [side, side, 3] in 0..1."""
    tint = np.array([rng.uniform(0.8, 1.1), rng.uniform(0.75, 1.0), rng.uniform(0.6, 1.0)], np.float32)
    room = bright * tint * (0.7 + 0.6 * smooth_noise(rng, side, side, int(rng.integers(3, 9))))
    if rng.random() < 0.6:
        room[int(side * rng.uniform(0.6, 0.95)) :] *= np.float32(rng.uniform(0.4, 1.5))
    return room.clip(0, 1).astype(np.float32)


def _photograph(thing: NDArray[np.float32], around: NDArray[np.float32], rng: np.random.Generator, shot: Shot) -> Rgb:
    """Lay ``thing`` (h x w x 3 in 0..1) tilted into ``around``, then light, tint, blur, grain and JPEG."""
    side = around.shape[0]
    corners = _corners(thing.shape[1] / thing.shape[0], rng, shot, side)
    source = Image.fromarray((thing.clip(0, 1) * 255).astype(np.uint8))
    matrix = projection(corners, source.width, source.height)
    size = (side, side)
    laid = source.transform(size, Image.Transform.PERSPECTIVE, matrix, Image.Resampling.BICUBIC)
    covered = Image.new("L", source.size, 255).transform(size, Image.Transform.PERSPECTIVE, matrix)
    share = np.asarray(covered, np.float32)[..., None] / 255
    pixels = np.asarray(laid, np.float32) / 255 * share + around * (1 - share)
    if shot.room == 0:
        rows, columns = np.flatnonzero(share[..., 0].max(1) > 0.5), np.flatnonzero(share[..., 0].max(0) > 0.5)
        pixels = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = pixels.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    for _light in range(int(rng.integers(1, 3)) if rng.random() < 0.8 else 0):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.08, 0.4) * side
        spot = np.exp(-((xs - x) ** 2 + ((ys - y) * rng.uniform(0.6, 1.6)) ** 2) / r**2)[..., None]
        pixels = pixels + shot.glare * rng.uniform(0.1, 0.6) * spot
    shade = 1 - 0.25 * rng.random() * (((xs / width - 0.5) ** 2 + (ys / height - 0.5) ** 2) * 2)[..., None]
    pixels = pixels * shade * np.exp(shot.cast * rng.uniform(-0.2, 0.2, 3)) * rng.uniform(0.8, 1.1)
    pixels = pixels + rng.normal(0, rng.uniform(0.005, 0.03), pixels.shape)
    image = Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(shot.blur * float(rng.uniform(0, 3))))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(55, 92)))
    return np.asarray(Image.open(buffer).convert("RGB"))


def _corners(ratio: float, rng: np.random.Generator, shot: Shot, side: int) -> list[Point]:
    """Where the four corners lie in the photo: top left, top right, bottom right, bottom left."""
    reach = side * (1 - shot.room * rng.uniform(0.2, 0.55)) / 2
    rx, ry = reach * min(1.0, ratio), reach / max(1.0, ratio)
    turn = shot.tilt * rng.uniform(-0.12, 0.12)
    slack = max(0.0, side / 2 - reach)
    cx, cy = (side / 2 + rng.uniform(-0.6, 0.6) * slack for _ in range(2))
    corners = []
    for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        x, y = (d * r * (1 - shot.tilt * rng.uniform(0, 0.16)) for d, r in ((dx, rx), (dy, ry)))
        corners.append(
            (float(cx + x * np.cos(turn) - y * np.sin(turn)), float(cy + x * np.sin(turn) + y * np.cos(turn)))
        )
    return corners


def projection(corners: list[Point], width: int, height: int) -> tuple[float, ...]:
    """Pillow's eight numbers that take the photo's ``corners`` to those of a picture of ``width`` x ``height``."""
    rows, ends = [], []
    for (x, y), (u, v) in zip(corners, ((0, 0), (width, 0), (width, height), (0, height)), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        ends += [u, v]
    return tuple(float(n) for n in np.linalg.solve(np.array(rows, float), np.array(ends, float)))


def smooth_noise(rng: np.random.Generator, height: int, width: int, grains: int) -> NDArray[np.float32]:
    """Smooth noise [height, width, 1] in 0..1."""
    coarse = Image.fromarray(rng.random((grains, grains)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32).clip(0, 1)[..., None]
