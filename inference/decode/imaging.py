"""Untrusted bytes to a clean picture: an allow-list of formats, limits checked in the header, all metadata dropped."""

import io
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inference.analysis import PictureError, Reason
from inference.decode import dicom, sheet
from inference.decode.bit_depth import stretch
from inference.decode.limits import DECODER_ERRORS, MAX_FILE_BYTES, SHEET_SIDE, SHOWN_SIDE, check_size, reduced_size

__all__ = ["SHOWN_SIDE", "Picture", "Slice", "decode", "decode_sheet", "encode_jpeg", "recognise"]

JPEG_QUALITY: Final = 88

_BLANK_DEVIATION = 2.0  # grey levels
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: the same pixels for the models and for people."""

    rgb: NDArray[np.uint8]
    """H x W x 3, the right way up, long side at most SHOWN_SIDE."""
    width: int
    """Pixels of the picture as sent, the right way up."""
    height: int


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a sheet, cut out of it."""

    picture: Picture
    tile: sheet.Tile
    """Where it lies, in pixels of ``Picture.rgb`` of the whole sheet."""


def decode_sheet(data: bytes) -> tuple[Slice, ...]:
    """The slices of a sheet in reading order, each with as many pixels as the file gives; empty when it is one picture.

    Raises PictureError as ``decode`` does.
    """
    whole = decode(data, SHEET_SIDE)
    width, height = reduced_size(whole.width, whole.height)
    down, across = height / whole.rgb.shape[0], width / whole.rgb.shape[1]
    slices = []
    for tile in sheet.split(whole.rgb):
        rgb = tile.crop(whole.rgb)
        reduced = np.asarray(_reduce(Image.fromarray(rgb), SHOWN_SIDE))
        place = sheet.Tile(
            int(tile.left * across), int(tile.top * down), round(tile.right * across), round(tile.bottom * down)
        )
        slices.append(Slice(Picture(reduced, rgb.shape[1], rgb.shape[0]), place))
    return tuple(slices)


def decode(data: bytes, side: int = SHOWN_SIDE) -> Picture:
    """Read a picture of an allowed format: JPEG, PNG, WebP, BMP, TIFF, GIF (first frame) or DICOM (one frame).

    Its long side is at most ``side``. Raises PictureError with the reason; its text holds no bytes or tags of the file.
    """
    if not data:
        raise PictureError(Reason.EMPTY)
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(Reason.TOO_LARGE_FILE, f"{len(data)} bytes")
    kind = recognise(data)
    try:
        image, size = _from_dicom(data, side) if kind == "DICOM" else _from_pillow(data, kind, side)
    except MemoryError:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more than the memory of a worker holds") from None
    rgb = np.asarray(image)
    if _is_blank(rgb):
        raise PictureError(Reason.BLANK)
    return Picture(rgb, *size)


def _is_blank(rgb: NDArray[np.uint8]) -> bool:
    step = max(1, min(rgb.shape[:2]) // 96)  # a sample says as much and costs a twentieth
    return float(rgb[::step, ::step].std(axis=(0, 1)).max()) < _BLANK_DEVIATION


def recognise(data: bytes) -> str:
    """Name the format by the first bytes, never by a file name; raises PictureError (UNKNOWN_FORMAT)."""
    if dicom.looks_like(data):  # first, because its preamble may hold the magic bytes of a TIFF
        return "DICOM"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    raise PictureError(Reason.UNKNOWN_FORMAT)


def encode_jpeg(image: Image.Image) -> bytes:
    """JPEG bytes without any metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0 if image.mode == "L" else 2)
    return buffer.getvalue()


def _from_dicom(data: bytes, side: int) -> tuple[Image.Image, tuple[int, int]]:
    pixels = dicom.read(data)
    image = Image.fromarray(pixels)
    return _reduce(image, side).convert("RGB"), image.size


def _from_pillow(data: bytes, kind: str, side: int) -> tuple[Image.Image, tuple[int, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning may quote the file
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                check_size(*image.size)
                size = image.size
                if kind == "JPEG":
                    image.draft(None, reduced_size(*size, side))
                image.load()
                if kind == "TIFF":
                    size = image.size  # Pillow has turned it already
                turn = _TURNS.get(_orientation(image))
                rgb = _to_rgb(image, side)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise PictureError(Reason.TOO_MANY_PIXELS) from None
        except DECODER_ERRORS:
            raise PictureError(Reason.BROKEN, kind) from None
    if turn is not None:
        rgb = rgb.transpose(turn)
        if turn in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]):
            size = (size[1], size[0])
    return rgb, size


def _reduce(image: Image.Image, side: int) -> Image.Image:
    size = reduced_size(*image.size, side)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODER_ERRORS:
        return 1  # damaged metadata are no reason to refuse the pixels
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, side: int) -> Image.Image:
    """Reduce first, convert after, so that the cost does not grow with the picture."""
    if image.mode == "F" or image.mode.startswith("I"):
        return _reduce_deep(image, side).convert("RGB")
    if image.mode in ("La", "RGBa"):
        # Pillow knows one way only out of each premultiplied mode.
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.has_transparency_data:
        return _flatten(_reduce(image if image.mode in ("LA", "RGBA") else image.convert("RGBA"), side).convert("RGBA"))
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Adobe stores its inks inverted, and Pillow turns every CMYK JPEG round; one without the marker is plain.
        image = _reduce(image, side).point(lambda value: 255 - value)
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _reduce(image, side).convert("RGB")


def _reduce_deep(image: Image.Image, side: int) -> Image.Image:
    return Image.fromarray(stretch(np.asarray(_reduce(image.convert("F"), side), np.float32)))


def _flatten(image: Image.Image) -> Image.Image:
    """Lay an RGBA picture on the background it was made for; colours hidden under full transparency stay hidden.

    A cut-out brain belongs on black; a stained smear, and black line art, on white.
    """
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return image.convert("RGB")
    weight = np.asarray(alpha, np.float32)
    total = float(weight.sum())
    level = float((np.asarray(image.convert("L"), np.float32) * weight).sum()) / total if total else 0.0
    background = Image.new("RGB", image.size, (0, 0, 0) if not total or 24 <= level < 128 else (255, 255, 255))
    background.paste(image, mask=alpha)
    return background
