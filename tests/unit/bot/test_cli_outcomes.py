"""``tumorscan outcomes``: the figures, and an export that the training reads."""

import asyncio
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.cli.main import STOPPED_BY_MISTAKE, main
from inference.training.data.own_pictures import is_own, own_examples
from inference.training.recipes import BRAIN
from storage import Database, Pictures
from storage.outcomes import NOTHING, SOMETHING_ELSE
from storage.vault import new_key
from tests.unit.storage.conftest import a_scan


def jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (32, 32), shade).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    return url


async def fill(url: str, people: int) -> None:
    """Each person has a scan for each finding, and has agreed to all but the last being handed on."""
    database = await Database.open(url)
    kinds = ["glioma", "meningioma", "pituitary", NOTHING, SOMETHING_ELSE, "glioma"]
    for chat_id in range(1, people + 1):
        person = await database.people.register(chat_id, "Frau Geheimrat", "en")
        for number, found in enumerate(kinds):
            new = replace(a_scan(f"{number}"), pictures=Pictures(jpeg(chat_id + number), b"overlay"))
            scan, _ = await database.scans.add(person.id, new)
            await database.outcomes.note(person.id, scan.public_id, found)
            await database.outcomes.share(person.id, scan.public_id, shared=number < len(kinds) - 1)
    await database.close()


def test_the_export_is_read_by_the_training(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, 40))
    folder = tmp_path / "new" / "export"
    assert main(["outcomes", "export", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "brain_mri/glioma: 40" in said
    assert "Left out: 40" in said
    root = folder / "brain_mri"
    assert is_own(root)
    examples = own_examples(BRAIN, root)
    assert {label: sum(one.label == label for one in examples) for label in BRAIN.class_names} == {
        "glioma": 40, "meningioma": 40, "pituitary": 40, "tumor_other": 0, "other_finding": 0, "no_tumor": 40,
    }  # fmt: skip
    parts_of = {
        group: {one.part for one in examples if one.group == group} for group in {one.group for one in examples}
    }
    assert len(parts_of) == 40
    assert all(re.fullmatch("p[0-9a-f]{16}", group) for group in parts_of)
    assert all(len(parts) == 1 for parts in parts_of.values())
    with Image.open(examples[0].path) as picture:
        assert picture.size == (32, 32)
    assert b"Geheimrat" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*") if path.is_file())


def exported(folder: Path) -> list[tuple[str, bytes]]:
    """The pictures of an export in its index's order: group, and the bytes."""
    root = folder / "brain_mri"
    with (root / "index.csv").open(newline="", encoding="utf-8") as file:
        return [(row["group"], (root / row["file"]).read_bytes()) for row in csv.DictReader(file)]


@pytest.mark.parametrize("setting", ["DATA_KEY", "REPORT_KEY"])
def test_with_a_key_people_keep_their_groups_across_exports(
    setting: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(url, 3))
    first, other = new_key(), new_key()
    for number, key in enumerate([first, first, other]):
        monkeypatch.setenv(setting, key)
        assert main(["outcomes", "export", str(tmp_path / f"{number}")]) == 0
    assert exported(tmp_path / "0") == exported(tmp_path / "1")
    assert {group for group, _ in exported(tmp_path / "0")}.isdisjoint(group for group, _ in exported(tmp_path / "2"))
    assert "calls people otherwise" not in capsys.readouterr().out


def test_export_and_program_reveal_no_number_of_people(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(url, 3))
    for name in ("one", "other"):
        assert main(["outcomes", "export", str(tmp_path / name)]) == 0
    assert "DATA_KEY" in capsys.readouterr().out
    one, other = ({group for group, _ in exported(tmp_path / name)} for name in ("one", "other"))
    assert len(one) == len(other) == 3
    assert one.isdisjoint(other)


def test_export_order_hides_who_came_first(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_KEY", "A" * 43)
    asyncio.run(fill(url, 8))
    assert main(["outcomes", "export", str(tmp_path / "export")]) == 0
    groups = [group for group, _ in exported(tmp_path / "export")]
    one_after_the_other = [group for group in dict.fromkeys(groups) for _ in range(4)]  # as ``fill`` had them come
    assert sorted(groups) == sorted(one_after_the_other)
    assert groups != one_after_the_other


def test_without_a_yes_nothing_is_written(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, 0))
    assert main(["outcomes", "export", str(tmp_path / "export")]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == []


def test_a_folder_that_is_there_is_left_alone(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, 1))
    (tmp_path / "export").mkdir()
    assert main(["outcomes", "export", str(tmp_path / "export")]) == STOPPED_BY_MISTAKE
    assert "exists already" in capsys.readouterr().err


def test_the_figures_are_shown_beside_the_card(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(fill(url, 2))
    assert main(["outcomes"]) == 0
    said = capsys.readouterr().out
    assert "What doctors found (12)" in said
    assert "brain MRI, 1.0.0: 12" in said
    assert "8 of 8 were told signs" in said
