"""A slice in much black, and the round field of an eyepiece, are read without what surrounds them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.analyser import Analyser
from inference.analysis import Reason
from inference.gate.surround import without_surround
from tests import pictures

SLICE = Image.fromarray((pictures.brain_array(320) * 255).astype(np.uint8))


def on_black(image: Image.Image, size: tuple[int, int], place: tuple[int, int]) -> Image.Image:
    made = Image.new("RGB", size)
    made.paste(image.convert("RGB"), place)
    return made


def field(mode: str = "RGB") -> Image.Image:
    """A smear as a phone sees it through an eyepiece."""
    mask = Image.new("L", (600, 600))
    ImageDraw.Draw(mask).ellipse((0, 0, 599, 599), fill=255)
    made = Image.new("RGB", (900, 800))
    made.paste(pictures.smear_image(600, 600).convert(mode).convert("RGB"), (150, 100), mask)
    return made


def cut(image: Image.Image) -> NDArray[np.uint8] | None:
    return without_surround(np.asarray(image))


BARS = on_black(SLICE, (1800, 320), (740, 0))
CORNER = on_black(SLICE, (1300, 1300), (20, 960))


@pytest.mark.parametrize("image", [BARS, CORNER], ids=["bars", "corner"])
def test_a_slice_is_cut_out_of_much_black(image: Image.Image) -> None:
    part = cut(image)
    assert part is not None
    assert max(part.shape[:2]) <= 340
    assert np.count_nonzero(part.max(2) > 40) == np.count_nonzero(np.asarray(SLICE) > 40)


def test_the_square_within_a_round_field_is_cut_out() -> None:
    part = cut(field())
    assert part is not None
    assert 410 <= min(part.shape[:2]) <= max(part.shape[:2]) <= 440
    assert part.max(2).min() > 28


@pytest.mark.parametrize(
    "image",
    [SLICE.convert("RGB"), pictures.smear_image(), Image.new("RGB", (300, 300)), on_black(SLICE, (360, 360), (20, 20))],
    ids=["slice", "smear", "nothing", "a little black"],
)
def test_a_picture_without_much_black_is_left_alone(image: Image.Image) -> None:
    assert cut(image) is None


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def test_a_grey_disc_keeps_its_edges() -> None:
    part = cut(field("L"))
    assert part is not None
    assert min(part.shape[:2]) >= 600


@pytest.mark.parametrize(
    ("image", "organ"),
    [(BARS, "brain_mri"), (CORNER, "brain_mri"), (field(), "blood_smear")],
    ids=["bars", "corner", "field"],
)
def test_what_lies_in_much_black_is_read(analyser: Analyser, image: Image.Image, organ: str) -> None:
    answer = analyser.analyse(pictures.encode(image, "PNG"))
    assert (answer.organ, answer.reason) == (organ, Reason.READ_PART)
