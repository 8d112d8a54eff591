"""The bot as a process of its own, forked from one that has imported what it needs.

Such a process has its own number, session, folder, environment, signals and end, like one that ``python -m bot``
starts, and runs what it was told to as ``__main__``. What it is spared is a second of imports, a third of a start. Some
tests start the bot as an operator does all the same (``test_run.py``, the soak).
"""

import asyncio
import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
"""Not from ``conftest``: what is forked should not have imported pytest."""
_IMPORTED: Final = "bot.cli.run"
_NUMBER: Final = struct.Struct("!q")
_MOST: Final = 1 << 17
"""Bytes of a request."""
_PATIENCE: Final = 120.0
"""Seconds until a process must be there; the first one waits for the imports."""
_STANDARD: Final = (1, 2)
_OTHERS: Final = 3
"""The first descriptor that is none of the standard ones."""


class Process:
    """What was forked, as ``asyncio.subprocess.Process`` has it; it can be waited for in any event loop."""

    def __init__(self, pid: int, handle: int, status: int, stderr: asyncio.StreamReader) -> None:
        self.pid, self.stderr = pid, stderr
        self._handle, self._status = handle, status
        self._ended: int | None = None

    @property
    def returncode(self) -> int | None:
        """How it ended; None as long as it runs."""
        if self._ended is None and _is_readable(self._status):
            self._ended = os.waitstatus_to_exitcode(_NUMBER.unpack(os.read(self._status, _NUMBER.size))[0])
            os.close(self._status)
            os.close(self._handle)
        return self._ended

    async def wait(self) -> int:
        """Wait for its end; how it ended."""
        while (ended := self.returncode) is None:
            readable = asyncio.Event()
            asyncio.get_running_loop().add_reader(self._status, readable.set)
            try:
                await readable.wait()
            finally:
                asyncio.get_running_loop().remove_reader(self._status)
        return ended

    def send_signal(self, number: int) -> None:
        """Send it a signal if it still runs."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """Kill -9."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to leave."""
        self.send_signal(signal.SIGTERM)


@asynccontextmanager
async def running_process(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, is_read: bool = True
) -> AsyncIterator[Process]:
    """Run ``-m MODULE ...`` or ``-c PROGRAM`` in a session of its own; killed at the end if it still runs.

    Its standard error is read by somebody (``stderr``), or by nobody.
    """
    told = asyncio.StreamReader()
    reading, writing = os.pipe() if is_read else (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY))
    with os.fdopen(reading, "rb", 0) as here:
        try:
            process = Process(*await asyncio.to_thread(_fork, arguments, folder, environment, writing), told)
        finally:
            os.close(writing)
        pipe: asyncio.BaseTransport | None = None
        if is_read:
            loop = asyncio.get_running_loop()
            pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), here)
        try:
            yield process
        finally:
            process.kill()
            await process.wait()
            if pipe:
                pipe.close()


_servers: list[socket.socket] = []
"""The way to the process that forks, once it was needed."""


def _fork(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], errors: int) -> tuple[int, int, int]:
    """A new process that writes to ``errors``: its number, a handle on it, and what can be read when it has ended."""
    if not _servers:
        _servers.append(_server())
    reading, writing = os.pipe()
    try:
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        socket.send_fds(_servers[0], [request], [errors, writing])
    finally:
        os.close(writing)
    data, (handle,), _, _ = socket.recv_fds(_servers[0], _NUMBER.size, 1)
    os.set_inheritable(handle, False)  # noqa: FBT003 - the library's signature
    return _NUMBER.unpack(data)[0], handle, reading


def _server() -> socket.socket:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(there.fileno())],
        cwd=PROJECT, env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PROJECT)},
        pass_fds=(there.fileno(),), stdin=subprocess.DEVNULL,
    )  # fmt: skip
    there.close()
    here.settimeout(_PATIENCE)
    atexit.register(_end, process, here)
    return here


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    process.kill()
    process.wait()


def _is_readable(handle: int) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def main() -> None:
    """Fork when asked, and tell how each child ended, as long as the one who asks is there.

    A child runs its program from here, and ends with it.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    import_module(_IMPORTED)
    gc.collect()
    gc.freeze()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    children: dict[int, tuple[int, int]] = {}
    while True:
        ready = {handle for handle, _ in poll.poll()}
        for handle in ready & children.keys():
            poll.unregister(handle)
            pid, status = children.pop(handle)
            os.write(status, _NUMBER.pack(os.waitpid(pid, 0)[1]))
            os.close(status)
            os.close(handle)
        if control.fileno() not in ready:
            continue
        request, handles, _, _ = socket.recv_fds(control, _MOST, 2)
        if not request:
            return
        errors, status = handles
        pid = os.fork()
        if pid == 0:
            _run(errors, *json.loads(request))
            return
        os.close(errors)
        handle = os.pidfd_open(pid)
        children[handle] = pid, status
        poll.register(handle, select.POLLIN)
        socket.send_fds(control, [_NUMBER.pack(pid)], [handle])


def _run(errors: int, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Become the process that was asked for."""
    os.setsid()
    os.chdir(folder)
    for standard in _STANDARD:
        os.dup2(errors, standard)
    os.closerange(_OTHERS, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(environment)
    kind, what, *rest = arguments
    sys.argv = [what if kind == "-m" else kind, *rest]
    sys.path[0] = folder if kind == "-m" else ""
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as Python does


if __name__ == "__main__":
    main()
