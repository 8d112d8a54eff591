"""Lets in the part of a picture that is a slice: on a screen among menus, or on a screen that was photographed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.analysis import PictureError, Reason
from inference.decode.film_sheet import Panel, cut_out, find_regions
from inference.decode.limits import MIN_SIDE, SHOWN_SIDE, reduced_size
from inference.gate.gate import FRAMED_POSITIVE, Admission
from inference.gate.head_finder import find_heads
from inference.gate.photo_repair import is_of_one_hue, repaired
from inference.gate.screen_finder import area, find_frames, is_photo, lay_flat, rim_is_lit
from inference.gate.surround import without_surround
from inference.gate.turning import AnyGate

Rgb = NDArray[np.uint8]
_TRIED_TILES: Final = 6
"""So many slices of a film sheet are shown to the gate before it is taken for none."""

_PART_POSITIVE: Final = 0.7
"""Probability from which what a photo shows, mended, may be the slice, if nothing better is found: of a photo many
parts are tried, and each is a chance for what is no slice."""
_HEAD_POSITIVE: Final = 0.95
"""Probability from which a head is let in that no frame leads to: a CT of a head came to 0.89."""
_BEZEL: Final = 0.04
"""What is left of a screen's frame once it is laid flat, as a share of its shorter side."""
UNEVENNESS: Final = (1.0, 1.5, 3.0)
"""Glare and stripes of a photo: first as if there were few."""


def admit(
    gate: AnyGate, rgb: Rgb, comes_in_slices: Callable[[str], bool], finer: Callable[[], Rgb] | None = None
) -> Admission:
    """Judge a picture (H x W x 3); one slice among other things is judged alone, where the gate lets it in alone.

    What was cut out is the ``picture`` of the answer; ``finer`` gives the same picture with more pixels to cut it from.
    Raises PictureError (SEVERAL_SLICES) for a sheet of slices.
    """
    whole = gate.admit(rgb)
    if whole.organ is not None and not comes_in_slices(whole.organ):
        return whole
    regions = find_regions(rgb)
    if _are_slices(gate, rgb, regions.panels, comes_in_slices):
        raise PictureError(Reason.SEVERAL_SLICES)
    if regions.viewport is not None:
        part = gate.admit(_slice_in(rgb, regions.viewport, finer))
        if part.organ is not None and comes_in_slices(part.organ):
            return part
    if whole.organ is not None and not rim_is_lit(rgb):
        return whole  # a slice has a black rim
    best: Admission | None = None
    for found in _in_photo(gate, rgb, comes_in_slices, finer):
        if found.organ is None or found.scores[found.organ] < _PART_POSITIVE:
            continue
        if found.scores[found.organ] >= FRAMED_POSITIVE:
            return found
        best = max(best or found, found, key=lambda one: one.scores[one.nearest])
    if best is not None or whole.organ is not None:
        return best or whole
    return _in_black(gate, rgb, finer) or _head_in_photo(gate, rgb, comes_in_slices, finer) or whole


