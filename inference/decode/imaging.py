"""Untrusted bytes to a clean picture: an allow-list of formats, limits checked in the header, all metadata dropped."""

import io
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from inference.analysis import PictureError, Reason
from inference.decode import bmp, budget, dicom, film_sheet, jpeg, netpbm, newer_formats, png, tiff, tiff_channels, webp
from inference.decode.bit_depth import stretch, to_levels
from inference.decode.dicom_subject import Subject
from inference.decode.icc import to_srgb
from inference.decode.isolation import run_isolated
from inference.decode.limits import (
    DECODER_ERRORS,
    MAX_FILE_BYTES,
    MOST_SCANS,
    SHEET_SIDE,
    SHOWN_SIDE,
    check_size,
    reduced_size,
)
from inference.decode.signatures import recognise

__all__ = ["SHOWN_SIDE", "PanelPicture", "Picture", "decode", "decode_film_sheet", "encode_jpeg", "recognise"]

JPEG_QUALITY: Final = 88

_START_OF_SCAN = b"\xff\xda"  # in coded data every 0xff has a 0 behind it, so that this is nothing else
_SIZES = {"WEBP": webp.size, "BMP": bmp.size}
"""What tells a size that Pillow gives memory to, or refuses as a bomb, before it can be asked."""
_ANIMATED = ("GIF", "PNG", "WEBP")
_OF_FEW_FORMS = ("TGA", "PCX", "PSD")
"""Formats of which Pillow knows some forms, and finds none where it knows none."""
_MOST_BLANK_FRAMES = 64
_SAMPLED_SIDE = 64
_HALF = 127
_BLANK_DEVIATION = 2.0  # grey levels
_FIRST_ON_ITS_SIDE = 5
"""From this orientation on width and height are exchanged."""
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
    subject: Subject = Subject.UNKNOWN
    """What the file says that it shows; one that says that it is something else is not decoded."""
    tells_directions: bool = False
    """Whether the file says how the picture lies in the body, so that it is shown as it was meant to be."""


@dataclass(frozen=True, slots=True)
class PanelPicture:
    """One slice of a film sheet, cut out of it."""

    picture: Picture
    panel: film_sheet.Panel
    """Where it lies, in pixels of ``Picture.rgb`` of the whole sheet."""


def decode_film_sheet(data: bytes, quarters: int = 0) -> tuple[PanelPicture, ...]:
    """The slices of a film sheet in reading order, each with all its pixels; empty when it is one picture.

    The sheet is first turned left by so many ``quarters``. Raises PictureError as ``decode`` does.
    """
    whole = decode(data, SHEET_SIDE)
    sheet = np.ascontiguousarray(np.rot90(whole.rgb, quarters))
    width, height = reduced_size(*(whole.width, whole.height)[:: -1 if quarters % 2 else 1])
    down, across = height / sheet.shape[0], width / sheet.shape[1]
    slices = []
    for panel in film_sheet.split(sheet):
        rgb = panel.crop(sheet)
        reduced = np.asarray(_reduce(Image.fromarray(rgb), SHOWN_SIDE))
        slices.append(PanelPicture(Picture(reduced, rgb.shape[1], rgb.shape[0]), panel.scaled(across, down)))
    return tuple(slices)


def decode(data: bytes, side: int = SHOWN_SIDE, *, believe_tags: bool = True) -> Picture:
    """Read a picture of an allowed format (see ``signatures``): the first frame, or the largest page.

    Its long side is at most ``side``. ``believe_tags``: a DICOM file that says that it is a CT or a knee is refused.
    Raises PictureError with the reason; its text holds no bytes or tags of the file. In a worker it also raises
    TooCostlyError; see ``budget``.
    """
    with budget.spending():
        return _decode(data, side, believe_tags=believe_tags)


