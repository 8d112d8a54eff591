"""What the pages name is there: links, headings, files, modules, make targets, commands, settings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.main import COMMANDS
from bot.settings import Settings
from tests.conftest import PROJECT

FOLDERS = ("bot", "inference", "storage", "reports", "tests", "deploy", "docs")
PAGES = sorted((*PROJECT.glob("*.md"), *(page for folder in FOLDERS for page in (PROJECT / folder).rglob("*.md"))))
ENDINGS = "py|md|toml|json|ya?ml|service|lock|npz|tflite|png"
MADE_UP = re.compile(r"\b(thing|CODE|NAME|MODEL)\b|<\w+>|^(pt-br|texts|help)/$")
"""Names that stand for what a reader puts there."""
OTHERS = {"POSTGRES_PASSWORD", "ADMIN_COMMANDS", "KERAS_BACKEND", "TUMORSCAN_DATA"}
"""Names in capitals that are no settings of the bot: the code's, the training's, the tests'."""
OUTSIDE = ("/", "data/", "DIR/", "tumorscan.db")
"""Beginnings of paths that are not of this project: of a machine, or of what the bot makes."""


def id_of(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def code_in(page: Path) -> Iterator[str]:
    """What stands in back-ticks, and each line of the blocks."""
    text = page.read_text("utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    words = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", word.lower()).replace(" ", "-") for word in words}


def is_there(path: str, page: Path) -> bool:
    """Whether a file is named from the top, from its page, or by the end of its path."""
    if (PROJECT / path).exists() or (page.parent / path).exists():
        return True
    return any(next((PROJECT / folder).rglob(path.rstrip("/")), None) for folder in FOLDERS)


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not link.startswith(("http", "mailto:")):
            target, _, heading = link.partition("#")
            place = page.parent / target if target else page
            assert place.exists(), link
            assert not heading or heading in headings(place), link


def test_messages_name_lock_files_that_are_there() -> None:
    """The package is in no registry: its extras are had from a lock file, or from the project's folder."""
    sources = {file: file.read_text("utf-8") for package in FOLDERS[:4] for file in (PROJECT / package).rglob("*.py")}
    named = {name for text in sources.values() for name in re.findall(r"requirements[\w-]*\.lock\b", text)}
    assert {"requirements-dev.lock", "requirements-extras.lock"} <= named
    assert all((PROJECT / name).is_file() for name in named)
    assert not [file for file, text in sources.items() if "tumorscan-bot[" in text]


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = {word for word in code_in(page) if re.fullmatch(rf"[\w./<>-]+(\.({ENDINGS})|/)", word)}
    ours = {word for word in named if not MADE_UP.search(word) and not word.startswith(OUTSIDE)}
    assert {word for word in ours if not is_there(word, page)} == set()


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_modules_and_targets_that_a_page_names_are_there(page: Path) -> None:
    code = "\n".join(code_in(page))
    for module in re.findall(r"python -m ((?:bot|inference|storage|reports|tests)[\w.]*)", code):
        path = PROJECT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?m)^make ([a-z-]+)", code)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_commands_and_settings_that_a_page_names_are_there(page: Path) -> None:
    code = list(code_in(page))
    called = {match[1] for line in code if (match := re.match(r"tumorscan ([a-z]+)", line))}
    assert {name for name in called if not MADE_UP.search(name)} <= {command.name for command in COMMANDS}
    settings = {name.upper() for name in Settings.model_fields}
    assigned = {match[1] for line in code if (match := re.fullmatch(r"([A-Z]+(?:_[A-Z]+)+)(=\S*)?", line))}
    assert assigned - settings - OTHERS == set()


def test_each_invariant_is_held_by_a_test_that_is_there() -> None:
    table = (PROJECT / "docs" / "ARCHITECTURE.md").read_text("utf-8").partition("## Invariants")[2].partition("## ")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| ") and "held by" not in row]
    assert len(rows) > 50
    assert [
        promise for promise, held_by in rows if not re.search(r"test_\w+\.py|`make |tests/services/", held_by)
    ] == []


def test_readme_lists_every_command_of_the_command_line() -> None:
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert {command.name for command in COMMANDS} <= set(
        re.findall(r"^\| .*?`tumorscan ([a-z]+)", readme, re.MULTILINE)
    )
