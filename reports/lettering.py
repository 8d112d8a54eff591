"""Lines of any scripts for those who draw them elsewhere than in a PDF: which font draws which part, and where."""

from pathlib import Path

from reports.text import wrap
from reports.typefaces import FONTS


def typeset(words: str, size: float, width: float, most: int) -> list[list[tuple[Path, str, bool]]]:
    """Break words into at most ``most`` lines of ``width``, in the unit of ``size``; the last may end in an ellipsis.

    Each line is its parts from left to right as it is seen: the file of the font, the text, and whether its letters
    have to be shaped, which also puts those of right-to-left scripts in their order.
    """
    lines = wrap(words, size, width, max_lines=most)
    return [[(FONTS / f"{run.font}.ttf", run.text, bool(run.glyphs)) for run in line.runs] for line in lines]
