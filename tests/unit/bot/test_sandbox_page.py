"""The files of the chat page."""

import re
from pathlib import Path

import bot.sandbox
from bot.cli.demo import FONTS
from reports.typefaces import IN_BOLD, SCRIPTS

FOLDER = Path(bot.sandbox.__file__).parent
SOURCES = {path.name: path.read_text("utf-8") for path in (FOLDER / "page").iterdir()}


def test_page_writes_no_markup_and_loads_nothing_external() -> None:
    for name, source in SOURCES.items():
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert forbidden not in source, name
        addresses = set(re.findall(r"(?:src|href|url|import)\W{1,4}(?:https?:)?//[^\s\"')]+", source))
        assert addresses == set(), name


def test_page_has_no_inline_code_or_style() -> None:
    page = SOURCES["index.html"]
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))


def test_every_test_id_that_is_promised_is_there() -> None:
    promised = (FOLDER / "README.md").read_text("utf-8").partition("carry `data-testid`:")[2]
    names = set(re.findall(r"`([a-z-]+)`", promised)) - set(re.findall(r"`(data-[a-z-]+)`", promised))
    source = "".join(SOURCES.values())
    assert len(names) > 30
    assert {name for name in names if f'"{name}"' not in source} == set()


def test_page_has_fonts_of_all_scripts_that_reports_have() -> None:
    faces = re.findall(r'url\("fonts/([\w.-]+)"\);(.*?) unicode-range: (.*?);', SOURCES["fonts.css"])
    for first, before, family in SCRIPTS:
        covered = f"U+{first:04X}-{before - 1:04X}"
        files = {file for file, _, ranges in faces if covered in ranges}
        wanted = {f"{family}-Regular.ttf"} | ({f"{family}-Bold.ttf"} if family in IN_BOLD else set())
        assert files == wanted
        assert all((FONTS / file).is_file() for file in files)
