"""The picture of a study for the chat: letters that a phone shows, and honest when nothing stood out."""

import io

import numpy as np
from PIL import Image

from inference.analysis import PictureWords
from inference.chat_picture import BUBBLE_HEIGHT, BUBBLE_WIDTH
from inference.study.pictures import study_picture
from inference.study.study import Tile
from tests import pictures

WORDS = PictureWords("HHHH", "HHHH", "none", "strong", "HHHH", "HHHH")


def drawn(level: int, tiles: int = 12) -> Image.Image:
    """The picture of a study whose slices are plain, with heat of ``level`` in the middle of each."""
    heat = np.zeros((64, 64), np.uint8)
    heat[20:40, 20:40] = level
    buffer = io.BytesIO()
    Image.fromarray(heat).save(buffer, "PNG")
    slice_ = pictures.encode(Image.new("RGB", (256, 256), (90, 90, 90)))
    made = [Tile(number, slice_, buffer.getvalue(), marked=False) for number in range(1, tiles + 1)]
    return Image.open(io.BytesIO(study_picture(made[0], made, WORDS)))


def test_titles_are_12_pixels_high_in_the_chat() -> None:
    for level in (0, 255):
        picture = drawn(level)
        shown = min(BUBBLE_WIDTH / picture.width, BUBBLE_HEIGHT / picture.height)
        title = np.asarray(picture.convert("L"))[: round(12 * 1.9 / shown)]
        rows = np.flatnonzero((title > 150).any(axis=1))
        assert (np.ptp(rows) + 1) * shown >= 12 * 0.7  # a capital letter is about 0.7 of the size of its font


def test_without_a_hot_spot_a_study_shows_one_panel() -> None:
    assert drawn(0).height < drawn(255).height - 500
