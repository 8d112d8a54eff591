"""DICOM bytes to grey or colour pixels as a viewer would show them; nothing else of the file is kept."""

import io
import logging
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.bit_depth import stretch, to_levels
from inference.decode.isolation import run_isolated
from inference.decode.limits import DECODER_ERRORS, check_size

if TYPE_CHECKING:
    from pydicom import Dataset

_PREAMBLE: Final = 128
_DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
_IMPLICIT: Final = "1.2.840.10008.1.2"
_EXPLICIT: Final = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
_JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"  # with 12 bits no decoder at hand reads it
_READABLE: Final = frozenset({
    _IMPLICIT, _EXPLICIT, _EXPLICIT_BIG,
    "1.2.840.10008.1.2.4.50", _JPEG_EXTENDED,  # JPEG baseline, extended
    "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81",  # JPEG-LS
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.5",  # RLE
})  # fmt: skip
# On damaged streams GDCM ends the whole process: Pillow decodes what it can, the rest is decoded behind a shield.
_SOUND: Final = (_IMPLICIT, _EXPLICIT, _EXPLICIT_BIG, "1.2.840.10008.1.2.5")
_BY_PILLOW: Final = ("1.2.840.10008.1.2.4.50", _JPEG_EXTENDED)
_PIXEL_TAGS: Final = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # PixelData, in either byte order
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_FIRST_GROUPS: Final = (b"\x02\x00", b"\x08\x00")
_FIRST_VRS: Final = (b"UL", b"UI", b"CS", b"OB", b"SH", b"DA", b"TM", b"LO")


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as DICOM does, with its preamble or (older archives) without."""
    if data[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return True
    if data[:2] not in _FIRST_GROUPS or data[3:4] != b"\0":
        return False
    # Explicit: a value representation and a length; implicit: a length alone, short and even in these first groups.
    length = int.from_bytes(data[4:8], "little")
    return data[4:6] in _FIRST_VRS or (len(data) > 64 and length <= 64 and length % 2 == 0)


def read(data: bytes) -> NDArray[np.uint8]:
    """Decode the one frame of a DICOM file: H x W or H x W x 3 uint8, windowed as the file asks.

    Rescale slope and intercept or the modality LUT, then the VOI LUT or window (DICOM PS3.3 C.11.1 and C.11.2; without
    either, the range that the pixels use), MONOCHROME1 inverted, palette and YBR brought to RGB. Raises PictureError;
    its text holds no tag.
    """
    if _DEFLATED in data:
        # Inflating has no limit there: 20 MB could become 20 GB.
        raise PictureError(Reason.DICOM_UNSUPPORTED, "deflated")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning may quote a tag
        dataset = _parse(data)
        _check(dataset, data)
        try:
            return _square(_pixels(dataset), dataset)
        except _faults():
            raise PictureError(Reason.BROKEN, "DICOM pixels") from None


def _faults() -> tuple[type[Exception], ...]:
    """All that pydicom and its decoders raise on damaged files; some of it quotes them."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (BytesLengthException, InvalidDicomError, *DECODER_ERRORS)


def _parse(data: bytes) -> "Dataset":
    import pydicom  # here, because one scan in a hundred needs it and it takes a tenth of a second

    logging.getLogger("pydicom").disabled = True  # it quotes tags
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with_preamble = data[_PREAMBLE : _PREAMBLE + 4] == b"DICM"
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=not with_preamble)
    except _faults():
        raise PictureError(Reason.BROKEN if with_preamble else Reason.UNKNOWN_FORMAT, "DICOM header") from None
    if not with_preamble and len(dataset) == 0:
        raise PictureError(Reason.UNKNOWN_FORMAT)
    return dataset


def _check(dataset: "Dataset", data: bytes) -> None:
    """Refuse what can't be shown as one picture, before a pixel is decoded."""
    try:
        if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            # pydicom leaves an element out in silence when the file ends within it.
            was_cut = any(tag in data for tag in _PIXEL_TAGS)
            raise PictureError(Reason.BROKEN if was_cut else Reason.DICOM_WITHOUT_PICTURE, "no pixels")
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            raise PictureError(Reason.DICOM_SEVERAL_FRAMES)
        photometric, samples = str(dataset.PhotometricInterpretation), int(dataset.SamplesPerPixel)
        if (photometric, samples) not in [
            *((name, 1) for name in (*_GREY, "PALETTE COLOR")),
            *((name, 3) for name in _COLOUR),
        ]:
            raise PictureError(Reason.DICOM_UNSUPPORTED, "colour model")
        check_size(int(dataset.Columns), int(dataset.Rows))
        syntax = _transfer_syntax(dataset)
        if syntax not in _READABLE or (syntax == _JPEG_EXTENDED and int(dataset.BitsStored) > 8):
            raise PictureError(Reason.DICOM_UNSUPPORTED, "compression")
    except _faults():
        raise PictureError(Reason.BROKEN, "DICOM header") from None


