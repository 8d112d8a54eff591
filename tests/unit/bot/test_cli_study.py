"""``tumorscan scan`` on folders and studies: one answer for many slices, a spreadsheet, and odd names and files."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from bot.cli.files import find_inputs, name_stems, spelled_out
from bot.cli.main import main
from bot.cli.scan import as_json
from tests import pictures, studies
from tests.unit.bot.cli_calls import put, scan

HEAD = studies.head(10)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's


def test_folder_zip_and_volume_get_the_same_case_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    for name, data in studies.hospital_cd(HEAD).items():
        put(f"cd/{name}", data)
    archive, volume = put("a.zip", studies.pack(studies.series_files(HEAD))), put("v.nii.gz", studies.nifti(HEAD))
    status, lines = scan(capsys, "--study", "cd", archive, volume, "--out", "out")
    assert status == 0
    assert {line["verdict"] for line in lines} == {"tumor_signs"}
    assert [line["study"]["kind"] for line in lines] == ["folder", "zip", "volume"]
    assert {line["study"]["judged"] for line in lines} == {10}
    assert len({tuple(line["study"]["agreeing"]) for line in lines}) == 1
    assert lines[0]["study"]["set_aside"] == {"other_file": 5, "scout": 1, "other_part": 1, "unreadable": 1}
    report = "".join(page.extract_text() for page in PdfReader(lines[0]["outputs"]["report"]).pages)
    assert "in these slices" in " ".join(report.split())


def test_a_folder_without_study_is_read_file_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    put("series/b/2.jpg", pictures.brain())
    put("series/a/1.jpg", pictures.brain(tumour=False))
    put("series/.hidden/3.jpg", pictures.brain())
    _, lines = scan(capsys, "series")
    assert [line["file"] for line in lines] == ["series/a/1.jpg", "series/b/2.jpg"]
    assert [line["study"] for line in lines] == [None, None]


def test_a_zip_of_one_picture_is_that_picture(capsys: pytest.CaptureFixture[str]) -> None:
    _, (alone, packed) = scan(
        capsys,
        put("a.png", pictures.brain(kind="PNG")),
        put("a.zip", studies.pack({"x/a.png": Path("a.png").read_bytes()})),
    )
    assert packed["study"] is None
    assert packed["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


def test_pipes_and_overlong_names_do_not_stop_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    put("folder/a.jpg", pictures.brain())
    os.mkfifo("folder/pipe")
    long = put(f"{'x' * 251}.jpg", pictures.brain())
    status, lines = scan(capsys, "pipe", "folder", long, "y" * 9000, "--out", "out")
    assert status == 3
    assert [line["verdict"] == "not_readable" for line in lines] == [True, False, False, True]
    assert "pipe or a device" in lines[0]["reason"]
    assert Path(lines[2]["outputs"]["report"]).exists()


def test_names_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    name = put("a\x1b[31m\u009b2J\u202egpj.txt", b"hello")
    main(["scan", name])
    shown = capsys.readouterr().out
    assert not {"\x1b", "\u009b", "\u202e"} & set(shown)
    assert spelled_out("a\x1b[31m") == r"a\x1b[31m"
    assert json.loads(as_json({"file": name})) == {"file": name}
    assert not {"\x1b", "\u009b", "\u202e"} & set(as_json({"file": name}))


def test_the_spreadsheet_has_a_line_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    archive = put("=1+1.zip", studies.pack(studies.series_files(HEAD)))
    scan(capsys, archive, put("text.jpg", b"hello"), "--csv", "all.csv")
    with Path("all.csv").open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["file"] == "'=1+1.zip"
    assert (first["verdict"], first["slices"], first["agreeing"]) == ("tumor_signs", "10", "2")
    assert "meningioma" in first["probabilities"]
    assert (second["verdict"], second["slices"]) == ("not_readable", "")


def test_unwritable_spreadsheet_stops_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", put("a.jpg", b""), "--csv", "nowhere/all.csv"]) == 2
    assert "--csv nowhere/all.csv" in capsys.readouterr().err


def test_a_folder_without_files_stops_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["scan", "empty"]) == 2
    assert "there is no file in empty" in capsys.readouterr().err


def test_an_archive_larger_than_telegrams_limit_is_read_offline(capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 21 << 20, np.uint8).tobytes()
    _, (line,) = scan(capsys, put("cd.zip", studies.pack(studies.series_files(HEAD) | {"VIEWER/setup.exe": noise})))
    assert (line["verdict"], line["study"]["judged"]) == ("tumor_signs", 10)


def test_jobs_keep_their_order_and_their_own_names() -> None:
    put("s/10.jpg", b"")
    put("s/9.jpg", b"")
    whole = find_inputs([Path("s"), Path("b.jpg")], study=True)
    assert [(job.number, job.name, job.files is None) for job in whole] == [(1, "s", False), (2, "b", True)]
    assert [job.path.name for job in find_inputs([Path("s")], study=False)] == ["10.jpg", "9.jpg"]
    assert name_stems([Path("ä" * 130 + ".jpg"), Path("ä" * 130 + ".png")]) == ["ä" * 100, "ä" * 100 + "-2"]
