"""Copies of the program that may be changed and broken."""

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PROJECT

_TICKS = itertools.count(1)


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of all that git knows or would take in; gone afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, check=True, text=True
    ).stdout.splitlines()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in filter(lambda name: (PROJECT / name).is_file(), listed):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, tree / name)
        yield tree


def write(path: Path, text: str) -> None:
    """With a time that no compiled form of the file has."""
    path.write_text(text, "utf-8")
    moment = time.time() + 10 * next(_TICKS)
    os.utime(path, (moment, moment))
