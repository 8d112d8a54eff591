"""What takes rights from a worker before it sees a file of a stranger: Landlock, seccomp and limits of the kernel.

A worker decodes hostile bytes with code in C. Whoever takes it over finds a process that can compute and answer, and
nothing else: it reads the code that it runs and its models, writes nowhere, has no network, starts no program, touches
no other process. Numbers are those of Linux's user API (linux/landlock.h, linux/seccomp.h, asm/unistd.h).
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

OPEN_FILES: Final = 64
FILE_SIZE: Final = 1 << 20
"""Bytes of a file that a worker may write, where it may write at all."""
GOES_FIRST: Final = 500
"""What a worker adds to its badness (see proc(5), oom_score_adj): where memory ends, it ends before the bot does."""
MORE_PROCESSES: Final = 256
"""Processes and threads that its user may have beyond those at its start; the kernel does not hold root to that."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 38, 4
_CAPABILITY_VERSION: Final = 0x20080522
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION, _LANDLOCK_PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_ALL_OF_FILES: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version of Landlock -> every right over files that it knows; later versions know those of the fifth."""
_EXECUTE, _MAKE_CHAR, _MAKE_BLOCK = 1 << 0, 1 << 6, 1 << 11
_OF_A_FILE: Final = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_TCP: Final = 1 << 0 | 1 << 1  # bind, connect; from version 4
_SCOPES: Final = 1 << 0 | 1 << 1  # abstract sockets, signals; from version 6

_SYSTEM: Final = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache",  # libraries
    "/dev/null", "/dev/urandom", "/proc/cpuinfo", "/sys/devices/system/cpu",
)  # fmt: skip
"""What of the system is read when a library is loaded late."""

_SET_MODE_FILTER, _TSYNC = 1, 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _MASK = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_X32: Final = 0x40000000
_NEWEST: Final = 462
"""mseal, the newest call that was looked at; since 424 all machines have the same numbers. A later kernel has calls
(setxattrat, file_setattr) that do what the denied ones do; a program takes their absence for an older kernel."""
_NOT_TO_CLONE: Final = 0x7E020080 | 0x2000 | 0x4000 | 0x8000
"""CLONE_NEW* (name spaces), CLONE_PTRACE, CLONE_VFORK, CLONE_PARENT."""
_MACHINES: Final = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Machine -> its place in the pairs below, its number in the audit API, its number of seccomp(2)."""

_DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # network
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242), "bind": (49, 200),
    "listen": (50, 201), "socketpair": (53, 199),
    # programs and other processes
    "execve": (59, 221), "execveat": (322, 281), "vfork": (58, None), "ptrace": (101, 117), "kcmp": (312, 272),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "setpriority": (141, 140), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # out of its session, in which what it has started is ended with it
    "setsid": (112, 157), "setpgid": (109, 154),
    # what Landlock does not know: who may do what with a file, its times, its attributes
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11),
    "llistxattr": (195, 12), "flistxattr": (196, 13), "statmount": (457, 457), "listmount": (458, 458),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "sync": (162, 81), "syncfs": (306, 267),
    "mknod": (133, None), "mknodat": (259, 33), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # memory and messages shared with others, whose numbers can be guessed
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    # the kernel's log
    "syslog": (103, 116),
    # large or privileged parts of the kernel
    "modify_ldt": (154, None), "io_setup": (206, 0), "io_submit": (209, 2), "vmsplice": (278, 75),
    "lookup_dcookie": (212, 18),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "personality": (135, 92), "unshare": (272, 97),
    "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41), "mount": (165, 40), "umount2": (166, 39),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162),
    "iopl": (172, None), "ioperm": (173, None), "init_module": (175, 105), "delete_module": (176, 106),
    "finit_module": (313, 273), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "quotactl": (179, 60),
    "acct": (163, 89), "settimeofday": (164, 170), "adjtimex": (159, 171), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
}  # fmt: skip
_TO_ITSELF: Final = {"kill": (62, 129), "tgkill": (234, 131)}
"""Signals go to the worker itself alone."""
_IOCTL, _KIND_OF_IOCTL = (16, 29), 0xFF00
_OF_FILE_SYSTEMS: Final = (0x66, 0x58, 0x76, 0x94)
"""Kinds of ioctl that change attributes, seal or clone files, or make snapshots, all by a file that is open to read:
those of ext4 and of all file systems, XFS, ext2 and Btrfs (linux/fs.h, linux/fsverity.h, linux/btrfs.h)."""
_BY_COMMAND: Final[dict[str, tuple[tuple[int, int], tuple[int, ...]]]] = {
    "fcntl": ((72, 25), (8, 10, 15, 1024, 1026)),  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
    "ioctl": (_IOCTL, (0x8901, 0x8902, 0x5452, 0x5412)),  # FIOSETOWN, SIOCSPGRP, FIOASYNC, TIOCSTI
}
"""Commands of calls with many: the kernel would signal whom a worker names, or type into a terminal."""
_PRLIMIT, _CLONE, _CLONE3 = (302, 261), (56, 220), 435