def _are_slices(gate: AnyGate, rgb: Rgb, panels: Sequence[Panel], comes_in_slices: Callable[[str], bool]) -> bool:
    """Whether half of the panels or more are slices alone: a piece of one slice may look like one, most do not.

    They are taken from all over the sheet, for the first and the last may show a neck or a vertex.
    """
    count = min(len(panels), _TRIED_TILES)
    slices = others = 0
    for i in range(count):
        organ = gate.admit(panels[i * len(panels) // count].crop(rgb)).organ
        is_slice = organ is not None and comes_in_slices(organ)
        slices, others = slices + is_slice, others + (not is_slice)
        if 2 * slices >= count or 2 * others > count:
            return 2 * slices >= count
    return False


def _in_black(gate: AnyGate, rgb: Rgb, finer: Callable[[], Rgb] | None) -> Admission | None:
    """What the gate says of a picture that lies in much black, without that; None where it is no organ for sure."""
    if without_surround(rgb) is None:
        return None
    part = without_surround(rgb if finer is None else finer())
    if part is None or min(part.shape[:2]) < MIN_SIDE:
        return None
    found = gate.admit(reduced(part))
    return found if found.organ is not None and found.scores[found.organ] >= FRAMED_POSITIVE else None


def _head_in_photo(
    gate: AnyGate, rgb: Rgb, comes_in_slices: Callable[[str], bool], finer: Callable[[], Rgb] | None
) -> Admission | None:
    """What the gate says of a head in a photo, mended, where no frame leads to it; None where it is not sure."""
    sure = []
    for head in find_heads(rgb):
        if is_of_one_hue(head.crop(rgb)):
            found = gate.admit_as_it_is(repaired(_slice_in(rgb, head, finer)))
            if found.organ is not None and comes_in_slices(found.organ):
                sure += [found] if found.scores[found.organ] >= _HEAD_POSITIVE else []
    return sure[0] if len(sure) == 1 else None  # which of two would be read?


def _in_photo(
    gate: AnyGate, rgb: Rgb, comes_in_slices: Callable[[str], bool], finer: Callable[[], Rgb] | None
) -> Iterator[Admission]:
    """What the gate says of each slice that a photo of a screen or a film may show; what is no slice has no organ.

    Raises PictureError (SEVERAL_SLICES) for a film of many slices.
    """

    def admitted(part: Rgb) -> Admission:
        found = gate.admit_as_it_is(part)
        return found if found.organ is None or comes_in_slices(found.organ) else replace(found, organ=None)

    for flat in screens(rgb, finer):
        mended = repaired(reduced(flat))
        for unevenness in UNEVENNESS:
            regions = find_regions(mended, unevenness)
            tiles = [admitted(tile) for tile in cut_tiles(flat, mended, regions.panels[:_TRIED_TILES])]
            taken = [tile for tile in tiles if tile.organ is not None]
            sure = [tile for tile in taken if tile.scores[tile.nearest] >= FRAMED_POSITIVE]
            if sure and len(taken) > 1 and 2 * len(taken) >= len(tiles):
                raise PictureError(Reason.SEVERAL_SLICES)
            yield from sure  # a slice beside a menu that has the shape of one
            if regions.viewport is not None:
                yield admitted(repaired(_slice_in(mended, regions.viewport, partial(np.asarray, flat))))
        yield admitted(mended)


def cut_tiles(flat: Rgb, mended: Rgb, panels: Sequence[Panel]) -> list[Rgb]:
    """The slices of a photographed film, cut from it with all its pixels where ``mended`` is smaller; each mended."""
    across, down = flat.shape[1] / mended.shape[1], flat.shape[0] / mended.shape[0]
    return [repaired(reduced(panel.scaled(across, down).crop(flat))) for panel in panels]


def screens(rgb: Rgb, finer: Callable[[], Rgb] | None = None) -> Iterator[Rgb]:
    """The screens and films that stand out in a photo (H x W x 3), each laid flat, if they show something grey.

    The largest first: a film of two slices is not to be taken for one of them.
    """
    for frame in sorted(find_frames(rgb), key=area, reverse=True):
        if not is_photo(rgb, frame):
            continue
        fine = rgb if finer is None else finer()
        scale = np.array([fine.shape[1] / rgb.shape[1], fine.shape[0] / rgb.shape[0]], np.float32)
        flat = lay_flat(fine, replace(frame, corners=frame.corners * scale))
        rim = round(_BEZEL * min(flat.shape[:2]))
        flat = flat[rim : flat.shape[0] - rim, rim : flat.shape[1] - rim]
        if is_of_one_hue(flat):
            yield flat


def reduced(rgb: Rgb) -> Rgb:
    """As large as pictures are that are read."""
    size = reduced_size(rgb.shape[1], rgb.shape[0], SHOWN_SIDE)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))


def _slice_in(picture: Rgb, viewport: Panel, finer: Callable[[], Rgb] | None) -> Rgb:
    """The slice alone, cut from the picture with more pixels where there is one."""
    if finer is not None:
        fine = finer()
        viewport = viewport.scaled(fine.shape[1] / picture.shape[1], fine.shape[0] / picture.shape[0])
        picture = fine
    return reduced(cut_out(picture, viewport))
