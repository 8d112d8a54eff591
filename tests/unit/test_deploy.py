"""What is deployed fits what the project has."""

import configparser
import re
import shlex

from bot.cli.main import COMMANDS
from bot.settings import Settings
from tests.conftest import PROJECT

DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")
COMPOSE = (PROJECT / "compose.yaml").read_text("utf-8")
UNIT = (PROJECT / "deploy" / "tumorscan.service").read_text("utf-8")


def test_the_image_is_built_from_files_that_exist() -> None:
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    ignored = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied
    for name in copied:
        assert (PROJECT / name).exists(), name
        assert f"!{name}" in ignored, name


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)


def test_what_is_deployed_sets_only_settings_that_exist() -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"^ {6}([A-Z_]+):", COMPOSE, re.MULTILINE)) <= known
    stated = DOCKERFILE.split("ENV PATH=")[1].split("USER")[0]
    assert set(re.findall(r"([A-Z_]{4,})=", stated)) - {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"} <= known


def test_everything_that_is_deployed_is_stopped_after_the_grace() -> None:
    grace = Settings.model_fields["stop_grace"].default
    assert int(re.findall(r"stop_grace_period: (\d+)s", COMPOSE)[0]) > grace
    assert int(re.findall(r"TimeoutStopSec=(\d+)", UNIT)[0]) > grace


def test_the_unit_runs_a_command_that_exists() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT)
    program, command = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/tumorscan")
    assert command in {known.name for known in COMMANDS}
