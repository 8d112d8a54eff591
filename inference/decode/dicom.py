"""DICOM bytes to grey or colour pixels as a viewer would show them; nothing else of the file is kept."""

import io
import logging
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode import dicom_display
from inference.decode.dicom_signature import PREAMBLE
from inference.decode.dicom_stream import PIXEL_TAGS, Element, Layout, find_element, significant, stored_values
from inference.decode.dicom_subject import Subject, subject
from inference.decode.dicom_tags import integer, numbers, scopes, text
from inference.decode.limits import MOST_ELEMENTS, check_size, dicom_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_SYNTAX: Final = b"\2\0\x10\0UI"
"""Tag and representation of the transfer syntax."""
_DEFLATED, _LITTLE, _BIG = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2"
"""Transfer syntaxes."""
_MOST_INFLATED: Final = 64 * 1024 * 1024
_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_FILMS: Final = ("1.2.840.10008.1.2.4.10", "1.2.840.10008.1.2.7")
"""MPEG and HEVC: 1.2.840.10008.1.2.4.100 to .108, and what streams over a network."""
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_PALETTE: Final = "PALETTE COLOR"


@dataclass(frozen=True, slots=True)
class Shown:
    """A DICOM picture as a viewer shows it."""

    pixels: NDArray[np.uint8]
    """H x W or H x W x 3."""
    subject: Subject | Reason
    """What the tags say that it is; a Reason when it is refused for that."""
    tells_directions: bool
    """Whether the tags say how the picture lies in the body."""


def read(data: bytes) -> Shown:
    """Decode the one frame of a DICOM file, windowed as the file asks (see ``dicom_display``).

    Attributes that are empty, odd or missing are left out or take the standard's default, as other viewers do; only
    missing pixels make a file a damaged one. Raises PictureError; its text holds no tag.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning may quote a tag
        try:
            dataset, element = _parse(unpacked(data))
            layout, photometric = _layout(dataset, element)
            pixels = _pixels(dataset, element, layout, photometric)
            return Shown(_square(pixels, dataset), subject(dataset), _tells_directions(dataset))
        except dicom_errors():
            raise PictureError(Reason.BROKEN, "DICOM pixels") from None


def _tells_directions(dataset: "Dataset") -> bool:
    planes = scopes(dataset, "PlaneOrientationSequence")
    in_numbers = any(numbers(plane, "ImageOrientationPatient") for plane in planes)
    return in_numbers or bool(text(dataset, "PatientOrientation"))


def _parse(data: bytes) -> tuple["Dataset", Element]:
    """Read the tags up to the pixels, and find these."""
    import pydicom  # here, because one scan in a hundred needs it and it takes a tenth of a second

    logging.getLogger("pydicom").disabled = True  # it quotes tags
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with_preamble = data[PREAMBLE : PREAMBLE + 4] == b"DICM"
    file = io.BytesIO(data)
    try:
        dataset = pydicom.filereader.read_partial(file, Counted(MOST_ELEMENTS), force=not with_preamble)
    except dicom_errors():
        raise PictureError(Reason.BROKEN if with_preamble else Reason.UNKNOWN_FORMAT, "DICOM header") from None
    if not with_preamble and len(dataset) == 0:
        raise PictureError(Reason.UNKNOWN_FORMAT)
    implicit, little = dataset.original_encoding
    element = find_element(data, file.tell(), explicit=not implicit, little=bool(little))
    if element is None:
        raise _without_pixels(dataset, was_cut=file.tell() < len(data) or not _ends_whole(dataset, len(data)))
    return dataset, element


class Counted:
    """Counts the elements that pydicom reads, and ends that ``at_pixels``. Raises PictureError when it is too many."""

    def __init__(self, most: int, *, at_pixels: bool = True) -> None:
        self._left, self._at_pixels = most, at_pixels

    def __call__(self, tag: int, _vr: str | None, _length: int) -> bool:
        """Called by pydicom before each element; whether to stop there."""
        self._left -= 1
        if self._left < 0:
            raise PictureError(Reason.FORM_UNSUPPORTED, "elements")
        return self._at_pixels and tag in PIXEL_TAGS


def _ends_whole(dataset: "Dataset", size: int) -> bool:
    """Whether the last element ends where the file does: pydicom leaves one out in silence that the file ends in."""
    last = dataset.get_item(max(dataset.keys(), default=0)) if len(dataset) else None
    at, length = getattr(last, "value_tell", None), getattr(last, "length", None)
    return at is None or length is None or at + length >= size


def _without_pixels(dataset: "Dataset", *, was_cut: bool) -> PictureError:
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
        return PictureError(Reason.DICOM_DIRECTORY)
    # Rows and columns promise pixels: a file that has them ends too early.
    promised = integer(dataset, "Rows") and integer(dataset, "Columns")
    return PictureError(Reason.BROKEN if was_cut and promised else Reason.DICOM_WITHOUT_PICTURE, "no pixels")


def is_deflated(data: bytes) -> bool:
    """Whether a file says that all behind its header is packed."""
    return _DEFLATED in data[: _start_of_data(data)]


def unpacked(data: bytes) -> bytes:
    """Unpack a deflated file, as far as the limit goes, and name the byte order that a file is really in.

    Any other file comes back as it is. Raises PictureError (TOO_MANY_PIXELS), zlib.error.
    """
    start = _start_of_data(data)
    found = data.find(_SYNTAX, 0, start)
    if found < 0:
        return data
    at = found + len(_SYNTAX) + 2
    named = data[at : at + int.from_bytes(data[at - 2 : at], "little")].rstrip(b"\0 ")
    if named == _DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        body = inflater.decompress(data[start:], _MOST_INFLATED)
        if inflater.unconsumed_tail:
            raise PictureError(Reason.TOO_MANY_PIXELS, "deflated")
        # The name is the longer one: what it gives up is filled, as the standard pads names.
        return data[:at] + _LITTLE.ljust(len(named), b"\0") + data[at + len(named) : start] + body
    # In big endian the group of the first element, which is a small number, begins with its zero.
    real = _BIG if data[start : start + 1] == b"\0" != data[start + 1 : start + 2] else _LITTLE
    if named in (_LITTLE, _BIG) and named != real:
        return data[:at] + real + data[at + len(real) :]
    return data


def _start_of_data(data: bytes) -> int:
    """Where the data set begins that follows the file's own header; 0 where no length says so."""
    length = int.from_bytes(data[PREAMBLE + 12 : PREAMBLE + 16], "little")
    start = PREAMBLE + 16 + length
    return start if data[PREAMBLE : PREAMBLE + 10] == b"DICM\x02\0\0\0UL" and start < len(data) else 0


