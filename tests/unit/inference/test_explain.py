"""The heat map says what the model said: no more, no less, and in the right place."""

import numpy as np
import pytest
from PIL import Image

from inference.explain import FULL_ALPHA, STOPS, color_bar, heat, heat_image, overlay
from inference.preprocess import Placement, letterbox_geometry, whole
from reports import style
from tests import pictures

SIDE = 160


def jpeg(width: int, height: int) -> bytes:
    return pictures.encode(Image.new("RGB", (width, height), (90, 90, 90)))


def test_heat_is_the_positive_part_on_fixed_scale() -> None:
    values = heat(np.array([[-3.0, 0.0], [5.0, 25.0]], np.float32), 10.0)
    assert values.tolist() == [[0.0, 0.0], [0.5, 1.0]]


def test_a_weak_map_stays_weak() -> None:
    weak = heat_image(heat(np.full((20, 20), 0.4, np.float32), 10.0), whole(300, 300, SIDE), (300, 300))
    assert weak.getextrema() == (10, 10)


@pytest.mark.parametrize("size", [(320, 320), (320, 200), (150, 600)], ids=["square", "wide", "tall"])
def test_map_spot_returns_to_its_picture_place(size: tuple[int, int]) -> None:
    width, height = size
    scale = SIDE / max(size)
    for u, v in ((0.25, 0.3), (0.8, 0.6)):
        cells = np.zeros((20, 20), np.float32)
        # where the letterbox puts the point (u, v) of the picture, in cells of 8 pixels
        column = int(((SIDE - width * scale) / 2 + u * width * scale) // 8)
        row = int(((SIDE - height * scale) / 2 + v * height * scale) // 8)
        cells[row, column] = 1
        found = np.asarray(heat_image(cells, whole(*size, SIDE), size))
        assert found.shape == (height, width)
        y, x = np.unravel_index(int(found.argmax()), found.shape)
        cell = 8 / scale
        assert abs(x - u * width) <= cell
        assert abs(y - v * height) <= cell


def test_outside_part_that_was_read_there_is_no_heat() -> None:
    place = Placement((100, 40, 200, 140), letterbox_geometry(100, 100, SIDE))
    drawn = np.array(heat_image(np.ones((20, 20), np.float32), place, (300, 180)))
    assert drawn.shape == (180, 300)
    assert (drawn[40:140, 100:200] == 255).all()
    drawn[40:140, 100:200] = 0
    assert not drawn.any()


def test_without_heat_the_picture_is_untouched() -> None:
    picture = pictures.smear_image()
    blended = overlay(picture, Image.new("L", picture.size, 0))
    assert (np.asarray(blended) == np.asarray(picture)).all()


def test_heat_overlays_the_scale_colour_on_the_picture() -> None:
    picture = Image.new("RGB", (40, 40), (100, 100, 100))
    pixel = np.asarray(overlay(picture, Image.new("L", (40, 40), 255)))[0, 0]
    expected = np.array(STOPS[-1]) * FULL_ALPHA + 100 * (1 - FULL_ALPHA)
    assert np.abs(pixel - expected).max() <= 2


def test_more_heat_is_never_less_visible_and_never_darker() -> None:
    picture = Image.new("RGB", (1, 1), (60, 60, 60))
    levels = [overlay(picture, Image.new("L", (1, 1), level)) for level in range(256)]
    pixels = np.array([np.asarray(each)[0, 0] for each in levels], np.float64)
    distance = np.abs(pixels - 60).sum(axis=1)
    lightness = pixels @ (0.2126, 0.7152, 0.0722)
    assert distance[0] == 0
    assert (np.diff(distance) >= -3).all()
    assert (np.diff(lightness[64:]) >= -1).all()


def test_colour_bar_runs_from_nothing_to_full_colour() -> None:
    bar = np.asarray(color_bar(200, 10))
    assert bar.shape == (10, 200, 3)
    assert len(set(bar[5, 0].tolist())) == 1  # grey: no heat
    assert (
        bar[5, -1].tolist()
        == np.asarray(overlay(Image.new("RGB", (1, 1), (96, 96, 96)), Image.new("L", (1, 1), 255)))[0, 0].tolist()
    )


def test_only_hot_spots_are_outlined() -> None:
    picture = Image.new("RGB", (64, 64), (100, 100, 100))
    heat_map = np.zeros((64, 64), np.uint8)
    heat_map[20:40, 20:40] = 255
    heat_map[50:60, 50:60] = 127
    pixels = np.asarray(overlay(picture, Image.fromarray(heat_map)))
    white = (pixels == 255).all(axis=2)
    assert white[19, 20:40].all()
    assert white[20:40, 40].all()
    assert white.sum() == 4 * 20
    assert not white[45:, 45:].any()


def test_the_report_draws_the_same_scale() -> None:
    assert style.HEAT == STOPS
    assert style.HEAT_OPACITY == FULL_ALPHA
