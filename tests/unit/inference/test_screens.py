"""The slice on a screen is found among menus and text, and read alone."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import Reason
from inference.decode.film_sheet import cut_out, find_regions, split
from inference.decode.imaging import SHOWN_SIDE, decode
from inference.training.drawn.screens import STYLES, sheet
from tests import pictures

SLICE = np.repeat((pictures.brain_array(320) * 255).astype(np.uint8)[..., None], 3, 2)
ON_SCREENS = [name for name in STYLES if name not in ("photographed", "on_film")]
CUT_OUT = [name for name in ON_SCREENS if name != "viewer_orange"]
"""There the head fills the screen and letters stand in its corners alone: such a screen is read whole."""


def screenshot(style: str, seed: int = 1) -> bytes:
    return pictures.encode(STYLES[style](SLICE, np.random.default_rng(seed)), "PNG")


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two pictures of any size, each cut to what is lit and then laid on the other."""
    thumbs = []
    for rgb in (one, other):
        lit = rgb[..., 0] > 40
        rows, columns = np.nonzero(lit.any(1))[0], np.nonzero(lit.any(0))[0]
        head = Image.fromarray(rgb[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0])
        thumbs.append(np.asarray(head.resize((64, 64), Image.Resampling.BOX), np.float32).ravel())
    return float(np.corrcoef(thumbs[0], thumbs[1])[0, 1])


@pytest.mark.parametrize("style", CUT_OUT)
def test_the_slice_is_found_on_every_style_of_screen(style: str) -> None:
    rgb = decode(screenshot(style)).rgb
    regions = find_regions(rgb)
    assert regions.panels == ()
    assert regions.viewport is not None
    assert alike(cut_out(rgb, regions.viewport), SLICE) > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_every_slice_of_a_drawn_sheet_is_found(seed: int) -> None:
    heads = [np.repeat((pictures.brain_array(160, seed=i) * 255).astype(np.uint8)[..., None], 3, 2) for i in range(6)]
    assert len(split(np.asarray(sheet(heads, 3, np.random.default_rng(seed))))) == 6


def test_letters_beside_the_head_are_left_out() -> None:
    rgb = np.zeros((600, 900, 3), np.uint8)
    rgb[150:470, 300:620] = SLICE
    rgb[100:112, 20:80:3] = 255
    rgb[170:180, 250:320:3] = 200  # beside the crown
    regions = find_regions(rgb)
    assert regions.viewport is not None
    part = cut_out(rgb, regions.viewport)
    margin = np.concatenate([part[:8].ravel(), part[-8:].ravel(), part[:, :8].ravel(), part[:, -8:].ravel()])
    assert margin.max() < 60


@pytest.mark.parametrize("kind", ["alone", "with a black rim", "smear", "cat"])
def test_nothing_is_cut_out_of_what_is_no_screen(kind: str) -> None:
    rgb = {
        "alone": SLICE,
        "with a black rim": np.pad(SLICE, ((150, 150), (150, 150), (0, 0))),
        "smear": decode(pictures.smear()).rgb,
        "cat": decode(pictures.cat()).rgb,
    }[kind]
    assert find_regions(rgb).viewport is None


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def test_slice_is_cut_at_large_screens_full_resolution(analyser: Analyser) -> None:
    large = STYLES["portal_dark"](SLICE, np.random.default_rng(1)).resize((2560, 1600), Image.Resampling.BICUBIC)
    small = large.resize((640, 400), Image.Resampling.BICUBIC)
    sides = [
        max(Image.open(io.BytesIO(analyser.analyse(pictures.encode(image, "PNG")).shown)).size)
        for image in (large, small)
    ]
    assert sides[0] == SHOWN_SIDE
    assert sides[1] < SHOWN_SIDE * 0.75


def test_photographed_screen_is_flattened_and_slice_cut_out(analyser: Analyser) -> None:
    shown = analyser.analyse(screenshot("photographed", seed=2))
    assert shown.reason is Reason.READ_PART
    assert alike(np.asarray(Image.open(io.BytesIO(shown.shown)).convert("RGB")), SLICE) > 0.85


@pytest.mark.parametrize("style", ["portal_dark", "phone_light"])
def test_a_screenshot_is_told_what_its_slice_is_told(analyser: Analyser, style: str) -> None:
    alone = analyser.analyse(pictures.encode(Image.fromarray(SLICE), "PNG"))
    shown = analyser.analyse(screenshot(style))
    assert alone.reason is Reason.READ
    assert (shown.organ, shown.verdict, shown.reason) == (alone.organ, alone.verdict, Reason.READ_PART)
    assert alike(np.asarray(Image.open(io.BytesIO(shown.shown)).convert("RGB")), SLICE) > 0.95


def test_a_head_that_fills_the_screen_is_read_whole(analyser: Analyser) -> None:
    alone = analyser.analyse(pictures.encode(Image.fromarray(SLICE), "PNG"))
    shown = analyser.analyse(screenshot("viewer_orange"))
    assert (shown.organ, shown.verdict, shown.reason) == (alone.organ, alone.verdict, Reason.READ)
