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


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks that share a page if they can; ``gap`` points above."""

    blocks: tuple[Block, ...]
    gap: float = 0

    @property
    def height(self) -> float:
        """How much it needs on one page."""
        return sum(block.height + block.gap for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Placed:
    """A block and the height of its upper edge."""

    block: Block
    top: float


def paginate(sections: Sequence[Section], first_top: float, top: float, bottom: float) -> list[list[Placed]]:
    """Put sections onto pages whose upper edges are at ``first_top`` and ``top``, and whose lower edge is ``bottom``.

    A section of up to half a page that does not fit into what is left goes to the next page whole; a longer one is
    cut between blocks, not after its first. A block must not be higher than a page.
    """
    pages: list[list[Placed]] = [[]]
    y = first_top
    for section in sections:
        if pages[-1]:
            y -= section.gap
            start = sum(block.height + block.gap for block in section.blocks[:2])
            needed = section.height if section.height <= (top - bottom) / 2 else start
            if y - needed < bottom:
                pages.append([])
                y = top
        for i, block in enumerate(section.blocks):
            gap = block.gap if pages[-1] and i else 0
            if y - gap - block.height < bottom and pages[-1]:
                pages.append([])
                y, gap = top, 0
            y -= gap
            pages[-1].append(Placed(block, y))
            y -= block.height
    return pages
