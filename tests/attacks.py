"""What whoever has taken over a worker would try; each returns when it has worked, and raises when it has not."""

import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from inference.workers.job_table import job

MODULES = (__name__,)
PTRACE_ATTACH, PTRACE_DETACH, CLONE_NEWUSER, FIOSETOWN = 16, 17, 0x10000000, 0x8901
SIZE_OF_LOG = 10
AT_FDCWD, SETXATTRAT, REMOVEXATTRAT, FILE_GETATTR, FILE_SETATTR = -100, 463, 466, 468, 469
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, NO_SUCH, IPC_RMID = 0x80086601, 0x40086602, 0x7FFFFFF0, 0
_kernel = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _read_memory(pid: int) -> None:
    class Piece(ctypes.Structure):
        _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    def piece(start: int) -> object:
        return ctypes.byref(Piece(start, 8))

    buffer = ctypes.create_string_buffer(8)
    theirs = ctypes.addressof(_kernel.getpid)  # a page that is there in each copy of this process
    here = piece(ctypes.addressof(buffer))
    one = ctypes.c_ulong(1)
    _checked(_kernel.process_vm_readv(pid, here, one, piece(theirs), one, ctypes.c_ulong(0)))


def _attach(pid: int) -> None:
    _checked(_kernel.ptrace(PTRACE_ATTACH, pid, None, None))


def _run_in_a_child() -> None:
    """Start a program in place of a forked child, as a shell code would."""
    child = os.fork()
    if child == 0:
        try:
            os.execv(sys.executable, [sys.executable, "-c", ""])  # noqa: S606 - it is an attack
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError


def _open_many_files() -> None:
    with ExitStack() as files:
        for _ in range(200):
            files.enter_context(Path(os.devnull).open())


def _grow_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))


def _have_signals_sent(bot: int, *, by_ioctl: bool) -> None:
    """Name the bot as the owner of a socket: the kernel then sends it whatever signal one likes."""
    own = [number for number in range(3, 64) if _is_socket(number)]
    with ExitStack() as sockets:
        if not own:
            own = [sockets.enter_context(end).fileno() for end in socket.socketpair()]
        if by_ioctl:
            fcntl.ioctl(own[0], FIOSETOWN, struct.pack("i", bot))
        else:
            fcntl.fcntl(own[0], fcntl.F_SETOWN, bot)


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def _schedule(process: int) -> None:
    """Give a process the attributes of scheduling that it has, by the call that glibc has no name for."""
    number = {"x86_64": (315, 314), "aarch64": (275, 274)}[os.uname().machine]
    attributes = ctypes.create_string_buffer(56)
    _checked(_kernel.syscall(number[0], process, attributes, 56, 0))
    _checked(_kernel.syscall(number[1], process, attributes, 0))


