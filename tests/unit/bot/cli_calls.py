"""What tests of ``tumorscan scan`` share: files put down, and the lines that a call prints."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import main


def put(name: str, data: bytes) -> str:
    """Write a file, its folders included; gives its name."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return name


def scan(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status and the lines of ``tumorscan scan --json``."""
    status = main(["scan", "--json", *arguments])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]
