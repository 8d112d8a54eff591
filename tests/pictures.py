"""Pictures made for the tests, as bytes: nobody's scan, so they may be shown and kept anywhere."""

import io
import struct
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from bot.sandbox import samples

ORIENTATION = 0x0112
SLICE = Path(samples.__file__).parent / "brain-t1.jpg"
"""A slice that may be shown anywhere: see the samples' README."""


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Bytes of ``image`` in a format that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def brain_array(side: int = 320, *, tumour: bool = True, seed: int = 1) -> NDArray[np.float32]:
    """The sandbox's slice of an average brain in 0..1, with noise by seed and a drawn mass when asked."""
    random = np.random.default_rng(seed)
    with Image.open(SLICE) as image:
        scan = ImageOps.pad(image.convert("L"), (side, side), Image.Resampling.BILINEAR)
    levels = np.asarray(ImageOps.mirror(scan) if seed % 2 else scan, np.float64) / 255
    picture: NDArray[np.float32] = np.asarray(levels ** random.uniform(0.9, 1.1), np.float32)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    if tumour:
        mass = np.hypot((x - 0.33) / 0.17, (y + 0.30) / 0.20) + 0.15 * (_noise(random, side, 10) - 0.5)
        soft = _blur(np.where(mass < 1.5, picture * 0.75, picture), 1.2 * side / 320)  # oedema
        soft = np.where(mass < 1, 0.85 + 0.15 * _noise(random, side, 30), soft)
        picture = _blur(np.where(mass < 0.45, 0.35, soft).astype(np.float32), 0.6 * side / 320)  # necrosis
    grain = random.normal(0, 0.012, picture.shape) * (picture > 0.02)
    return np.clip(picture + grain, 0, 1).astype(np.float32)


@lru_cache(32)
def brain(side: int = 320, *, tumour: bool = True, seed: int = 1, kind: str = "JPEG") -> bytes:
    """Encode a brain-like slice in grey."""
    return encode(Image.fromarray((brain_array(side, tumour=tumour, seed=seed) * 255).astype(np.uint8)), kind)


def smear_image(width: int = 400, height: int = 300, *, blasts: bool = True, seed: int = 1) -> Image.Image:
    """Draw a smear-like field: pink red cells with a pale middle, and violet nuclei (large ones for blasts)."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (243, 234, 228))
    draw = ImageDraw.Draw(image)
    scale = width / 400
    for _ in range(110):
        x, y, r = random.uniform(0, width), random.uniform(0, height), random.uniform(13, 17) * scale
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(222, 168, 165))
        draw.ellipse((x - r * 0.4, y - r * 0.4, x + r * 0.4, y + r * 0.4), fill=(233, 197, 191))
    for _ in range(9 if blasts else 2):
        x, y = random.uniform(40, width - 40), random.uniform(40, height - 40)
        r = random.uniform(26, 34) * scale
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(186, 170, 214))
        nucleus = r * (0.86 if blasts else 0.5)
        for dx, dy in ((0, 0),) if blasts else ((-0.4, -0.2), (0.3, -0.3), (0.0, 0.35)):
            cx, cy = x + dx * r, y + dy * r
            draw.ellipse((cx - nucleus, cy - nucleus, cx + nucleus, cy + nucleus), fill=(104, 62, 140))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1.4 * scale)), np.float32)
    grain = (
        random.normal(0, 4, (height, width, 1))
        + 14 * (_noise(random, max(width, height), 60) - 0.5)[:height, :width, None]
    )
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


@lru_cache(32)
def smear(width: int = 400, height: int = 300, *, blasts: bool = True, seed: int = 1) -> bytes:
    """Encode a smear-like field."""
    return encode(smear_image(width, height, blasts=blasts, seed=seed), quality=92)


@lru_cache(32)
def cat(side: int = 400) -> bytes:
    """Draw a ginger cat on a blue sofa."""
    image = Image.new("RGB", (side, side), (70, 110, 170))
    draw = ImageDraw.Draw(image)
    s = side / 400
    fur, inner, dark = (222, 140, 60), (240, 180, 170), (40, 30, 30)

    def polygon(points: list[tuple[float, float]], fill: tuple[int, int, int]) -> None:
        draw.polygon([(x * s, y * s) for x, y in points], fill=fill)

    def ellipse(box: tuple[float, float, float, float], fill: tuple[int, int, int]) -> None:
        draw.ellipse(tuple(v * s for v in box), fill=fill)

    draw.rectangle((0, 300 * s, side, side), fill=(50, 80, 130))
    ellipse((90, 200, 310, 420), fur)
    for left in (105, 215):
        polygon([(left, 150), (left + 30, 40), (left + 80, 110)], fur)
        polygon([(left + 15, 130), (left + 32, 65), (left + 62, 110)], inner)
    ellipse((95, 80, 305, 270), fur)
    for x in (150, 230):
        ellipse((x - 5, 140, x + 25, 180), (120, 200, 90))
        ellipse((x + 5, 143, x + 15, 177), dark)
    polygon([(190, 200), (212, 200), (201, 214)], inner)
    for y in (205, 215, 225):
        for x0, x1 in ((60, 170), (232, 342)):
            draw.line((x0 * s, y * s, x1 * s, 212 * s), fill=(250, 245, 240), width=max(1, round(2 * s)))
    return encode(_grainy(image, 6), quality=90)


@lru_cache(32)
def screenshot(width: int = 720, height: int = 1280) -> bytes:
    """Draw a phone screen with a chat on it."""
    image = Image.new("RGB", (width, height), (236, 240, 243))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=26)
    draw.rectangle((0, 0, width, 110), fill=(82, 136, 190))
    draw.text((30, 50), "10:42    Family chat", fill="white", font=font)
    lines = (
        "Are you coming on Sunday?",
        "Yes, about four o'clock",
        "Bring the red folder",
        "It is on the kitchen table",
    )
    for row in range(9):
        mine = row % 2 == 1
        left = width - 560 if mine else 30
        top = 150 + row * 120
        draw.rounded_rectangle((left, top, left + 530, top + 90), 20, fill=(220, 248, 198) if mine else "white")
        draw.text((left + 24, top + 28), lines[row % len(lines)], fill=(30, 30, 30), font=font)
    return encode(image, "PNG")


@lru_cache(32)
def chest_xray(side: int = 400, seed: int = 1) -> bytes:
    """Draw a chest-X-ray-like picture: two dark lungs with ribs, a bright heart and spine."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    picture = 0.62 - 0.12 * np.abs(x) + 0.08 * y
    for sign in (-1, 1):
        lung = np.hypot((x - sign * 0.42) / 0.33, (y + 0.05) / 0.68)
        picture = np.where(lung < 1, 0.18 + 0.15 * lung, picture)
    ribs = np.sin((y + 0.35 * x**2) * 26) > 0.55
    picture = picture + 0.10 * (ribs & (np.abs(x) < 0.8) & (np.abs(y) < 0.75))
    picture = np.where(np.hypot((x - 0.12) / 0.34, (y - 0.28) / 0.34) < 1, 0.75, picture)
    picture = np.where(np.abs(x) < 0.07, 0.8 + 0.05 * np.sin(y * 40), picture)
    picture = np.where((np.abs(x) > 0.55) & (y < -0.72), 0.3, picture)
    picture = picture + random.normal(0, 0.02, picture.shape)
    return encode(Image.fromarray((np.clip(_blur(picture.astype(np.float32), 2), 0, 1) * 255).astype(np.uint8)))


