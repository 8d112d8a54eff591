"""The command line: quick help, and mistakes told in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli.main import COMMANDS, main
from tests.conftest import PROJECT


def python(*arguments: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a process of its own with our code."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": str(PROJECT), "PATH": "", **environment},
        cwd=cwd,
        check=False,
    )


def test_help_lists_every_command_without_loading_heavy_libraries() -> None:
    code = (
        "import sys, bot.cli.main\n"
        "try: bot.cli.main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'telegram', 'sqlalchemy', 'reportlab'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert all(command.name in done.stdout for command in COMMANDS)
    assert done.stdout.endswith("[]\n")


def test_the_bot_loads_nothing_that_workers_alone_need() -> None:
    heavy = {"numpy", "PIL", "reportlab", "pydicom", "ai_edge_litert", "alembic", "sqlalchemy.orm"}
    done = python("-c", f"import sys, bot.cli.run; print(sorted({heavy} & set(sys.modules)))")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"tumorscan {name}" in capsys.readouterr().out


def test_command_ends_silently_when_output_is_closed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bot", "model", "list"],
        stdout=writing, stderr=subprocess.PIPE, timeout=300, cwd=PROJECT, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_without_a_command_the_exit_status_is_2() -> None:
    assert python("-m", "bot").returncode == 2


def test_missing_token_stops_start_with_status_2(tmp_path: Path) -> None:
    done = python("-m", "bot", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("tumorscan: TELEGRAM_BOT_TOKEN is not set")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DATABASE_URL", "sqlite+aiosqlite:////proc/nothing/tumorscan.db"),
        ("DATABASE_URL", "nonsense"),
        ("MODELS_DIR", "/proc/nothing"),
    ],
)
def test_unopenable_setting_is_one_line_without_the_token(tmp_path: Path, setting: str, value: str) -> None:
    token = "123456:" + "t" * 35
    # A busy machine may add a warning: that workers, which were just about to start, are slow to leave.
    settings = {"TELEGRAM_BOT_TOKEN": token, "LOG_LEVEL": "ERROR", setting: value}
    done = python("-m", "bot", "run", cwd=tmp_path, **settings)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"tumorscan: {setting}")
    assert done.stderr.count("\n") == 1
    assert token not in done.stderr
