"""Stored DICOM values to what a viewer shows: rescale, window and tables (PS3.3 C.11.1, C.11.2, C.7.9), pixel shape."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.decode.bit_depth import high_filler, stretch, to_levels
from inference.decode.dicom_tags import integer, items, number, numbers, raw_bytes, scopes, text
from inference.decode.limits import dicom_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_SHAPES: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
_MOST_STRETCH: Final = 4.0
_LEAST_FACTOR: Final = 1e-25
_COLOURS: Final = ("Red", "Green", "Blue")


def grey(stored: NDArray[Any], dataset: "Dataset", *, signed: bool, inverted: bool) -> NDArray[np.uint8]:
    """Stored values (H x W) to 0..255 as the file asks: modality table or rescale, then VOI table or window.

    Without either, the range that the pixels use. Attributes that make no sense are left out.
    """
    values = _modality(stored, dataset, signed=signed)
    if (shown := _windowed(values, dataset, signed=signed)) is not None:
        return 255 - shown if inverted else shown
    return stretch(values.astype(np.float32), _padding(stored, dataset, signed=signed), inverted=inverted)


def palette(stored: NDArray[Any], dataset: "Dataset", *, signed: bool) -> NDArray[np.uint8] | None:
    """Stored values (H x W) to colours (H x W x 3) by the file's palette; None when it has none that is whole."""
    tables = [_table(dataset, f"{name}PaletteColorLookupTable", signed=signed) for name in _COLOURS]
    if not all(tables):
        try:
            tables = _segmented(dataset)
        except dicom_errors():
            return None
    found = [table for table in tables if table is not None]
    if len(found) != 3:
        return None
    bits = max(table.bits for table in found)
    return np.stack([to_eight(table.apply(stored), bits) for table in found], -1)


def has_palette(dataset: "Dataset") -> bool:
    """Whether the file holds a table of colours, whole or in segments."""
    return bool(
        raw_bytes(dataset, "RedPaletteColorLookupTableData")[0]
        or raw_bytes(dataset, "SegmentedRedPaletteColorLookupTableData")[0]
    )


def pixel_height(dataset: "Dataset") -> float:
    """Height of a pixel by its width, from the first attribute that tells one that can be; 1 when none does."""
    for keyword in _SHAPES:
        for scope in scopes(dataset, "PixelMeasuresSequence"):
            sides = numbers(scope, keyword)
            if len(sides) != 2 or sides[0] is None or sides[1] is None or min(sides[0], sides[1]) <= 0:
                continue
            if 1 / _MOST_STRETCH <= sides[0] / sides[1] <= _MOST_STRETCH:
                return sides[0] / sides[1]
    return 1.0