def _transfer_syntax(dataset: "Dataset") -> str:
    """Tell the transfer syntax, also of a file without meta information (then as it was parsed)."""
    named = dataset.file_meta.get("TransferSyntaxUID")
    if named is None:
        implicit, little = dataset.original_encoding
        named = _IMPLICIT if implicit else _EXPLICIT if little else _EXPLICIT_BIG
        dataset.file_meta.TransferSyntaxUID = named
    return str(named)


def _pixels(dataset: "Dataset") -> NDArray[np.uint8]:
    import gdcm
    from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

    for silence in (gdcm.Trace.DebugOff, gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff):
        silence()
    syntax = _transfer_syntax(dataset)
    if syntax in _SOUND:
        stored = pixel_array(dataset, index=0)
    elif syntax in _BY_PILLOW:
        stored = pixel_array(dataset, index=0, decoding_plugin="pillow")
    else:
        stored = run_isolated(lambda: pixel_array(dataset, index=0))
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)[..., :3]
        return _to_bytes(colours, 8 * colours.dtype.itemsize)
    if photometric not in _GREY:
        return _to_bytes(stored, int(dataset.BitsStored))
    shown = _window(apply_modality_lut(stored, dataset), stored, dataset)
    return 255 - shown if photometric == "MONOCHROME1" else shown


def _square(pixels: NDArray[np.uint8], dataset: "Dataset") -> NDArray[np.uint8]:
    """Give pixels that are taller than wide (or wider than tall) their true proportions, as a viewer does."""
    spacing = dataset.get("PixelSpacing") or dataset.get("PixelAspectRatio")
    if not spacing or len(spacing) != 2 or float(spacing[0]) <= 0 or float(spacing[1]) <= 0:
        return pixels
    stretch_by = float(spacing[0]) / float(spacing[1])  # height of a pixel by its width
    if not 0.25 <= stretch_by <= 4 or abs(stretch_by - 1) < 0.02:
        return pixels
    height, width = pixels.shape[:2]
    size = (width, round(height * stretch_by)) if stretch_by > 1 else (round(width / stretch_by), height)
    check_size(*size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _to_bytes(pixels: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    if bits > 8:
        pixels = pixels >> (bits - 8)
    return np.ascontiguousarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def _window(values: NDArray[Any], stored: NDArray[Any], dataset: "Dataset") -> NDArray[np.uint8]:
    """Grey values (H x W, in rescaled units) to 0..255."""
    if dataset.get("VOILUTSequence"):
        from pydicom.pixels import apply_voi

        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return _to_bytes(apply_voi(values if values.dtype.kind in "iu" else values.astype(np.int32), dataset), bits)
    values = values.astype(np.float32)
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    if centre is not None and width is not None and width >= 1:
        function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
        shown = _apply_window(values, centre, width, function)
        saturated = np.count_nonzero((shown == 0) | (shown == 255)) / shown.size
        if saturated < 0.99:  # a window that was meant for other values shows nothing
            return shown
    return stretch(
        values, stored == padding if (padding := _number(dataset, "PixelPaddingValue")) is not None else None
    )


def _apply_window(values: NDArray[np.float32], centre: float, width: float, function: str) -> NDArray[np.uint8]:
    """Apply a window as PS3.3 C.11.2.1.2 (linear), C.11.2.1.3.2 (exact) or C.11.2.1.3.1 (sigmoid) says."""
    if function == "SIGMOID":
        exponent = np.clip(-4 * (values - centre) / width, -80, 80)
        shown = 1 / (1 + np.exp(exponent))
    elif function == "LINEAR_EXACT" or width <= 1:
        shown = (values - centre) / width + 0.5
    else:
        shown = (values - (centre - 0.5)) / (width - 1) + 0.5
    return to_levels(shown)


def _number(dataset: "Dataset", keyword: str) -> float | None:
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    first = value if isinstance(value, (int, float, str)) else value[0]
    return float(first)
