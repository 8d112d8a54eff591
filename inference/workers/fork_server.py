"""Workers are forked from a process that has imported what they need: that costs 10 ms instead of a second each.

Unlike Python's own fork server this one starts with an environment made for it, so that no worker can read the
bot's token from its own, and gives each worker one socket and nothing else.
"""

import atexit
import gc
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from inference.workers.job_table import TABLE

PATIENCE: Final = 60.0
"""Seconds until the fork server must have made a worker; the first one waits for its imports."""
_END_TIMEOUT: Final = 2000
"""Milliseconds that a worker that was killed may take to end."""
_PRELOADED: Final = (
    "inference.analyser",
    "inference.backends.litert",
    "inference.workers.worker",
    "numpy.ma",  # the first percentile imports it
)
"""So are the modules of jobs: each worker would import all that anew."""
_SERVED: Final = ("bot.", "inference.")
"""Packages whose jobs are. Those of tests a worker imports when it is made for them, and no other carries them."""
_ONE_THREAD: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
"""The workers are the parallelism: each does its maths on one thread."""
_HANDED_ON: Final = (
    "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL",
    "TF_ENABLE_ONEDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "TF_XLA_FLAGS",
)  # fmt: skip
"""By name: TF_ is also what Terraform's variables begin with, which hold secrets."""
_LAST_PATIENCE: Final = 5.0
"""Seconds that workers have to leave once the bot has ended."""
_WHOLE_GROUP: Final = 1 << 2
"""PIDFD_SIGNAL_PROCESS_GROUP (linux/pidfd.h), which Linux knows since 6.9."""
_NUMBER: Final = struct.Struct("!q")
_START: Final = "import sys; sys.path[:] = sys.argv[3:]; from inference.workers.fork_server import serve; serve()"


class ForkServerError(Exception):
    """No worker came of it: the fork server ended, or is stopped."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that was just forked, seen from the bot."""

    pid: int
    connection: socket.socket
    """Closed by the other end when the process ends, however it ends."""
    _handle: int | None
    """A pidfd, where the system has them: its number can't become another process's."""
    _status: int

    def kill(self) -> None:
        """End it by force, whatever it is doing, and what it has started."""
        with suppress(ProcessLookupError):
            if self._handle is not None:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                with suppress(OSError):  # else the fork server does that when it finds it ended
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL, None, _WHOLE_GROUP)
            elif not _is_readable(self._status, 0):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int | None:
        """Wait until it has ended; how, as ``os.waitstatus_to_exitcode`` says it, or None when nobody knows."""
        data = os.read(self._status, _NUMBER.size) if _is_readable(self._status, _END_TIMEOUT) else b""
        if data:
            return os.waitstatus_to_exitcode(_NUMBER.unpack(data)[0])
        if self._handle is not None:  # the fork server has ended and tells nothing
            _is_readable(self._handle, _END_TIMEOUT)
        return None

    def close(self) -> None:
        """Close what was open for it. Not before it was killed, and once."""
        self.connection.close()
        os.close(self._status)
        if self._handle is not None:
            os.close(self._handle)


class ForkServer:
    """The fork server seen from the bot; started when the first worker is wanted, and again when it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self) -> Forked:
        """A new process that runs ``worker.main``. Raises ForkServerError when two fork servers in a row failed."""
        with self._lock:
            try:
                return self._ask()
            except (OSError, EOFError):
                self.stop()
            try:
                return self._ask()
            except (OSError, EOFError) as error:
                self.stop()
                raise ForkServerError(f"no worker could be forked ({type(error).__name__})") from error

    def _ask(self) -> Forked:
        control = self._control or self._start()
        here, there = socket.socketpair()
        reading, writing = os.pipe()
        try:
            socket.send_fds(control, [b"+"], [there.fileno(), writing])
            pid, handle = _answer(control)
        except BaseException:
            here.close()
            os.close(reading)
            raise
        finally:
            there.close()
            os.close(writing)
        here.settimeout(0)
        return Forked(pid, here, handle, reading)

    def _start(self) -> socket.socket:
        here, there = socket.socketpair()
        modules = sorted({name.rpartition(".")[0] for name in TABLE if name.startswith(_SERVED)})
        with _deaf():
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-c", _START, str(there.fileno()), ",".join(modules), *sys.path],
                env=clean_environment(os.environ),
                pass_fds=(there.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        there.close()
        here.settimeout(PATIENCE)
        self._control = here
        atexit.unregister(self.stop)
        atexit.register(self.stop)
        return here

    def stop(self) -> None:
        """End it; workers that it has forked go on."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _answer(control: socket.socket) -> tuple[int, int | None]:
    """The number of the process that was forked, and a handle on it where there is one. Raises OSError, EOFError."""
    data, handles, _, _ = socket.recv_fds(control, _NUMBER.size, 1)
    if len(data) < _NUMBER.size:
        raise EOFError
    for handle in handles:
        os.set_inheritable(handle, False)  # noqa: FBT003 - the library's signature
    return _NUMBER.unpack(data)[0], handles[0] if handles else None


