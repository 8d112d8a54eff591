"""What Telegram does to a photo: decoded, made smaller, and encoded again as JPEG in several sizes."""

import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from bot.sandbox.errors import ApiError, bad_request

SIDES = (90, 320, 800, 1280)
"""Boxes into which the sizes fit; a photo gets those up to the first one that holds it whole."""
_QUALITY = {90: 60, 320: 80, 800: 87, 1280: 87}
_MAX_PIXELS = 120_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


@dataclass(frozen=True, slots=True)
class Size:
    """One encoded size of a photo."""

    width: int
    height: int
    data: bytes


def _opened(data: bytes) -> Image.Image:
    """The picture, upright and in RGB; raises ApiError 400 for anything that Telegram can't make a photo of."""
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        if picture.width * picture.height > _MAX_PIXELS:
            raise bad_request("PHOTO_INVALID_DIMENSIONS")
        picture.draft("RGB", (SIDES[-1], SIDES[-1]))
        upright = ImageOps.exif_transpose(picture)
        if "A" in upright.getbands() or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            ground = Image.new("RGBA", upright.size, "white")
            return Image.alpha_composite(ground, upright).convert("RGB")
        return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as written in the file; raises ApiError 400 when it is no picture."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error


def _encoded(picture: Image.Image, side: int) -> Size:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY[side], optimize=True)
    return Size(small.width, small.height, out.getvalue())


def photo_sizes(data: bytes) -> list[Size]:
    """The sizes of a photo, smallest first; metadata gone; raises ApiError 400 when it can't be decoded."""
    picture = _opened(data)
    longest = max(picture.size)
    wanted = [side for index, side in enumerate(SIDES) if index == 0 or longest > SIDES[index - 1]]
    return [_encoded(picture, side) for side in wanted]


def thumbnail(data: bytes) -> Size | None:
    """A small picture to show beside a document's name, or None when the document is no picture."""
    try:
        return _encoded(_opened(data), 320)
    except ApiError:
        return None
