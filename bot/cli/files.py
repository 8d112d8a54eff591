"""Which files a call names: folders walked through, odd ones told apart, names made safe to print and to write."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_STEM = 200
"""Bytes: file systems take names of 255, and an ending is added to what is written."""
MAX_SHOWN = 400
"""Characters of a path that are printed."""
_COMMANDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file, or with ``files`` one folder whose pictures are slices of one person."""

    number: int
    path: Path
    name: str
    """The stem of what is written for it."""
    files: tuple[tuple[str, Path], ...] | None = None
    """(name within the folder, path) of all that is in it."""


def find_inputs(paths: Sequence[Path], *, study: bool) -> list[InputFile]:
    """Give what is to be read, folders file by file in their order; with ``study`` a folder is one case."""
    found: list[tuple[Path, tuple[tuple[str, Path], ...] | None]] = []
    for path in paths:
        if not is_folder(path):
            found.append((path, None))
        elif study:
            files = tuple(walk(path))
            found.append((path, tuple((os.path.relpath(file, path), file.absolute()) for file in files)))
        else:
            found += [(file, None) for file in walk(path)]
    stems = name_stems([path for path, _ in found])
    return [
        InputFile(number, path, stem, files)
        for number, ((path, files), stem) in enumerate(zip(found, stems, strict=True), 1)
    ]


def walk(folder: Path) -> Iterator[Path]:
    """Give the regular files of a folder and of those in it, hidden ones and pipes left out, links not followed."""
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and is_regular(path):
                yield path


def is_folder(path: Path) -> bool:
    """Whether this is a folder; a name that the system does not even take is none."""
    return _kind(path, stat.S_ISDIR)


def is_regular(path: Path) -> bool:
    """Whether reading this comes to an end: no pipe, device or socket."""
    return _kind(path, stat.S_ISREG)


def is_odd(path: Path) -> bool:
    """Whether there is something that is neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _kind(path: Path, test: object) -> bool:
    try:
        return bool(callable(test) and test(path.stat().st_mode))
    except (OSError, ValueError):
        return False


def name_stems(paths: Sequence[Path]) -> list[str]:
    """Give every file a name of its own to write under: its stem, with a number when another file has that already.

    Compared without case, because some file systems see none; cut where the name would be too long to write.
    """
    own = [_cut(path.stem or path.resolve().stem) for path in paths]
    stems, taken, given = {stem.casefold() for stem in own}, set[str](), []
    for stem in own:
        name, count = stem, 1
        while name.casefold() in taken or (count > 1 and name.casefold() in stems):
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        given.append(name)
    return given


def _cut(stem: str) -> str:
    return os.fsencode(stem)[:MAX_STEM].decode("utf-8", "ignore") or "scan"


def printable(path: Path) -> str:
    """A path as it can be shown: bytes that are no text replaced, what would command a terminal spelled out."""
    text = spelled_out(os.fsencode(path).decode("utf-8", "replace"))
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]}…{text[-MAX_SHOWN // 2 :]}"


def spelled_out(text: str) -> str:
    r"""Replace what would command a terminal, or turn its text round, by ``\x1b`` or ``\u202e``."""
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
