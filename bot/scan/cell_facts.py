"""What is kept and told of the white cells that a smear was judged by."""

from collections.abc import Sequence
from dataclasses import astuple, fields

from bot.scan import worker_jobs
from inference.analysis import JudgedCell
from inference.workers.executor import Executor
from storage.records import Scan

_DIGITS = 4
"""A ten-thousandth of a picture is less than one of its pixels."""
_LENGTH = len(fields(JudgedCell))


def kept_cells(cells: Sequence[JudgedCell]) -> tuple[tuple[float, ...], ...]:
    """Each cell as plain numbers, as ``Scan.cells`` keeps them."""
    return tuple(tuple(round(value, _DIGITS) for value in astuple(cell)) for cell in cells)


def told_cells(scan: Scan) -> tuple[JudgedCell, ...]:
    """The cells of a scan; none for other organs, and for scans that were kept before cells were."""
    return tuple(JudgedCell(*values) for values in scan.cells if len(values) == _LENGTH)


async def draw_cell_strip(executor: Executor, scan: Scan, original: bytes, client: int | None = None) -> bytes | None:
    """The cells that look most unusual, large, in one row (JPEG); None when there are none."""
    cells = told_cells(scan)
    if not any(cell.unusual for cell in cells):
        return None
    return await executor.run(worker_jobs.draw_cells, original, list(cells), client=client)
