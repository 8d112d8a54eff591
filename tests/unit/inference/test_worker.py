"""What a worker does for itself before and between its jobs."""

import mmap
import re
from pathlib import Path

import pytest

from inference.workers.worker import forget_files

PAGES = Path("/proc/self/smaps")


def held(path: Path) -> int:
    """Kilobytes of a mapped file that are in this process's memory."""
    _, _, after = PAGES.read_text().partition(str(path))
    found = re.search(r"^Rss: +([0-9]+) kB", after, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.skipif(not PAGES.exists(), reason="this system does not tell what is in memory")
def test_mapped_model_files_leave_memory_and_stay_readable(tmp_path: Path) -> None:
    weights, other = tmp_path / "models" / "model.tflite", tmp_path / "other"
    weights.parent.mkdir()
    content = bytes(range(256)) * 4096
    for path in (weights, other):
        path.write_bytes(content)
    with (
        weights.open("rb") as one,
        other.open("rb") as two,
        mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        mmap.mmap(two.fileno(), 0, access=mmap.ACCESS_READ) as beside,
    ):
        assert mapped[:] == beside[:] == content
        assert held(weights) == held(other) == 1024
        forget_files(weights.parent)
        assert held(weights) == 0
        assert held(other) == 1024
        assert mapped[:] == content
