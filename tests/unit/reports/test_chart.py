"""The chart for administrators: drawn in any language, with nothing in it and with very much."""

import io

import pytest
from PIL import Image

from reports.chart import COLOURS, PAPER, WIDTH, draw_chart, round_above, runs
from reports.data import ChartData, CountList, DayCounts
from reports.typefaces import has_glyph


def a_chart(*counts: tuple[int, ...], rows: tuple[tuple[str, int], ...] = (), words: str = "Scans") -> ChartData:
    days = tuple(DayCounts(words if number % 7 == 0 else "", count) for number, count in enumerate(counts))
    return ChartData(
        words, ("signs", "no signs", words)[: len(counts[0]) if counts else 3], days, (CountList(words, rows),), words
    )


def drawn(data: ChartData) -> Image.Image:
    picture = Image.open(io.BytesIO(draw_chart(data)))
    assert picture.format == "PNG"
    assert picture.width == WIDTH
    return picture.convert("RGB")


def area(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return sum(count for count, found in picture.getcolors(1 << 24) or () if found == colour)


def test_columns_are_as_high_as_their_counts() -> None:
    picture = drawn(a_chart((10, 5, 0), (10, 5, 0)))
    first, second, third = (area(picture, colour) for colour in COLOURS[:3])
    legend = 25 * 25
    assert abs((first - legend) / (second - legend) - 2) < 0.1
    assert third <= legend + 50


@pytest.mark.parametrize(
    "words", ["Scans", "Снимки за день", "الصور", "स्कैन", "扫描", "x" * 300, "", "   ", "٣  أ  3  ", "31 أكتوبر (MRI)"]
)
def test_it_is_drawn_in_any_script(words: str) -> None:
    picture = drawn(a_chart((1, 2, 3), rows=((words, 3), (words, 0)), words=words))
    assert area(picture, PAPER) < picture.width * picture.height


def test_nothing_at_all_is_said_in_words() -> None:
    empty, with_bars = drawn(a_chart(words="nothing")), drawn(a_chart((4, 0, 0), words="nothing"))
    assert area(empty, COLOURS[0]) < area(with_bars, COLOURS[0])


@pytest.mark.parametrize(("most", "end"), [(0, 2), (1, 2), (2, 2), (3, 4), (9, 10), (11, 20), (43, 60), (1001, 2000)])
def test_an_axis_ends_at_a_round_number(most: int, end: int) -> None:
    assert round_above(most) == end


def test_a_million_fits_into_the_picture() -> None:
    picture = drawn(a_chart((1_000_000, 1, 1), rows=(("all", 1_000_000), ("one", 1))))
    assert {picture.getpixel((WIDTH - 1, y)) for y in range(picture.height)} == {PAPER}


def test_more_names_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="apart at most"):
        draw_chart(ChartData("", ("a", "b", "c", "d", "e"), (), (), ""))


@pytest.mark.parametrize("words", ["ब्रेन MRI: संकेत", "МРТ мозга (MRI)", "دماغ MRI: لا", "brain MRI", "3 जवाब, 28 नव॰"])
def test_words_of_two_scripts_get_fonts_that_fit(words: str) -> None:
    parts = runs(words, bold=False)
    assert "".join(part for _, part in parts) == words
    assert all(has_glyph(name, char) for name, part in parts for char in part)