def _layout(dataset: "Dataset", element: Element) -> tuple[Layout, str]:
    """How the pixels lie, with the standard's defaults; and the colour model. Raises PictureError."""
    if _syntax(dataset).startswith(_FILMS):
        raise PictureError(Reason.DICOM_UNSUPPORTED, "a film")
    if (integer(dataset, "NumberOfFrames") or 1) > 1:
        raise PictureError(Reason.DICOM_SEVERAL_FRAMES)
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    if rows and columns:
        check_size(columns, rows)
    elif not element.fragments:  # a compressed frame tells its own size
        raise PictureError(Reason.DICOM_UNSUPPORTED, "no size")
    kind = {PIXEL_TAGS[0]: "f", PIXEL_TAGS[1]: "d"}.get(element.tag, "i")
    samples, photometric = _colours(dataset, element, rows * columns)
    allocated = _allocated(dataset, element, rows * columns * samples, kind)
    stored = integer(dataset, "BitsStored") or 0
    stored = stored if 0 < stored <= allocated else allocated
    high = integer(dataset, "HighBit")
    high = high if high is not None and stored - 1 <= high < allocated else stored - 1
    layout = Layout(
        rows,
        columns,
        samples,
        allocated,
        stored,
        high,
        signed=integer(dataset, "PixelRepresentation") == 1,
        planar=integer(dataset, "PlanarConfiguration") == 1,
        halved=photometric == "YBR_FULL_422" and not element.fragments and _is_halved(element, rows * columns),
        kind=kind,
    )
    return layout, photometric