def limit(memory: int) -> None:
    """Set what this process may use; ``memory`` in bytes of address space. What it starts has the same limits."""
    for what, most in (
        (resource.RLIMIT_CORE, 0),  # a core file would hold people's pictures
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
    ):
        resource.setrlimit(what, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(GOES_FIRST), "ascii")
    if processes := _of_this_user():
        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        most = processes + MORE_PROCESSES
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _of_this_user() -> int:
    """Threads that the user of this process has now; 0 when the system does not tell."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += len(os.listdir(process / "task"))  # noqa: PTH208 - counted alone
        except OSError:
            continue
    return count


def drop_capabilities() -> None:
    """Leave this thread, and those that it starts, no power of root, which could undo its limits."""
    if sys.platform == "linux":
        kernel = ctypes.CDLL(None, use_errno=True)
        kernel.capset(struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))


def close_files(readable: Iterable[Path], scratch: Path | None) -> str | None:
    """Leave this thread, and those that it starts, only files below ``readable`` to read and ``scratch`` to write.

    Programs can't be started and, where the kernel knows how, no TCP connections be made and no signals be sent out.
    Returns what is missing, None when nothing is.
    """
    if sys.platform != "linux":
        return "Landlock (only Linux has it)"
    kernel = ctypes.CDLL(None, use_errno=True)
    version = kernel.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return "Landlock (this kernel has none, or it is switched off)"
    rights = _ALL_OF_FILES[min(version, 5)]
    attributes = struct.pack("QQQ", rights, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = kernel.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return f"Landlock ({os.strerror(ctypes.get_errno())})"
    try:
        for path in (*readable, *map(Path, _SYSTEM)):
            _allow(kernel, rules, path, _READ_FILE | _READ_DIR)
        _allow(kernel, rules, Path(os.devnull), _READ_FILE | 1 << 1)
        if scratch is not None:
            _allow(kernel, rules, scratch, rights & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK))
        kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if kernel.syscall(_LANDLOCK_RESTRICT, rules, 0):
            return f"Landlock ({os.strerror(ctypes.get_errno())})"
    finally:
        os.close(rules)
    return None


def _allow(kernel: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    """Allow rights over what lies below a path; over nothing where there is no such path."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = rights if path.is_dir() else rights & _OF_A_FILE
        kernel.syscall(_LANDLOCK_ADD, rules, _LANDLOCK_PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    finally:
        os.close(handle)


def close_kernel() -> str | None:
    """Take from all threads of this process the system calls that it has no use for.

    Threads stay possible, which a decoder of HEIC starts, and so do forks, for ``inference.decode.isolation``; how many
    is limited. Returns what is missing, None when nothing is.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return f"seccomp (no filter is known for {sys.platform} on {platform.machine()})"
    column, architecture, seccomp = _MACHINES[platform.machine()]
    kernel = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("HBBI", *step) for step in _program(column, architecture))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no sibling looks into its memory
    if kernel.syscall(seccomp, _SET_MODE_FILTER, _TSYNC, program):
        return f"seccomp ({os.strerror(ctypes.get_errno())})"
    return None


_Step = tuple[int, int, int, int]


def _program(column: int, architecture: int) -> Sequence[_Step]:
    """The filter: pairs of "is it this call?" and "then refuse it", and what is allowed in part."""
    own = os.getpid()
    refuse, unknown, allow = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS, (_RETURN, 0, 0, _ALLOW)
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
        (_AT_LEAST, 0, 1, _NEWEST + 1),
        (_RETURN, 0, 0, unknown),
    ]
    for pair in _DENIED.values():
        if (number := pair[column]) is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    for pair in _TO_ITSELF.values():
        steps += [(_EQUAL, 0, 4, pair[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
        steps += [(_EQUAL, 0, 1, own), allow, (_RETURN, 0, 0, refuse)]
    steps += [(_EQUAL, 0, 2 * len(_OF_FILE_SYSTEMS) + 3, _IOCTL[column])]
    steps += [(_LOAD, 0, 0, _SECOND_ARGUMENT), (_MASK, 0, 0, _KIND_OF_IOCTL)]
    for kind in _OF_FILE_SYSTEMS:
        steps += [(_EQUAL, 0, 1, kind << 8), (_RETURN, 0, 0, refuse)]
    steps += [(_LOAD, 0, 0, _NUMBER)]
    for numbers, commands in _BY_COMMAND.values():
        steps += [(_EQUAL, 0, 2 * len(commands) + 2, numbers[column]), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
        for command in commands:
            steps += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, refuse)]
        steps += [allow]
    steps += [(_EQUAL, 0, 5, _PRLIMIT[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    steps += [(_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, own), allow, (_RETURN, 0, 0, refuse)]
    steps += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, unknown)]  # its flags can't be seen; clone(2) is used instead
    steps += [(_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    steps += [(_ANY_BIT, 0, 1, _NOT_TO_CLONE), (_RETURN, 0, 0, refuse), allow]
    return [*steps, allow]
