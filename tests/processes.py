"""What the operating system says of processes: their children, their memory, whether they are still there."""

import os
import select
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def children(pid: int) -> list[int]:
    """Direct children, those of all threads; none when the process has gone."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, listing.read_text().split())
        except FileNotFoundError:  # the thread has ended in the meantime
            continue
    return found


def workers(pid: int) -> list[int]:
    """The analysing processes of a bot: what its fork server has forked."""
    return [grandchild for child in children(pid) for grandchild in children(child)]


def resident(pid: int) -> float:
    """Resident memory in megabytes (10^6 bytes), pages shared with others counted in full; 0 when it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    kilobytes = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(next(kilobytes, "0")) * 1024 / 1e6


def family(pid: int) -> list[int]:
    """``pid`` and everything below it."""
    return [pid, *(member for child in children(pid) for member in family(child))]


def processor_seconds(pid: int | None = None) -> float:
    """Processor time of a process (default: this one) and everything below it; what has ended counts no more."""
    ticks = 0
    for member in family(pid or os.getpid()):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only its exit status that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def of_session(session: int) -> list[int]:
    """Processes of a session (its leader is the one that was started with a session of its own) that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, _group, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state not in {"Z", "X"}:
            found.append(int(stat.parent.name))
    return found


def wait_for_end(pids: Iterable[int], seconds: float) -> None:
    """Return when all of these have ended, or after ``seconds``."""
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        waiting = select.poll()
        left = 0
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            stack.callback(os.close, handle)
            waiting.register(handle, select.POLLIN)
            left += 1
        while left and (pause := end - time.monotonic()) > 0:
            for handle, _ in waiting.poll(pause * 1000):
                waiting.unregister(handle)
                left -= 1