@dataclass(frozen=True, slots=True)
class _Table:
    """A lookup table: ``entries[0]`` is for stored value ``first`` and all below."""

    entries: NDArray[np.uint16]
    first: int
    bits: int
    """So many bits of an entry are used."""

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        places = np.clip(np.asarray(np.rint(values), np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[places]


def _table(dataset: "Dataset", prefix: str, *, signed: bool) -> _Table | None:
    """The table whose attributes begin with ``prefix``; None when it is missing, empty or senseless.

    Entries of 8 bits come packed or each in a word of 16, whatever the descriptor says; how many there are, and how
    many bits they use, is counted where it can't be as said.
    """
    suffix = "Descriptor", "Data"
    said = numbers(dataset, f"{prefix}{suffix[0]}")
    data, little = raw_bytes(dataset, f"{prefix}{suffix[1]}")
    if len(said) < 2 or said[0] is None or said[1] is None or len(data) < 2:
        return None
    count = int(said[0]) & 0xFFFF or 0x10000
    first = int(said[1])
    if signed and first > 0x7FFF:
        first -= 0x10000
    bits = int(said[2]) if len(said) > 2 and said[2] is not None and 0 < said[2] <= 16 else 16
    # Words of 8-bit entries have a zero in every other byte.
    packed = (
        bits <= 8 and len(data) < 2 * count and (count <= len(data) <= count + 1 or any(data[1 if little else 0 :: 2]))
    )
    words = np.dtype("<u2" if little else ">u2")
    found = np.frombuffer(data, np.uint8) if packed else np.frombuffer(data[: len(data) // 2 * 2], words)
    entries = np.asarray(found[:count], np.uint16)
    needed = int(entries.max()).bit_length()
    return _Table(entries, first, max(needed, 1) if needed > bits or needed < bits - 2 else bits)


def _segmented(dataset: "Dataset") -> list[_Table | None]:
    """Palettes in segments (PS3.3 C.7.9.2), by pydicom's reading of them."""
    from pydicom import Dataset
    from pydicom.pixels import apply_color_lut

    count = integer(dataset, "RedPaletteColorLookupTableDescriptor")
    if count is None or not raw_bytes(dataset, "SegmentedRedPaletteColorLookupTableData")[0]:
        return []
    places = np.arange(count & 0xFFFF or 0x10000, dtype=np.int32)
    only = Dataset()
    only.file_meta = dataset.file_meta
    for name in _COLOURS:
        for end in ("PaletteColorLookupTableDescriptor", "PaletteColorLookupTableData"):
            for keyword in (f"{name}{end}", f"Segmented{name}{end}"):
                if keyword in dataset:
                    only[keyword] = dataset[keyword]
    first = int(numbers(dataset, "RedPaletteColorLookupTableDescriptor")[1] or 0)
    colours = apply_color_lut(places + first, only)
    return [_Table(colours[:, i].astype(np.uint16), first, 8 * colours.dtype.itemsize) for i in range(3)]


def _modality(stored: NDArray[Any], dataset: "Dataset", *, signed: bool) -> NDArray[Any]:
    for item in items(dataset, "ModalityLUTSequence")[:1]:
        if table := _table(item, "LUT", signed=signed):
            return table.apply(stored)
    for scope in scopes(dataset, "PixelValueTransformationSequence"):
        slope, intercept = (_usable(number(scope, f"Rescale{part}")) for part in ("Slope", "Intercept"))
        if slope is not None or intercept is not None:
            return np.asarray(stored * (slope or 1.0) + (intercept or 0.0), np.float64)
    return stored


def _usable(value: float | None) -> float | None:
    """A factor or a sum that levels survive in single precision; 0 and no value are left to the caller."""
    return value if value is None or value == 0 or _LEAST_FACTOR < abs(value) < 1 / _LEAST_FACTOR else None


def _windowed(values: NDArray[Any], dataset: "Dataset", *, signed: bool) -> NDArray[np.uint8] | None:
    """Grey values (H x W, in rescaled units) to 0..255 by the file's table or window; None when none makes sense."""
    for scope in scopes(dataset, "FrameVOILUTSequence"):
        for item in items(scope, "VOILUTSequence")[:1]:
            if table := _table(item, "LUT", signed=signed or values.dtype.kind != "u"):
                return to_eight(table.apply(values), table.bits)
        for centre, width in zip(numbers(scope, "WindowCenter"), numbers(scope, "WindowWidth"), strict=False):
            if centre is None or width is None or width <= 0:
                continue
            shown = _apply_window(values.astype(np.float32), centre, width, text(scope, "VOILUTFunction"))
            saturated = np.count_nonzero((shown == 0) | (shown == 255)) / shown.size
            if saturated < 0.99:  # a window that was meant for other values shows nothing
                return shown
            break
    return None


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


def _padding(stored: NDArray[Any], dataset: "Dataset", *, signed: bool) -> NDArray[np.bool_]:
    """Which pixels stand for no measurement, by the file's word or by their one value far from all others."""
    value, limit = integer(dataset, "PixelPaddingValue"), integer(dataset, "PixelPaddingRangeLimit")
    if value is None:
        return np.asarray(stored == high_filler(stored))  # one below zero is known to ``stretch``
    low, high = sorted(_as_stored(end, signed=signed) for end in (value, value if limit is None else limit))
    return np.asarray((stored >= low) & (stored <= high))


def _as_stored(value: int, *, signed: bool) -> int:
    """A tag of "US or SS" may have been written as the other of the two."""
    if signed:
        return value - 0x10000 if value > 0x7FFF else value
    return value + 0x10000 if value < 0 else value


def to_eight(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Values of ``bits`` bits to 0..255."""
    if bits != 8:
        values = np.asarray(values, np.float32) * np.float32(255 / (2**bits - 1)) + np.float32(0.5)
    return np.ascontiguousarray(np.clip(values, 0, 255), dtype=np.uint8)
