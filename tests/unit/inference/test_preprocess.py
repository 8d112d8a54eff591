"""Promises of the step that turns a picture into the tensor a model reads."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference import preprocess
from inference.card import Input
from inference.preprocess import MAX_DENSITY, MAX_LEVEL, letterbox_geometry, place, tensor

GREY = Input(side=64, channels=1, normalisation="percentile")
SMEAR = Input(side=64, channels=3, normalisation="stain")
PLAIN = Input(side=64, channels=3, normalisation="none")


def head(scale: float = 1.0, offset: float = 0.0) -> NDArray[np.uint8]:
    """A grey disc with a brighter spot on black, 96 x 96."""
    ys, xs = np.mgrid[:96, :96] - 48.0
    disc = np.where(np.hypot(xs, ys) < 40, 60 + xs / 2, 0) + np.where(np.hypot(xs - 10, ys - 10) < 8, 30, 0)
    return np.repeat((disc * scale + offset).round().astype(np.uint8)[..., None], 3, -1)


def smear(lamp: tuple[float, float, float] = (1, 1, 1)) -> NDArray[np.uint8]:
    """Violet discs on a pale ground."""
    rng = np.random.default_rng(1)
    picture = np.full((96, 96, 3), 230.0)
    ys, xs = np.mgrid[:96, :96]
    for x, y in rng.integers(10, 86, (8, 2)):
        picture[np.hypot(xs - x, ys - y) < 7] = (120, 60, 150)
    return (picture * lamp).round().astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (100, 100), (1, 3000), (2000, 7), (1, 1)])
def test_a_picture_is_never_stretched_and_always_fits(width: int, height: int) -> None:
    box = letterbox_geometry(width, height, 160)

    assert max(box.width, box.height) == 160
    assert box.left + box.width <= 160
    assert box.top + box.height <= 160
    scale = 160 / max(width, height)
    assert abs(box.width - width * scale) <= 1
    assert abs(box.height - height * scale) <= 1
    assert abs(box.left - (160 - box.width) / 2) <= 0.5
    assert abs(box.top - (160 - box.height) / 2) <= 0.5


def test_map_cell_returns_to_its_picture_place() -> None:
    box = letterbox_geometry(200, 100, 160)

    assert box.crop(20) == (0, 5, 20, 15)


def test_a_size_below_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        letterbox_geometry(0, 10, 160)


def test_tensor_has_the_cards_shape_and_range() -> None:
    for spec, level in ((GREY, MAX_LEVEL), (SMEAR, MAX_DENSITY), (PLAIN, 1.0)):
        made = tensor(smear()[:60], spec)

        assert made.shape == (1, 64, 64, spec.channels)
        assert made.dtype == np.float32
        assert made.min() >= 0
        assert made.max() <= level


def test_the_bars_beside_a_letterboxed_picture_are_background() -> None:
    for spec in (GREY, SMEAR, PLAIN):
        made = tensor(smear()[:48], spec)

        assert not made[0, :16].any()
        assert not made[0, 48:].any()
        assert made[0, 16:48].any()


def test_brightness_and_window_level_leave_brain_slice_unchanged() -> None:
    plain, brighter, lifted = tensor(head(), GREY), tensor(head(2.0), GREY), tensor(head(1.5, 20), GREY)

    assert np.abs(plain - brighter).max() < 0.03
    assert np.abs(plain - lifted).max() < 0.03


def test_lamp_colour_does_not_change_a_smear() -> None:
    assert np.abs(tensor(smear(), SMEAR) - tensor(smear((1.0, 0.85, 0.7)), SMEAR)).max() < 0.08


def test_an_empty_field_of_a_smear_stays_empty() -> None:
    noise = np.random.default_rng(0).normal(220, 2, (96, 96, 3)).round().astype(np.uint8)

    assert tensor(noise, SMEAR).max() < 0.2


def test_a_flat_picture_gives_finite_numbers() -> None:
    for level in (0, 128, 255):
        flat = np.full((50, 40, 3), level, np.uint8)
        for spec in (GREY, SMEAR, PLAIN):
            assert np.isfinite(tensor(flat, spec)).all()


def test_an_array_that_is_no_rgb_picture_raises() -> None:
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match="H x W x 3"):
            tensor(wrong, PLAIN)
    with pytest.raises(ValueError, match="uint8"):
        tensor(np.zeros((8, 8, 3), np.float32), PLAIN)


HEAD = Input(side=64, channels=1, normalisation="percentile", crop="head")


def head_in(width: int, height: int, left: int, top: int, size: int) -> NDArray[np.uint8]:
    """A grey disc of ``size`` pixels on black, with letters burned into a corner."""
    ys, xs = np.mgrid[:height, :width]
    disc = np.hypot(xs - left - size / 2, ys - top - size / 2) < size / 2
    grey = np.where(disc, 150, 0)
    grey[2 : 2 + height // 20, 2 : 2 + width // 40] = 255
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


def test_head_is_read_alike_wherever_it_lies() -> None:
    first, second = (tensor(head_in(*place, 120), HEAD) for place in ((160, 160, 20, 20), (320, 240, 150, 60)))

    assert np.abs(first - second).mean() < 0.02
    assert (first[0, ..., 0] > 0.5).mean() > 0.6


def test_the_part_that_is_read_lies_around_the_head() -> None:
    levels, found = place(head_in(320, 240, 150, 60, 120), HEAD)
    left, top, right, bottom = found.crop

    assert levels.shape == (1, 64, 64, 1)
    assert max(abs(left - 150), abs(top - 60), abs(right - 270), abs(bottom - 180)) <= 6


def test_large_picture_gives_part_in_its_own_pixels() -> None:
    found = place(head_in(1280, 960, 600, 240, 480), HEAD)[1]

    assert np.abs(np.array(found.crop) - [600, 240, 1080, 720]).max() <= 32


def test_without_a_head_all_of_the_picture_is_read() -> None:
    empty = np.zeros((40, 50, 3), np.uint8)
    levels, found = place(empty, HEAD)

    assert found.crop == (0, 0, 50, 40)
    assert not levels.any()


@pytest.mark.parametrize("seed", range(40))
def test_levels_by_counting_are_those_by_sorting(seed: int) -> None:
    chance = np.random.default_rng(seed)
    height, width = chance.integers(1, 300, 2)
    pixels = (chance.random((height, width)) ** (1 + seed % 5) * chance.integers(1, 256)).astype(np.uint8)

    counted = preprocess._percentile_by_value(Image.fromarray(pixels))[pixels]

    sorted_ = preprocess._percentile(pixels.astype(np.float32) / np.float32(255))
    assert np.array_equal(counted, sorted_), "to the last bit: the model has learned from these"