class _Attribute(ctypes.Structure):
    """struct xattr_args (linux/xattr.h)."""

    _fields_ = [("value", ctypes.c_uint64), ("size", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


def _attribute(file: Path) -> None:
    """Give a file an extended attribute, by the newer of two calls where the kernel has it."""
    value = ctypes.create_string_buffer(b"a picture", 9)
    attribute = _Attribute(ctypes.addressof(value), 9, 0)
    name = ctypes.c_char_p(b"user.tumorscan")
    if _kernel.syscall(SETXATTRAT, AT_FDCWD, bytes(file), 0, name, ctypes.byref(attribute), ctypes.c_size_t(16)):
        os.setxattr(file, name.value or b"", value.raw)
    _kernel.syscall(REMOVEXATTRAT, AT_FDCWD, bytes(file), 0, name)


def _newer_call(number: int, file: Path) -> None:
    """Read or write the attributes of an inode, by calls that Linux 6.17 brought; an older one has nothing to try."""
    attributes = ctypes.create_string_buffer(24)
    if (
        _kernel.syscall(number, AT_FDCWD, bytes(file), attributes, ctypes.c_size_t(24), 0)
        and ctypes.get_errno() == errno.ENOSYS
    ):
        raise OSError(errno.ENOSYS, "")


def _flag_code() -> None:
    """Have a file that can only be read keep the attributes that it has; with others the next backup would skip it."""
    with Path(__file__).open("rb") as file:
        flags = fcntl.ioctl(file, FS_IOC_GETFLAGS, bytes(8))
        fcntl.ioctl(file, FS_IOC_SETFLAGS, flags)


def _reach_others(call: str, *arguments: int) -> None:
    """Ask for shared memory, a semaphore or a queue of another program by a number that happens not to be there."""
    _kernel[call](*arguments)
    if ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT, errno.ENOMSG):
        raise OSError(ctypes.get_errno(), call)


def _leave_the_session() -> None:
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError


def _link(target: Path) -> None:
    target.with_suffix(".link").symlink_to(target)


ATTACKS: dict[str, Callable[[int, Path], object]] = {
    "open a TCP socket": lambda _bot, _file: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "open a UDP socket": lambda _bot, _file: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "open a Unix socket": lambda _bot, _file: socket.socket(socket.AF_UNIX),
    "resolve a name": lambda _bot, _file: socket.getaddrinfo("localhost", 80),
    "run a program": lambda _bot, _file: subprocess.run([sys.executable, "-c", ""], check=True),
    "run a shell": lambda _bot, _file: _checked(-os.system("true")),  # noqa: S605 - it is an attack
    "become a program": lambda _bot, _file: _run_in_a_child(),
    "read the bot's environment": lambda bot, _file: Path(f"/proc/{bot}/environ").read_bytes(),
    "read the bot's memory map": lambda bot, _file: Path(f"/proc/{bot}/maps").read_bytes(),
    "read its own environment": lambda _bot, _file: Path("/proc/self/environ").read_bytes(),
    "read the bot's memory": lambda bot, _file: _read_memory(bot),
    "trace the bot": lambda bot, _file: _attach(bot),
    "signal the bot": lambda bot, _file: os.kill(bot, 0),
    "get hold of the bot": lambda bot, _file: os.pidfd_open(bot),
    "change the bot's limits": lambda bot, _file: resource.prlimit(bot, resource.RLIMIT_CORE, (0, 0)),
    "slow down the bot": lambda bot, _file: os.setpriority(os.PRIO_PROCESS, bot, os.getpriority(os.PRIO_PROCESS, bot)),
    "have the kernel signal the bot": lambda bot, _file: _have_signals_sent(bot, by_ioctl=False),
    "have the kernel signal the bot otherwise": lambda bot, _file: _have_signals_sent(bot, by_ioctl=True),
    "schedule the bot": lambda bot, _file: _schedule(bot),
    "schedule itself": lambda _bot, _file: _schedule(0),
    "leave its session": lambda _bot, _file: _leave_the_session(),
    "read the kernel's log": lambda _bot, _file: _checked(_kernel.klogctl(SIZE_OF_LOG, None, 0)),
    "watch a folder": lambda _bot, _file: _checked(_kernel.inotify_init1(0)),
    "read a secret": lambda _bot, file: file.read_bytes(),
    "list a folder": lambda _bot, file: list(file.parent.iterdir()),
    "read the passwords": lambda _bot, _file: Path("/etc/passwd").read_bytes(),
    "write to a file": lambda _bot, file: file.open("ab").write(b"x"),
    "make a file": lambda _bot, file: file.with_suffix(".new").touch(),
    "make a folder": lambda _bot, file: file.with_suffix(".folder").mkdir(),
    "make a link": lambda _bot, file: _link(file),
    "rename a file": lambda _bot, file: file.rename(file.with_suffix(".other")).rename(file),
    "cut a file": lambda _bot, file: os.truncate(file, 1),
    "lock a file": lambda _bot, file: file.chmod(0o600),
    "age a file": lambda _bot, file: os.utime(file, (0, 0)),
    "attribute a file": lambda _bot, file: _attribute(file),
    "read attributes of a file": lambda _bot, file: os.listxattr(file),
    "read attributes of an inode": lambda _bot, file: _newer_call(FILE_GETATTR, file),
    "attribute an inode": lambda _bot, file: _newer_call(FILE_SETATTR, file),
    "flag code": lambda _bot, _file: _flag_code(),
    "remove shared memory": lambda _bot, _file: _reach_others("shmctl", NO_SUCH, IPC_RMID, 0),
    "remove a semaphore": lambda _bot, _file: _reach_others("semctl", NO_SUCH, 0, IPC_RMID),
    "remove a queue": lambda _bot, _file: _reach_others("msgctl", NO_SUCH, IPC_RMID, 0),
    "read a queue": lambda _bot, _file: _reach_others("msgrcv", NO_SUCH, 0, 0, 0, 0),
    "write 300 MB": lambda _bot, file: file.with_suffix(".big").write_bytes(bytes(300 << 20)),
    "delete a file": lambda _bot, file: file.unlink(),
    "open many files": lambda _bot, _file: _open_many_files(),
    "get more open files": lambda _bot, _file: _grow_limit(),
    "get a name space": lambda _bot, _file: _checked(_kernel.unshare(CLONE_NEWUSER)),
    "change the root": lambda _bot, _file: os.chroot("/"),
}
NOT_EVERYWHERE = {"get a name space", "read the kernel's log",
                  "change the root", "get more open files", "open many files", "trace the bot",
                  "read the bot's memory", "run a shell", "read attributes of an inode", "attribute an inode",
                  "attribute a file", "read attributes of a file", "flag code"}  # fmt: skip
"""What may fail without any confinement too: without rights, in containers, on an older kernel or
another file system, or because there is room."""


def outcome(name: str, bot: int, file: Path) -> str:
    """What became of an attack."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        ATTACKS[name](bot, file)
    except (OSError, RuntimeError, ValueError, MemoryError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {getattr(error, 'errno', None)}"
    return "it worked"


@job
def attack(name: str, bot: int, file: Path) -> str:
    """Try one of ATTACKS from inside a worker."""
    return outcome(name, bot, file)


if __name__ == "__main__":
    results = {name: outcome(name, os.getppid(), Path(sys.argv[1])) for name in ATTACKS if name not in NOT_EVERYWHERE}
    sys.stdout.write(json.dumps(results))
