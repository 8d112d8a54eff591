"""What this machine lends us of processors and memory, also where a container or a service manager grants less."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from inference.backends import BackendName

FOR_THE_BOT: Final = 256 << 20
"""Bytes for the bot itself and what forks its workers."""
FOR_A_WORKER: Final[Mapping[BackendName, int]] = {"litert": 400 << 20, "tensorflow": 1400 << 20}
"""Bytes that a worker may need while it opens the largest file, for which 240 MiB are needed beside the models."""
_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUP: Final = Path("/proc/self/cgroup")


def workers_that_fit(backend: BackendName = "litert", *, groups: Path = _CONTROL_GROUPS, own: Path = _OWN_GROUP) -> int:
    """One worker for each processor, as many as the memory allows; 1 at least."""
    processors, memory = float(available_cores()), _memory_of_the_machine()
    for group in _groups(groups, own):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            processors = min(processors, int(quota) / int(period))
        most = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        if most.isdigit():
            memory = min(memory, int(most))
    return max(1, min(int(processors), (memory - FOR_THE_BOT) // FOR_A_WORKER[backend]))


def available_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(groups: Path, own: Path) -> Iterator[Path]:
    """The control group of this process and those around it, whose limits hold too: version 2, and 1 for memory."""
    yield groups / "memory"  # in a container of version 1 its own group is mounted here, whatever it is called outside
    for line in _read(own).splitlines():
        _, kind, name = line.split(":", 2)
        if kind in ("", "memory"):
            top = groups / kind
            group = top / name.lstrip("/")
            yield from (around for around in (group, *group.parents) if around.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):  # another system, or nothing is granted there
        return ""


def _memory_of_the_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