def _decode(data: bytes, side: int, *, believe_tags: bool) -> Picture:
    if not data:
        raise PictureError(Reason.EMPTY)
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(Reason.TOO_LARGE_FILE, f"{len(data)} bytes")
    kind = recognise(data)
    if kind == "JPEG":
        data = jpeg.with_height(data)
    subject: Subject | Reason = Subject.UNKNOWN
    tells_directions = False
    try:
        if kind == "DICOM":
            shown = dicom.read(data)
            image, size = _from_pixels(shown.pixels, side)
            subject, tells_directions = shown.subject, shown.tells_directions
        elif kind in newer_formats.KINDS:
            image, size = newer_formats.read(data, kind, side)
        elif kind == "TIFF":
            image, size = _from_tiff(data, side)
        elif kind == "NETPBM":
            whole = Image.fromarray(netpbm.read(data))
            image, size = _to_rgb(whole, side), whole.size
        else:
            image, size = _from_pillow(data, kind, side)
    except MemoryError:
        raise PictureError(Reason.TOO_MANY_PIXELS, "more than the memory of a worker holds") from None
    if isinstance(subject, Reason):
        if believe_tags:
            raise PictureError(subject)
        subject = Subject.UNKNOWN
    rgb = np.asarray(image)
    if _is_blank(rgb):
        raise PictureError(Reason.BLANK)
    return Picture(rgb, *size, subject, tells_directions)


