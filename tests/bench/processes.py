"""What processes use, read from Linux's /proc."""

import os
from pathlib import Path


def children(pid: int) -> list[int]:
    """Processes that ``pid`` has started."""
    found = " ".join((task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    return [int(child) for child in found.split()]


def family(pid: int) -> list[int]:
    """``pid`` and everything below it."""
    return [pid, *(member for child in children(pid) for member in family(child))]


def resident_megabytes(pid: int) -> float:
    """Resident memory in megabytes (10^6 bytes), pages shared with others counted in full."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024 / 1e6


def processor_seconds(pid: int | None = None) -> float:
    """Processor time of a process (default: this one) and everything below it."""
    total = 0
    for member in family(pid or os.getpid()):
        fields = Path(f"/proc/{member}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
