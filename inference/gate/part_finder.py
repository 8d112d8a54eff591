"""Lets in the part of a picture that is a slice: on a screen among menus, or on a screen that was photographed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.film_sheet import Panel, cut_out, find_regions
from inference.decode.limits import reduced_size
from inference.gate.gate import Admission, Gate
from inference.gate.screen_finder import find_frames, is_photo, lay_flat, rim_is_lit

Rgb = NDArray[np.uint8]
_TRIED_TILES: Final = 6
"""So many slices of a film sheet are shown to the gate before it is taken for none."""

_BEZEL: Final = 0.04
"""What is left of a screen's frame once it is laid flat, as a share of its shorter side."""
_UNEVENNESS: Final = (1.5, 3.0)
"""Glare and stripes of a photo: first as if there were few."""


def admit(
    gate: Gate, rgb: Rgb, comes_in_slices: Callable[[str], bool], finer: Callable[[], Rgb] | None = None
) -> Admission:
    """Judge a picture (H x W x 3); one slice among other things is judged alone, where the gate lets it in alone.

    What was cut out is the ``picture`` of the answer; ``finer`` gives the same picture with more pixels to cut it from.
    Raises PictureError (SEVERAL_SLICES) for a sheet of slices.
    """
    whole = gate.admit(rgb)
    if whole.organ is not None and not comes_in_slices(whole.organ):
        return whole
    for picture, unevenness in _views(whole, rgb, finer):
        regions = find_regions(picture, unevenness)
        tried = (gate.admit(panel.crop(picture)).organ for panel in regions.panels[:_TRIED_TILES])
        if any(organ is not None and comes_in_slices(organ) for organ in tried):
            raise PictureError(Reason.SEVERAL_SLICES)
        if regions.viewport is None:
            continue
        part = gate.admit(_slice_in(picture, regions.viewport, finer if picture is rgb else None))
        if part.organ is not None and comes_in_slices(part.organ):
            return part
    return whole


def _slice_in(picture: Rgb, viewport: Panel, finer: Callable[[], Rgb] | None) -> Rgb:
    """The slice alone, cut from the picture with more pixels where there is one."""
    if finer is not None:
        fine = finer()
        viewport = viewport.scaled(fine.shape[1] / picture.shape[1], fine.shape[0] / picture.shape[0])
        picture = fine
    part = cut_out(picture, viewport)
    size = reduced_size(part.shape[1], part.shape[0])
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))


def _views(whole: Admission, rgb: Rgb, finer: Callable[[], Rgb] | None) -> Iterator[tuple[Rgb, float]]:
    """The picture, and the screens in a photo of some, laid flat; each with how uneven its ground may be."""
    yield rgb, 1.0
    if whole.organ is not None and not rim_is_lit(rgb):
        return  # a slice has a black rim
    for frame in find_frames(rgb):
        if not is_photo(rgb, frame):
            continue
        fine = rgb if finer is None else finer()
        scale = np.array([fine.shape[1] / rgb.shape[1], fine.shape[0] / rgb.shape[0]], np.float32)
        flat = lay_flat(fine, replace(frame, corners=frame.corners * scale))
        rim = round(_BEZEL * min(flat.shape[:2]))
        for unevenness in _UNEVENNESS:
            yield flat[rim : flat.shape[0] - rim, rim : flat.shape[1] - rim], unevenness
