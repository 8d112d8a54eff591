"""make says at once what is wrong with a machine, before anything is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine: its tests were left out")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    return tmp_path


def python_of(version: str, folder: Path) -> Path:
    """A program that answers like ``python3`` of that version when it is asked for its version."""
    program = folder / f"python{version}"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--dry-run", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_another_python_is_refused_in_one_line(checkout: Path, version: str) -> None:
    done = make(checkout, "test", f"PYTHON={python_of(version, checkout)}")
    assert done.returncode == 2
    assert f"Python 3.11, 3.12 or 3.13 is needed and {checkout}/python{version} is {version}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_environment_of_another_python_is_made_anew(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "pyvenv.cfg").touch()
    python_of("3.11", checkout / ".venv" / "bin").rename(checkout / ".venv" / "bin" / "python")
    done = make(checkout, "run", f"PYTHON={python_of('3.12', checkout)}")
    assert "is made anew" in done.stdout
    assert not (checkout / ".venv").exists()


def test_help_needs_no_python(checkout: Path) -> None:
    assert make(checkout, "help", "PYTHON=/nowhere/python3").returncode == 0