@lru_cache(32)
def photo(width: int = 1280, height: int = 960, *, tumour: bool = True) -> bytes:
    """Encode a brain-like slice as a chat sends it: a large colour JPEG with black bars."""
    slice_ = Image.fromarray((brain_array(640, tumour=tumour) * 255).astype(np.uint8)).resize((height, height))
    image = Image.new("RGB", (width, height))
    image.paste(slice_, ((width - height) // 2, 0))
    return encode(image, quality=87)


def cmyk_jpeg(*, adobe: bool = True) -> bytes:
    """Encode the slice as a CMYK JPEG: with Adobe's marker (inks inverted) or plain without it."""
    image = Image.open(io.BytesIO(brain())).convert("RGB").convert("CMYK")
    if adobe:
        return encode(image, quality=95)
    data = encode(image.point(lambda value: 255 - value), quality=95)
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def deep_png(low: int = 900, high: int = 3200) -> bytes:
    """Encode the slice as a 16-bit grey PNG that uses a narrow part of its range, as scanners do."""
    return encode(Image.fromarray((low + brain_array() * (high - low)).astype(np.uint16)), "PNG")


def animated_gif() -> bytes:
    """Encode two frames; the first is the slice with a mass, the second a cat."""
    frames = [Image.open(io.BytesIO(brain())).convert("P"), Image.open(io.BytesIO(cat(320))).convert("P")]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200)


def truncated_jpeg(share: float = 0.5) -> bytes:
    """Cut the slice's JPEG off."""
    data = brain(640)
    return data[: int(len(data) * share)]


def huge_png(side: int = 20_000) -> bytes:
    """Encode one colour, ``side`` x ``side``, into some fifty kilobytes: a decompression bomb."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join([compressor.compress(row) for _ in range(side)] + [compressor.flush()])
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


@lru_cache(32)
def largest_png() -> bytes:
    """Encode RGBA with as many pixels as may be decoded: the most memory that one picture can ask for."""
    tile = Image.fromarray((brain_array(300) * 255).astype(np.uint8)).convert("RGBA")
    tile.putalpha(200)
    image = Image.new("RGBA", (7500, 7900))
    image.paste(tile.resize((7500, 7900), Image.Resampling.NEAREST))
    return encode(image, "PNG", compress_level=1)


def rotated_jpeg(orientation: int = 6, width: int = 320, height: int = 240) -> bytes:
    """Encode a picture whose EXIF says how to turn it: red at the top left corner of the stored pixels."""
    image = Image.new("RGB", (width, height), (40, 60, 40))
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), fill=(230, 20, 20))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010E] = "Jane Doe, born 1970"  # a description that must not survive
    return encode(image, exif=exif, quality=95)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _noise(random: np.random.Generator, side: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise in 0..1 with ``cells`` cells across."""
    coarse = Image.fromarray(random.random((cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32)


def _blur(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    grey = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(grey, np.float32) / np.float32(255)


def _grainy(image: Image.Image, strength: float) -> Image.Image:
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.float32)
    grain = np.random.default_rng(1).normal(0, strength, pixels.shape[:2])
    return Image.fromarray(np.clip(pixels + grain[..., None], 0, 255).astype(np.uint8))
