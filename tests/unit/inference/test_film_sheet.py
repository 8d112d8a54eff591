"""A sheet of many slices is split into them, and a slice alone is left whole."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.decode.film_sheet import Panel, split
from inference.decode.imaging import SHOWN_SIDE, decode, decode_film_sheet
from tests import pictures

HEADS = [(pictures.brain_array(96, tumour=i % 2 == 0, seed=i) * 255).astype(np.uint8) for i in range(6)]


def drawn_sheet(
    rows: int, columns: int, *, gap: int = 0, ground: int = 0, words: bool = False, missing: int = 0
) -> tuple[NDArray[np.uint8], list[tuple[float, float]]]:
    """Lay heads out in a grid: the picture, and the middles of the heads in reading order."""
    pitch = 96 + gap
    image = Image.new("L", (columns * pitch + gap, rows * pitch + gap), ground)
    draw = ImageDraw.Draw(image)
    middles = []
    for i in range(rows * columns - missing):
        x, y = gap + i % columns * pitch, gap + i // columns * pitch
        image.paste(Image.fromarray(HEADS[i % 6]), (x, y))
        if words:
            draw.text((x + 2, y + 2), f"Im {i}", fill=255)
        middles.append((x + 48.0, y + 48.0))
    return np.asarray(image.convert("RGB")), middles


def middle(panel: Panel) -> tuple[float, float]:
    return (panel.left + panel.right) / 2, (panel.top + panel.bottom) / 2


@pytest.mark.parametrize(
    ("rows", "columns", "gap", "ground", "words"),
    [
        *((3, 3, 0, 0, False), (1, 2, 6, 0, False), (2, 1, 0, 0, True), (2, 2, 4, 200, True)),
        *((4, 5, 0, 0, True), (6, 5, 8, 15, True), (2, 3, 12, 245, False)),
    ],
)
def test_every_sheet_slice_is_found_in_reading_order(
    *, rows: int, columns: int, gap: int, ground: int, words: bool
) -> None:
    rgb, middles = drawn_sheet(rows, columns, gap=gap, ground=ground, words=words)
    panels = split(rgb)
    assert len(panels) == rows * columns
    assert np.abs(np.array([middle(panel) for panel in panels]) - middles).max() < 16


def test_incomplete_row_gives_no_empty_tiles() -> None:
    assert len(split(drawn_sheet(3, 4, missing=2)[0])) == 10


def test_heads_that_touch_are_told_apart_as_a_grid() -> None:
    rgb, middles = drawn_sheet(3, 3)
    head = Image.fromarray(HEADS[0]).crop((13, 5, 83, 91))  # skin against skin
    tight = np.asarray(Image.fromarray(np.tile(np.asarray(head), (3, 3))).convert("RGB"))
    assert len(split(tight)) == len(split(rgb)) == len(middles)


@pytest.mark.parametrize("seed", range(4))
def test_a_slice_alone_stays_whole(seed: int) -> None:
    grey = (pictures.brain_array(320, seed=seed) * 255).astype(np.uint8)
    assert split(np.repeat(grey[..., None], 3, 2)) == ()


def test_two_halves_of_stripped_brain_are_no_sheet() -> None:
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    halves = sum(np.clip(1 - np.hypot((x - s * 0.3) / 0.27, y / 0.6), 0, 1) * (1 + s * x) for s in (-1, 1))
    rgb = np.repeat((halves * 160).astype(np.uint8)[..., None], 3, 2)
    assert split(rgb) == ()


@pytest.mark.parametrize(
    "data",
    [pictures.smear(), pictures.cat(), pictures.screenshot(), pictures.chest_xray(), pictures.smear(800, 600, seed=5)],
    ids=["smear", "cat", "chat", "chest", "another smear"],
)
def test_what_is_no_sheet_is_not_split(data: bytes) -> None:
    assert split(decode(data).rgb) == ()


def test_slices_are_cut_at_the_files_full_resolution() -> None:
    small, _ = drawn_sheet(4, 4)
    data = pictures.encode(Image.fromarray(small).resize((2400, 2400), Image.Resampling.BICUBIC), "PNG")
    slices = decode_film_sheet(data)
    assert len(slices) == 16
    assert all(min(found.picture.rgb.shape[:2]) > 450 for found in slices)
    assert {(found.picture.width, found.picture.height) for found in slices} == {
        (shown.shape[1], shown.shape[0]) for shown in (found.picture.rgb for found in slices)
    }
    assert max(found.panel.right for found in slices) <= SHOWN_SIDE
    assert middle(slices[5].panel) == pytest.approx((240, 240), abs=20)
