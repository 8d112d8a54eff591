"""How much a container may hold: counted before anything is unpacked, and shared by all that lie in one another."""

from dataclasses import dataclass
from typing import Final

from inference.analysis import PictureError, Reason

MAX_ENTRIES: Final = 5_000
"""Files in an archive, with those in archives within it: a hospital's CD has up to three thousand."""
MAX_UNPACKED: Final = 192 << 20
"""Bytes of all files of an archive, of the voxels of a volume, or of what a gzip stream becomes."""
MAX_DEPTH: Final = 3
"""An archive in an archive in an archive."""
MAX_RATIO: Final = 250
"""Unpacked bytes for each packed one; pictures reach 3 to 30, empty margins included."""
RATIO_FROM: Final = 4 << 20
"""Unpacked bytes below which the ratio says nothing: a small file of one colour packs well."""
MAX_SLICES: Final = 400
"""Slices that are looked at; of more, every second or third is, evenly over each series."""
MOST_SLICES: Final = 2 * MAX_SLICES
"""With what is left of each of many short series; what lies in still more series is set aside."""
MAX_PIXEL_BYTES: Final = 48 << 20
"""Decoded pixels of one study on their way between processes."""
MAX_PAGES: Final = 200
"""Pages of a PDF."""
MAX_PDF_PICTURES: Final = 400
MAX_PDF_STRIPS: Final = 4_000
"""Pictures of a PDF with each strip counted: some programs store a page in strips of a few rows."""


@dataclass(slots=True)
class Budget:
    """What is left of the limits while containers are opened in one another."""

    entries: int = MAX_ENTRIES
    unpacked: int = MAX_UNPACKED

    def take(self, size: int, packed: int | None = None) -> None:
        """Count one file of ``size`` bytes, ``packed`` into so many. Raises PictureError when a limit is reached."""
        self.entries -= 1
        self.unpacked -= size
        if self.entries < 0:
            raise PictureError(Reason.ARCHIVE_TOO_MANY)
        if self.unpacked < 0 or (packed is not None and is_bomb(size, packed)):
            raise PictureError(Reason.ARCHIVE_TOO_LARGE)


def is_bomb(unpacked: int, packed: int) -> bool:
    """Whether so many bytes came, or are said to come, out of suspiciously few."""
    return unpacked > RATIO_FROM and unpacked > MAX_RATIO * max(packed, 1)