def _is_blank(rgb: NDArray[np.uint8]) -> bool:
    step = max(1, min(rgb.shape[:2]) // 96)  # a sample says as much and costs a twentieth
    sample = rgb[::step, ::step]  # channel by channel: over pixels of three NumPy takes four times as long
    return max(float(sample[..., channel].std()) for channel in range(3)) < _BLANK_DEVIATION


def encode_jpeg(image: Image.Image) -> bytes:
    """JPEG bytes without any metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0 if image.mode == "L" else 2)
    return buffer.getvalue()


def _from_pixels(pixels: NDArray[np.uint8], side: int) -> tuple[Image.Image, tuple[int, int]]:
    image = Image.fromarray(pixels)
    return _reduce(image, side).convert("RGB"), image.size


def _from_tiff(data: bytes, side: int) -> tuple[Image.Image, tuple[int, int]]:
    if coloured := tiff_channels.groups(data):
        data = tiff_channels.picture(data, coloured[0])
    page = tiff.largest_page(data)
    check_size(page.width, page.height)
    if page.is_plain:
        try:
            return _from_pillow(data, "TIFF", side, page.index)
        except PictureError as error:
            if error.reason is not Reason.BROKEN or not page.is_within(len(data)):
                raise
    try:
        return _turned(*_from_pixels(tiff.read_odd(data, page), side), page.orientation)
    except PictureError as error:
        if error.reason is not Reason.FORM_UNSUPPORTED or not page.is_of_inks:
            raise
        return _from_pillow(data, "TIFF", side, page.index)


def _from_pillow(data: bytes, kind: str, side: int, page: int = 0) -> tuple[Image.Image, tuple[int, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning may quote the file
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _opened(data, kind, side, page)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise PictureError(Reason.TOO_MANY_PIXELS) from None
        except DECODER_ERRORS:
            pass  # not from here, or what the decoder said of the file would travel along
        return _by_other_means(data, kind, side)


def _opened(data: bytes, kind: str, side: int, page: int) -> tuple[Image.Image, tuple[int, int]]:
    if kind in _SIZES and (stated := _SIZES[kind](data)):
        check_size(*stated, kind)
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        if page:
            image.seek(page)
        check_size(*image.size, kind)
        size = image.size
        if kind == "JPEG":
            if data.count(_START_OF_SCAN) > MOST_SCANS:
                raise PictureError(Reason.FORM_UNSUPPORTED, "scans")
            image.draft(None, reduced_size(*size, side))
        image.load()
        if kind in _ANIMATED and getattr(image, "is_animated", False):
            _skip_blank_frames(image)
        if kind == "TIFF":
            size = image.size  # Pillow has turned it already
        shown = _with_lower_bits(image, data) if kind == "PNG" and png.is_deep_colour(data) else image
        return _turned(_to_rgb(shown, side), size, _orientation(image))


def _with_lower_bits(image: Image.Image, data: bytes) -> Image.Image:
    """A PNG of deep colours as Pillow has it, unless the upper half of its range is empty: then by the bits it uses."""
    highest = np.asarray(image.getextrema())[: 1 if image.mode == "LA" else 3, 1]
    if highest.max() > _HALF:
        return image
    deep = Image.fromarray(run_isolated(lambda: png.deep_colours(data)))
    deep.info = {name: image.info[name] for name in ("icc_profile",) if name in image.info}
    return deep


def _turned(rgb: Image.Image, size: tuple[int, int], orientation: int) -> tuple[Image.Image, tuple[int, int]]:
    """A picture and its full size as an orientation of EXIF or TIFF (1 to 8) says; by any other they stay."""
    turn = _TURNS.get(orientation)
    if turn is None:
        return rgb, size
    return rgb.transpose(turn), size[::-1] if orientation >= _FIRST_ON_ITS_SIDE else size


def _skip_blank_frames(image: Image.Image) -> None:
    """Go to the first frame of an animation that shows something: some fade in, or begin above the head."""
    for number in range(1, _MOST_BLANK_FRAMES):
        sample = image.resize((_SAMPLED_SIDE, _SAMPLED_SIDE), Image.Resampling.NEAREST).convert("RGB")
        if not _is_blank(np.asarray(sample)):
            return
        try:
            image.seek(number)
        except EOFError:
            return


def _by_other_means(data: bytes, kind: str, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """What Pillow refuses may be whole, and of a form that it does not know. Raises PictureError."""
    try:
        if kind == "BMP":
            return _from_pixels(bmp.read_bit_fields(data), side)
        if kind == "PNG" and (alone := png.pixels_alone(data)):
            return _opened(alone, kind, side, 0)
        if kind == "JPEG" and (header := jpeg.frame(data)):
            if not header.is_plain:
                return _from_deep_jpeg(data, header, side)
            if mended := jpeg.repaired(data):
                return _opened(mended, kind, side, 0)
    except DECODER_ERRORS:
        pass
    is_rare = kind in _OF_FEW_FORMS and not _is_known(data, kind)
    raise PictureError(Reason.FORM_UNSUPPORTED if is_rare else Reason.BROKEN, kind) from None


def _is_known(data: bytes, kind: str) -> bool:
    """Whether Pillow knows what to do with what a header says."""
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            return bool(getattr(image, "tile", ()))
    except DECODER_ERRORS:
        return False


def _from_deep_jpeg(data: bytes, header: jpeg.FrameHeader, side: int) -> tuple[Image.Image, tuple[int, int]]:
    try:
        values = jpeg.decode_deep(data, header)
    except DECODER_ERRORS:
        raise PictureError(Reason.FORM_UNSUPPORTED if jpeg.has_end(data) else Reason.BROKEN, "JPEG") from None
    is_shallow = values.ndim == 3 or header.precision <= 8
    levels = to_levels(values / (2**header.precision - 1)) if is_shallow else stretch(values.astype(np.float32))
    return _turned(*_from_pixels(levels, side), jpeg.orientation(data))


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
    if image.format == "PSD" and image.mode == "RGBA":
        # The merged picture lies on white already, and a fourth channel may be a selection.
        image = image.convert("RGB")
    if image.mode in ("La", "RGBa"):
        # Pillow knows one way only out of each premultiplied mode.
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    if image.has_transparency_data and _is_filled(image):
        return _flatten(_reduce(image if image.mode in ("LA", "RGBA") else image.convert("RGBA"), side).convert("RGBA"))
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Adobe stores its inks inverted, and Pillow turns every CMYK JPEG round; one without the marker is plain.
        image = _reduce(image, side).point(lambda value: 255 - value)
    if image.mode in ("1", "P", "LA", "RGBA"):
        image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
    profile = image.info.get("icc_profile")
    reduced = to_srgb(_reduce(image, side), profile)
    return reduced if reduced.mode == "RGB" else reduced.convert("RGB")  # which would copy what is RGB already


def _reduce_deep(image: Image.Image, side: int) -> Image.Image:
    return Image.fromarray(stretch(np.asarray(_reduce(image.convert("F"), side), np.float32)))


def _is_filled(image: Image.Image) -> bool:
    """Whether alpha tells anything: programs that know none leave its channel in a BMP, a TIFF or a Targa at zero."""
    is_careless = image.format in ("BMP", "TIFF", "TGA") and image.mode in ("LA", "RGBA")
    return not is_careless or image.getchannel("A").getextrema() != (0, 0)


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