def _is_halved(element: Element, pixels: int) -> bool:
    """Uncompressed YBR_FULL_422 has two bytes a pixel; some writers say so and store three."""
    return len(element.value) < 3 * pixels


def _colours(dataset: "Dataset", element: Element, pixels: int) -> tuple[int, str]:
    """Samples a pixel and the colour model; what is missing or unknown follows from the other, or from the length."""
    photometric, samples = text(dataset, "PhotometricInterpretation"), integer(dataset, "SamplesPerPixel") or 0
    is_coloured = photometric.startswith(("RGB", "YBR"))
    if samples == 4 or photometric in ("CMYK", "ARGB", "HSV"):
        raise PictureError(Reason.DICOM_UNSUPPORTED, "colour model")
    held = len(element.value) // max(pixels, 1)
    if samples not in (1, 3):
        # Twelve bits of grey in three bytes of nothing don't exist; three bytes a pixel are a colour.
        is_coloured = is_coloured or (held >= 3 and not photometric and integer(dataset, "BitsAllocated") in (None, 8))
        samples = 3 if is_coloured else 1
    elif element.value and element.complete and held == 3 and samples == 1 and is_coloured:
        samples = 3
    elif element.value and element.complete and 0 < held < 3 and samples == 3 and not is_coloured:
        samples = 1
    if samples == 3:
        return samples, photometric if photometric.startswith(("RGB", "YBR")) else "RGB"
    if photometric == _PALETTE or (not photometric and dicom_display.has_palette(dataset)):
        return samples, _PALETTE
    return samples, photometric if photometric in _GREY else "MONOCHROME2"


def _allocated(dataset: "Dataset", element: Element, values: int, kind: str) -> int:
    """Bits of a value: as said, unless the other tags and the number of bytes agree that it can't be."""
    if kind != "i":
        return 32 if kind == "f" else 64
    said, stored = integer(dataset, "BitsAllocated") or 0, integer(dataset, "BitsStored") or 0
    fitting = 8 * len(element.value) // values if values and element.value and element.complete else 0
    is_possible = said in (8, 16, 32, 64) or (0 < said < 16 and not element.fragments)
    is_odd = said not in (1, 8, 16, 32, 64) and fitting in (8, 16, 32)
    too_narrow = said < max(stored, 1) <= fitting
    too_wide = stored <= 8 == fitting < said
    if is_possible and not (is_odd or too_narrow or too_wide):
        return said
    stored = stored or 16
    return next((bits for bits in (32, 16, 8) if fitting >= bits), 16 if stored > 8 else 8)


def _syntax(dataset: "Dataset") -> str:
    return str(dataset.file_meta.get("TransferSyntaxUID") or "").strip("\0 ")


def _pixels(dataset: "Dataset", element: Element, layout: Layout, photometric: str) -> NDArray[np.uint8]:
    found = stored_values(element, layout, _syntax(dataset), as_rgb=photometric == "RGB")
    check_size(found.values.shape[1], found.values.shape[0])
    values = significant(found.values, layout)
    if values.ndim == 3:
        return _rgb(values[..., :3], layout, is_rgb=found.is_rgb or photometric == "RGB")
    if photometric == _PALETTE:
        colours = dicom_display.palette(values, dataset, signed=layout.signed)
        if colours is not None:
            return colours
    return dicom_display.grey(values, dataset, signed=layout.signed, inverted=photometric == "MONOCHROME1")


def _rgb(values: NDArray[Any], layout: Layout, *, is_rgb: bool) -> NDArray[np.uint8]:
    eight = dicom_display.to_eight(values, layout.stored)
    if is_rgb:
        return eight
    from pydicom.pixels import convert_color_space

    return np.asarray(convert_color_space(eight, "YBR_FULL", "RGB"), np.uint8)


def _square(pixels: NDArray[np.uint8], dataset: "Dataset") -> NDArray[np.uint8]:
    """Give pixels that are taller than wide (or wider than tall) their true proportions, as a viewer does."""
    stretch_by = dicom_display.pixel_height(dataset)
    if abs(stretch_by - 1) < 0.02:
        return pixels
    height, width = pixels.shape[:2]
    size = (width, round(height * stretch_by)) if stretch_by > 1 else (round(width / stretch_by), height)
    check_size(*size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
