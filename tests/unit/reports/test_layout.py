"""Blocks on pages: in order, apart, inside, and together where they belong together."""

import random

import pytest

from reports.layout import Block, Section, paginate
from reports.pen import Pen

FIRST_TOP, TOP, BOTTOM = 600.0, 760.0, 60.0


def nothing(pen: Pen, top: float) -> None:
    """Draw nothing: only places count here."""


def section(*heights: float, gap: float = 10) -> Section:
    return Section(tuple(Block(height, nothing, gap=2) for height in heights), gap)


@pytest.mark.parametrize("seed", range(30))
def test_blocks_keep_order_without_overlap_or_leaving_the_page(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    sections = [
        section(*(chance.uniform(5, 250) for _ in range(chance.randint(1, 25))), gap=chance.uniform(0, 30))
        for _ in range(chance.randint(1, 12))
    ]

    pages = paginate(sections, FIRST_TOP, TOP, BOTTOM)

    assert [item.block for page in pages for item in page] == [block for part in sections for block in part.blocks]
    for number, page in enumerate(pages):
        edge = TOP if number else FIRST_TOP
        for item in page:
            assert item.top <= edge + 1e-6
            edge = item.top - item.block.height
        assert edge >= BOTTOM - 1e-6


def test_a_whole_section_moves_to_the_next_page_uncut() -> None:
    lines = section(*[20] * 10)
    whole = Section(lines.blocks, lines.gap, is_whole=True)
    pages = paginate([section(400), whole], FIRST_TOP, TOP, BOTTOM)

    assert [len(page) for page in pages] == [1, 10]
    assert pages[1][0].top == TOP


def test_a_page_is_filled_before_the_next_begins() -> None:
    pages = paginate([section(400), section(*[20] * 10)], FIRST_TOP, TOP, BOTTOM)

    assert [len(page) for page in pages] == [1 + 6, 4]


def test_no_single_line_is_left_on_either_page() -> None:
    for number in range(2, 12):
        for pages in (
            paginate([section(room), section(*[20] * number)], FIRST_TOP, TOP, BOTTOM) for room in range(380, 540, 5)
        ):
            own = [sum(item.block.height == 20 for item in page) for page in pages]
            assert 1 not in own, own


def test_a_section_is_bookmarked_where_it_begins() -> None:
    named = Section(section(*[20] * 10).blocks, 10, "Limits")
    pages = paginate([section(540), named], FIRST_TOP, TOP, BOTTOM)

    assert [(n, item.title) for n, page in enumerate(pages) for item in page if item.title] == [(1, "Limits")]


def test_long_section_begins_where_two_blocks_fit() -> None:
    pages = paginate([section(300), section(*[50] * 14)], FIRST_TOP, TOP, BOTTOM)

    assert len(pages[0]) == 1 + 4
    assert len(paginate([section(450), section(*[50] * 14)], FIRST_TOP, TOP, BOTTOM)[0]) == 1
