"""SECURITY.md: each answer names a test that is there, in the file where it says."""

import ast
import re
from pathlib import Path

import pytest

from tests import threats
from tests.conftest import PROJECT

PAGE = (PROJECT / "SECURITY.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "|---"))]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def names_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_answer_names_a_test_that_is_there(row: str) -> None:
    named = NAMED.findall(row)
    assert named, "no test is named"
    for file, test in named:
        assert test in names_in(PROJECT / file), f"{file} has no {test}"


def test_each_answer_of_the_page_is_taken_out() -> None:
    assert threats.tried() == threats.named()


@pytest.mark.parametrize("answer", threats.ANSWERS, ids=lambda answer: answer.test.rpartition("::")[2])
def test_what_is_taken_out_is_there(tmp_path: Path, answer: threats.Answer) -> None:
    for file, code, instead in ((answer.file, answer.code, answer.instead), *answer.and_also):
        copy = tmp_path / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PROJECT / file).read_text("utf-8"), "utf-8")
        threats.take_out(tmp_path, file, code, instead)
        if file.endswith(".py"):
            ast.parse(copy.read_text("utf-8"))


def test_every_kind_of_threat_has_its_part() -> None:
    parts = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    kinds = "Spoofing, Tampering, Repudiation, Information disclosure, Denial of service, Elevation of privilege"
    assert ", ".join(parts) == kinds
    assert len(ROWS) >= 30


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-extras.lock", "requirements-check.lock", "requirements-dev.lock"]
)
def test_everything_that_is_installed_is_pinned_by_its_hash(lock: str) -> None:
    text = (PROJECT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 20
    for line in lines:
        assert re.search(r"^[\w.\[\]-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line), line[:60]
