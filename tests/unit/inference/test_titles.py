"""Titles of several scans on one picture are read on a phone, whatever their script."""

import io
from collections.abc import Sequence

import pytest
from PIL import Image, ImageStat

from inference.analysis import PictureWords
from inference.chat_picture import BUBBLE_HEIGHT, BUBBLE_WIDTH, Part, sheet, side_by_side, thumbnails
from reports.lettering import typeset

SMALLEST = 12
"""CSS pixels."""


WORDS = PictureWords("sent", "heat map", "none", "strong", "nothing", "cells")


def panel(width: int, height: int, color: tuple[int, int, int] = (90, 60, 60)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height), color).save(data, "JPEG")
    return data.getvalue()


class Asked:
    """Sets words as usual, and notes the size that was asked for."""

    def __init__(self) -> None:
        self.size = 0.0

    def __call__(self, words: str, size: float, width: float, most: int) -> Sequence[Sequence[Part]]:
        self.size = size
        return typeset(words, size, width, most)

    def on_phone(self, picture: bytes) -> float:
        """Size of the letters where a chat shows the picture small."""
        image = Image.open(io.BytesIO(picture))
        return self.size * min(BUBBLE_WIDTH / image.width, BUBBLE_HEIGHT / image.height)


@pytest.mark.parametrize("shape", [(640, 640), (300, 900), (900, 300)])
@pytest.mark.parametrize("name", ["Scan 1: Anna", "Scan 12: second look after the third course", "स्कैन 3: क्षत्रिय"])
def test_titles_of_a_pair_are_twelve_pixels(shape: tuple[int, int], name: str) -> None:
    asked = Asked()
    picture = side_by_side([panel(*shape)] * 4, [name, "28 November 2026, 11:15 UTC+2"] * 2, asked)
    assert asked.on_phone(picture) >= SMALLEST


@pytest.mark.parametrize("count", [1, 3, 10])
def test_titles_of_thumbnails_are_twelve_pixels(count: int) -> None:
    asked = Asked()
    picture = thumbnails([panel(640, 640)] * count, ["Scan 12: after the third course"] * count, asked)
    assert asked.on_phone(picture) >= SMALLEST


@pytest.mark.parametrize("words", ["28 नवंबर 2026, 11:15 UTC+2", "28 نوفمبر 2026، 11:15 UTC+2", "स्कैन 3: Анна"])
def test_each_script_of_a_title_has_its_font(words: str) -> None:
    parts = [part for line in typeset(words, 40, 2000, 1) for part in line]
    latin = [file.stem for file, text, _ in parts if any(letter in text for letter in ("UTC", "Анна"))]
    assert latin == ["NotoSans-Regular"]
    assert any("Devanagari" in file.stem or "Arabic" in file.stem for file, *_ in parts)


def test_a_leftward_title_begins_on_the_right() -> None:
    (line,) = typeset("الفحص 3: Layla", 40, 2000, 1)
    assert line[0][1] == "Layla"
    assert "الفحص" in line[-1][1]
    bright = Image.open(io.BytesIO(side_by_side([panel(640, 640)] * 4, ["الفحص 3", ""] * 2, typeset)))
    head = bright.convert("L").crop((0, 0, 480, 40)).point(lambda value: 255 * (value > 150))
    box = head.getbbox()
    assert box is not None
    assert box[0] > 240


def test_first_picture_stands_where_its_reader_begins() -> None:
    dark, light = (panel(300, 300, (shade, shade, shade)) for shade in (40, 230))
    for title, first_is_left in (("Scan 3", True), ("الفحص 3", False)):
        pair = side_by_side([light, light, dark, dark], [title, ""] * 2, typeset)
        small = thumbnails([light, dark, dark], [title] * 3, typeset)
        maps = sheet([(title, Image.new("RGB", (300, 300), (shade, shade, shade))) for shade in (230, 40, 40)], WORDS)
        for drawn in (pair, small, maps):
            grey = Image.open(io.BytesIO(drawn)).convert("L")
            left, right = (ImageStat.Stat(grey.crop(box)).mean[0] for box in halves(grey))
            assert (left > right) is first_is_left


def halves(picture: Image.Image) -> tuple[tuple[int, int, int, int], ...]:
    """The leftmost and the rightmost third of the upper half."""
    third, middle = picture.width // 3, picture.height // 2
    return (0, 0, third, middle), (picture.width - third, 0, picture.width, middle)


def test_long_title_wraps_and_is_cut_at_last() -> None:
    lines = typeset("second look after the third course of treatment in the other hospital", 40, 300, 2)
    assert len(lines) == 2
    assert lines[-1][-1][1].endswith("…")


def test_dates_of_a_pair_do_not_overlap() -> None:
    drawn = Image.open(io.BytesIO(side_by_side([panel(640, 640)] * 4, ["Anna", "29 Nov 2026\n07:52 UTC"] * 2, typeset)))
    head = drawn.convert("L").crop((0, 0, drawn.width, 60)).point(lambda value: 255 * (value > 100))
    lit = [column for column in range(drawn.width) if head.crop((column, 0, column + 1, 60)).getbbox()]
    left, right = max(c for c in lit if c < drawn.width / 2), min(c for c in lit if c > drawn.width / 2)
    assert (right - left) * BUBBLE_WIDTH / drawn.width >= 6
