"""Random changes to the gate's training pictures: what scanners, viewers, microscopes, chats and people do to them.

A change that a scan may get is made to pictures of other kinds as well, or it would become a mark of the scan.
NumPy and Pillow only; every function takes and gives RGB pictures (H x W x 3, uint8) and draws from ``rng`` alone.
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float64]
_SIGNS: Final = "ABCDEFHLPRS0123456789:./- "
_GREY: Final = 4
"""A picture whose channels differ by less than so many levels on average is grey."""


def vary(picture: Rgb, rng: np.random.Generator, *, smear: bool) -> Rgb:
    """Change a picture as grey scans are changed, or as smears and other things in colour are."""
    image = Image.fromarray(picture)
    if not smear and is_grey(picture):
        return np.asarray(_stored(_scan(_placed(image, rng), rng), rng))
    if smear:
        return np.asarray(_stored(_smear(_placed(image, rng), rng), rng))
    draw = rng.random()
    if draw < 0.12:
        image = image.convert("L").convert("RGB")
    elif draw < 0.22:
        image = Image.fromarray(np.ascontiguousarray(picture[..., rng.permutation(3)]))
    elif draw < 0.26:
        image = Image.fromarray(255 - picture)
    image = _placed(image, rng)
    return np.asarray(_stored(_smear(image, rng) if rng.random() < 0.5 else image, rng))


def is_grey(picture: Rgb) -> bool:
    """Whether a picture has hardly any colour."""
    return float(np.ptp(picture.astype(np.int16), axis=-1).mean()) < _GREY


def _placed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Mirrored, cut, turned, or with a margin."""
    width, height = image.size
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.7:
        left, top, right, low = rng.uniform(0, 0.14, 4)
        image = image.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - low) * height)))
    if rng.random() < 0.5:
        image = image.rotate(float(rng.normal(0, 10)), Image.Resampling.BICUBIC, expand=True, fillcolor=_rim(image))
    if rng.random() < 0.25:
        width, height = image.size
        left, top, right, low = (
            (rng.uniform(0, 0.35, 4) * np.array([width, height, width, height])).astype(int).tolist()
        )
        draw = rng.random()
        fill = (0, 0, 0) if draw < 0.6 else _rim(image) if draw < 0.9 else (255, 255, 255)
        margin = Image.new("RGB", (width + left + right, height + top + low), fill)
        margin.paste(image, (left, top))
        image = margin
    return image


def _rim(image: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(image)
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(v) for v in np.median(rim, axis=0))
    return red, green, blue


def _scan(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Another window (clipped, washed out, negative), a tint, letters and arrows."""
    levels = (np.asarray(image, np.float64) / 255) ** np.exp(rng.normal(0, 0.35))
    draw = rng.random()
    if draw < 0.18:
        low, high = rng.uniform(0, 0.25), rng.uniform(0.4, 0.85)
        levels = (levels - low) / (high - low)
    elif draw < 0.36:
        low, high = rng.uniform(0, 0.3), rng.uniform(0.55, 1)
        levels = low + levels * (high - low)
    if rng.random() < 0.2:
        levels = levels + rng.normal(0, rng.uniform(0.005, 0.05), (*levels.shape[:2], 1))
    levels = levels.clip(0, 1)
    if rng.random() < 0.12:
        levels = 1 - levels
    if rng.random() < 0.06:
        levels = levels * np.exp(rng.normal(0, 0.08, 3))
    image = Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))
    return _marked(image, rng) if rng.random() < 0.3 else image


def _marked(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Letters at the rim, now and then an arrow or a frame, as viewers and teachers add them."""
    pen = ImageDraw.Draw(image)
    width, height = image.size
    for _ in range(int(rng.integers(1, 6))):
        x = width * (rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.7, 0.9))
        y = height * (rng.uniform(0, 0.15) if rng.random() < 0.5 else rng.uniform(0.85, 0.97))
        level, text = int(rng.integers(120, 256)), "".join(rng.choice(list(_SIGNS), int(rng.integers(1, 14))))
        font = ImageFont.load_default(float(rng.uniform(0.02, 0.06) * max(width, height)))
        pen.text((x, y), text, fill=(level, level, level), font=font)
    if rng.random() < 0.3:
        x, y, turn, reach = *rng.uniform(0.2, 0.8, 2), rng.uniform(0, 6.3), 0.12 * max(width, height)
        ink = (255, 255, 255) if rng.random() < 0.6 else (255, int(rng.integers(0, 255)), 0)
        start = (x * width, y * height)
        pen.line([start, (start[0] + reach * np.cos(turn), start[1] + reach * np.sin(turn))], fill=ink, width=3)
    if rng.random() < 0.15:
        pen.rectangle([1, 1, width - 2, height - 2], outline=(200, 200, 200))
    return image


def _smear(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A closer look, a quarter turn, another stain, lamp and white balance, a dark rim or a round field of view."""
    if rng.random() < 0.3:
        width, height = image.size
        share = rng.uniform(0.45, 0.9)
        left, top = rng.uniform(0, 1 - share, 2)
        box = (left * width, top * height, (left + share) * width, (top + share) * height)
        image = image.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3])))
    if rng.random() < 0.4:
        image = image.rotate(90 * int(rng.integers(4)), expand=True)
    levels = np.asarray(image, np.float64) / 255
    if rng.random() < 0.8:
        levels = restain(levels, rng)
    if rng.random() < 0.3:
        levels = levels ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.2:
        height, width = levels.shape[:2]
        ys, xs = np.mgrid[:height, :width]
        away = np.hypot((xs - width / 2) / width, (ys - height / 2) / height)
        levels = levels * (1 - 2 * rng.uniform(0, 0.6) * away**2)[..., None].clip(0, 1)
        if rng.random() < 0.35:
            levels = np.where((2 * away > rng.uniform(0.85, 1.2))[..., None], 0.0, levels)
    return Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8))


def restain(levels: Floats, rng: np.random.Generator, amount: float = 1.0) -> Floats:
    """Another stain of levels [h, w, 3] in 0..1: optical densities mixed and scaled by channel, another ground."""
    density = -np.log(levels.clip(1 / 255, 1))
    density = density - np.percentile(density.reshape(-1, 3), 10, axis=0)
    mixing = np.eye(3) + rng.normal(0, 0.13 * amount, (3, 3))
    mixing = mixing / np.maximum(mixing.sum(1, keepdims=True), 0.3)
    strength = np.exp(0.5 * rng.normal(0, 0.3 * amount, 3) + rng.normal(0, 0.3 * amount))
    ground = np.abs(rng.normal(0, 0.13 * amount, 3)) + abs(rng.normal(0, 0.2 * amount))
    mixed = (density @ mixing.T).clip(-0.2, None) * strength
    return np.asarray(np.exp(-(mixed + ground)).clip(0, 1))


def _stored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blurred, made smaller, or through JPEG."""
    if rng.random() < 0.25:
        radius = float(rng.uniform(0.3, 1.6)) * max(image.size) / 320
        image = image.filter(ImageFilter.GaussianBlur(radius))
    if rng.random() < 0.25:
        scale = rng.uniform(0.25, 0.7)
        size = max(40, int(image.width * scale)), max(40, int(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.35:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(25, 95)))
        image = Image.open(buffer).convert("RGB")
    return image