FORK_SERVER: Final = ForkServer()
"""One for all executors of this process; it leaves with the process."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a worker may know of the bot's environment: no token, no addresses, no passwords."""
    kept = {name: value for name, value in environment.items() if name in _HANDED_ON}
    return kept | dict.fromkeys(_ONE_THREAD, "1")


@contextmanager
def _deaf() -> Iterator[None]:
    """Let a process that starts meanwhile, and its own, not hear Ctrl+C: it is meant for the one that they work for.

    Signals that are blocked stay so in what is started; this holds for the calling thread alone.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_readable(handle: int, milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(milliseconds))


def serve() -> None:
    """In the fork server: fork when asked, tell how each child ended, and leave with the one who asks."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in (*_PRELOADED, *sys.argv[2].split(",")):
        import_module(name)
    gc.collect()
    gc.freeze()  # else the first collection of each child would copy all the pages that it shares with this process
    woken, wake = socket.socketpair()
    wake.settimeout(0)
    woken.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    statuses: dict[int, int] = {}
    while True:
        ready = {handle for handle, _ in poll.poll()}
        if woken.fileno() in ready:
            with suppress(BlockingIOError):
                woken.recv(4096)
            _reap(statuses)
        if control.fileno() not in ready:
            continue
        asked, handles, _, _ = socket.recv_fds(control, 1, 2)
        if not asked:
            _see_off(statuses)
            return
        connection, status = handles
        pid = os.fork()
        if pid == 0:
            _become_worker(connection, [control.fileno(), woken.fileno(), wake.fileno(), status, *statuses.values()])
        statuses[pid] = status
        os.close(connection)
        _tell(control, pid)


def _tell(control: socket.socket, pid: int) -> None:
    """Answer with a child's number and a handle on it; nobody but this process could get that without a race."""
    handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    try:
        with suppress(BrokenPipeError):  # whoever asked was killed meanwhile: the next turn ends this process too
            socket.send_fds(control, [_NUMBER.pack(pid)], [] if handle is None else [handle])
    finally:
        if handle is not None:
            os.close(handle)


def _reap(statuses: dict[int, int]) -> None:
    while statuses:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return
        pid = ended.si_pid
        _end_group(pid)  # as long as it is not waited for, its number is nobody else's
        _, status = os.waitpid(pid, 0)
        handle = statuses.pop(pid)
        with suppress(BrokenPipeError):  # nobody wants to know
            os.write(handle, _NUMBER.pack(status))
        os.close(handle)


def _end_group(pid: int) -> None:
    """End what a worker has started and left behind."""
    with suppress(ProcessLookupError, PermissionError):  # there is nothing; there is nothing but itself (macOS)
        os.killpg(pid, signal.SIGKILL)


def _see_off(statuses: dict[int, int]) -> None:
    """The bot has ended: its workers leave by themselves, and what does not is made to."""
    deadline = time.monotonic() + _LAST_PATIENCE
    while statuses and time.monotonic() < deadline:
        _reap(statuses)
        time.sleep(0.05)
    for pid in statuses:
        _end_group(pid)


def _become_worker(connection: int, not_ours: list[int]) -> None:
    """In a child: run ``worker.main`` and never return."""
    try:
        os.setsid()  # it and all that it ever starts can be ended together
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for handle in not_ours:
            os.close(handle)
        from inference.workers.worker import main

        main(socket.socket(fileno=connection))
    finally:
        os._exit(1)
