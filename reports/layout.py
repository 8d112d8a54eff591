"""From blocks to pages: what belongs together stays together, and nothing overlaps or falls off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.pen import Pen

Draw = Callable[[Pen, float], None]
"""Draws a block whose upper edge is at the given height of the page."""


@dataclass(frozen=True, slots=True)
class Block:
    """The smallest piece, never cut: ``height`` points high, with ``gap`` points above it unless a page begins."""

    height: float
    draw: Draw
    gap: float = 0
    ground: Draw | None = None
    """Draws what lies below, before anything of the page: letters may reach into the block below their own."""


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that belong together; ``gap`` points above."""

    blocks: tuple[Block, ...]
    gap: float = 0
    title: str = ""
    """What it is called in the list of bookmarks; "" for none."""
    is_whole: bool = False
    """Never cut where a page has room for it."""
    kept: int = 2
    """Where it is cut, so many blocks stay together at least, on either page."""

    @property
    def height(self) -> float:
        """How much it needs on one page."""
        return sum(block.height + block.gap for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and the height of its upper edge."""

    block: Block
    top: float
    title: str = ""
    """Of the section that begins here."""


def paginate(sections: Sequence[Section], first_top: float, top: float, bottom: float) -> list[list[Placed]]:
    """Put sections onto pages whose upper edges are at ``first_top`` and ``top``, and whose lower edge is ``bottom``.

    A page is filled before the next one begins: a section is cut between blocks, with some of them kept on either
    side, unless it ``is_whole`` and fits on a page. A block must not be higher than a page.
    """
    pages: list[list[Placed]] = [[]]
    y = first_top
    for section in sections:
        y -= section.gap if pages[-1] else 0
        cuts = _cuts(section, y, top, bottom, is_first=not pages[-1])
        for i, block in enumerate(section.blocks):
            gap = block.gap if pages[-1] and i else 0
            if i in cuts:
                pages.append([])
                y, gap = top, 0
            y -= gap
            pages[-1].append(Placed(block, y, "" if i else section.title))
            y -= block.height
    return pages


def _cuts(section: Section, y: float, top: float, bottom: float, *, is_first: bool) -> set[int]:
    """Before which of its blocks a new page begins, for a section that begins at ``y``."""
    cuts: set[int] = set()
    start, number, kept = 0, len(section.blocks), section.kept
    while start < number:
        fitting = _fitting(section.blocks[start:], y - bottom)
        end = start + fitting
        if end >= number:
            break
        fits_whole = section.height <= top - bottom
        if (start == 0 and section.is_whole and fits_whole) or fitting < min(kept, number - start):
            end = start
        elif number - end < kept:
            end = number - kept if number - kept >= start + kept else start
        if end == start and (start in cuts or (is_first and start == 0)):
            end = start + max(fitting, 1)  # the page is empty: there is no better one
            if end >= number:
                break
        cuts.add(end)
        start, y = end, top
    return cuts


def _fitting(blocks: Sequence[Block], room: float) -> int:
    """How many of these have room, from the first."""
    for i, block in enumerate(blocks):
        room -= block.height + (block.gap if i else 0)
        if room < 0:
            return i
    return len(blocks)
