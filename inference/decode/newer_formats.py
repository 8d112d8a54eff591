"""HEIC and AVIF, JPEG 2000, JPEG XL: heavy decoders of files from strangers, each in a process of its own.

How large a picture is, is read here from its header, before a decoder is asked.
"""

import io
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from inference.analysis import PictureError, Reason
from inference.decode.bit_depth import by_bits_used, stretch
from inference.decode.icc import to_srgb
from inference.decode.isolation import run_isolated
from inference.decode.limits import DECODER_ERRORS, SHOWN_SIDE, check_size, reduced_size

HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"MiHE")
AVIF_BRANDS: Final = (b"avif", b"avis")
JXL_STARTS: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
JPEG_2000_STARTS: Final = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")
KINDS: Final = ("HEIC", "AVIF", "JPEG2000", "JXL")
_MOST_SAMPLES: Final = 20_000_000
"""Values of a JPEG 2000 that are decoded at once; OpenJPEG needs some twelve bytes for each."""
_MOST_ITEMS: Final = 4096
_RATIOS: Final = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def read(data: bytes, kind: str, side: int = SHOWN_SIDE) -> tuple[Image.Image, tuple[int, int]]:
    """Decode one of ``KINDS`` to RGB of at most ``side``: the picture and its size as sent. Raises PictureError."""
    sizes = {"HEIC": _box_size, "AVIF": _box_size, "JPEG2000": _codestream_size, "JXL": jxl_size}
    try:
        size = sizes[kind](data)
        check_size(*size, kind)
        decode = {"HEIC": _heic, "AVIF": _by_pillow, "JPEG2000": _jpeg_2000, "JXL": _jxl}[kind]
        rgb = run_isolated(lambda: _reduced(decode(data, side), side))
    except DECODER_ERRORS:
        is_rare = kind == "JPEG2000" and _is_rare_codestream(data)
        raise PictureError(Reason.FORM_UNSUPPORTED if is_rare else Reason.BROKEN, kind) from None
    was_turned = (size[0] > size[1]) != (rgb.shape[1] > rgb.shape[0]) and size[0] != size[1]
    return Image.fromarray(rgb), size[::-1] if was_turned else size


def _reduced(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """What is shown of a decoded picture, the right way up and in sRGB."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F" or image.mode.startswith("I"):
        image = Image.fromarray(stretch(np.asarray(image, np.float32)))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    size, profile = reduced_size(*image.size, side), image.info.get("icc_profile")
    image = image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
    image = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(to_srgb(image, profile).convert("RGB"))


def _heic(data: bytes, _side: int) -> Image.Image:
    import pi_heif

    found = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    check_size(*found.size)
    image: Image.Image = found.to_pillow()
    return image


def _by_pillow(data: bytes, _side: int) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("AVIF", "JPEG2000"))
    check_size(*image.size)
    image.load()
    return image


def _jpeg_2000(data: bytes, side: int) -> Image.Image:
    """Leave out the finest of its resolutions, as far as they are not shown: each costs four times the next."""
    image = Jpeg2KImageFile(io.BytesIO(data))
    check_size(*image.size)
    start = data.index(JPEG_2000_STARTS[0])
    coding = data.find(b"\xff\x52", start)  # COD (ITU T.800, A.6.1): its tenth byte says how often it was halved
    halved = data[coding + 9] if 0 <= coding < len(data) - 9 else 0
    left_out = min(halved, (max(image.size) // side).bit_length() - 1) if max(image.size) > side else 0
    # The standard rounds the halved sides up and Pillow to the nearest: where these differ, it can't load.
    while left_out and any((n + (1 << left_out >> 1)) >> left_out != -(-n >> left_out) for n in image.size):
        left_out -= 1
    image.reduce = left_out
    if image.width * image.height * len(image.getbands()) >> 2 * left_out > _MOST_SAMPLES:
        raise MemoryError
    image.load()
    return image


def _jxl(data: bytes, _side: int) -> Image.Image:
    import imagecodecs

    values = np.asarray(imagecodecs.jpegxl_decode(data))
    values = values[0] if values.ndim == 4 else values  # the first frame of several
    if values.ndim == 3 and values.shape[2] in (1, 2):
        values = values[..., 0]
    if values.dtype != np.uint8:
        values = stretch(values.astype(np.float32)) if values.ndim == 2 else by_bits_used(values)
    return Image.fromarray(values)


def _box_size(data: bytes) -> tuple[int, int]:
    """The largest of the sizes that a HEIC or AVIF file gives its items (ISO 23008-12, ``ispe``)."""
    found: list[tuple[int, int]] = []
    at = data.find(b"ispe")
    while at >= 0 and at + 16 <= len(data) and len(found) < _MOST_ITEMS:
        found.append(struct.unpack_from(">II", data, at + 8))
        at = data.find(b"ispe", at + 4)
    if not found:
        raise ValueError("no size")
    return max(found, key=lambda size: size[0] * size[1])


def _codestream_size(data: bytes) -> tuple[int, int]:
    """The size in the first marker of a JPEG 2000 codestream (ITU T.800, A.5.1)."""
    at = data.index(JPEG_2000_STARTS[0])
    right, down, left, top = struct.unpack_from(">4I", data, at + 8)
    return right - left, down - top


def _is_rare_codestream(data: bytes) -> bool:
    """Whether a JPEG 2000 is whole, but of channels that differ in size, which no decoder here takes."""
    at = data.find(JPEG_2000_STARTS[0])
    if at < 0 or not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        return False
    (channels,) = struct.unpack_from(">H", data, at + 40)
    steps = data[at + 42 : at + 42 + 3 * channels]
    return any(step != 1 for i, step in enumerate(steps) if i % 3)


def jxl_size(data: bytes) -> tuple[int, int]:
    """The size header of a JPEG XL codestream (ISO 18181-1, annex D), bare or in its box."""
    start = 0
    if data.startswith(JXL_STARTS[1]):
        whole, first = data.find(b"jxlc"), data.find(b"jxlp")
        start = whole + 4 if whole >= 0 else first + 8
    if data[start : start + 2] != JXL_STARTS[0]:
        raise ValueError("no codestream")
    bits = _Bits(int.from_bytes(data[start + 2 : start + 18], "little"))
    by_eight = bits.take(1)
    height = _side(bits, by_eight=by_eight)
    ratio = _RATIOS[bits.take(3)]
    return (height * ratio[0] // ratio[1] if ratio else _side(bits, by_eight=by_eight)), height


class _Bits:
    def __init__(self, value: int) -> None:
        self._value = value

    def take(self, count: int) -> int:
        """The next ``count`` bits, the lowest first."""
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        return found


def _side(bits: _Bits, *, by_eight: int) -> int:
    return 8 * (bits.take(5) + 1) if by_eight else bits.take((9, 13, 18, 30)[bits.take(2)]) + 1
