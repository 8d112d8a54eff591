"""``tumorscan scan`` and ``tumorscan model``, as an operator uses them."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pypdf import PdfReader

from bot.chat.languages import load_language
from bot.cli.files import name_stems
from bot.cli.main import main
from bot.knowledge.loader import codes
from inference.analysis import Reason
from inference.card import MODELS_DIR
from inference.gate.ood_detector import REASONS
from inference.registry import check_models
from tests import dicom_files, pictures
from tests.unit.bot.cli_calls import put, scan

KEYS = {
    "file", "organ", "verdict", "label", "confidence", "probabilities", "withheld", "prediction_set", "gate", "model",
    "study", "reason", "outputs",
}  # fmt: skip
VERDICTS = {"tumor_signs", "no_tumor_signs", "not_sure"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's


def test_a_scan_gives_one_json_line_with_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    status, (line,) = scan(capsys, put("slice.jpg", pictures.brain()))
    assert status == 0
    assert set(line) == KEYS
    assert line["file"] == "slice.jpg"
    assert line["organ"] == "brain_mri"
    assert line["verdict"] in VERDICTS
    assert sum(line["probabilities"].values()) == pytest.approx(1)
    assert line["label"] in line["probabilities"]
    assert line["confidence"] == line["probabilities"][line["label"]]
    assert set(line["gate"]) == {"brain_mri", "blood_smear", "other"}
    assert line["withheld"] == {}
    assert line["model"].startswith("brain_mri ")
    assert line["reason"]
    assert line["outputs"] == {"overlay": None, "heatmap": None, "report": None}


def test_out_holds_overlay_heat_map_and_report(capsys: pytest.CaptureFixture[str]) -> None:
    status, (line,) = scan(capsys, "--out", "out/of/nowhere", put("photo.jpg", pictures.photo()))
    assert status == 0
    outputs = {name: Path(path) for name, path in line["outputs"].items()}
    assert {name: path.name for name, path in outputs.items()} == {
        "overlay": "photo.overlay.jpg", "heatmap": "photo.heatmap.png", "report": "photo.report.pdf",
    }  # fmt: skip
    with Image.open(outputs["overlay"]) as overlay, Image.open(outputs["heatmap"]) as heatmap:
        assert overlay.size == heatmap.size == (640, 480)
        assert heatmap.mode == "L"
    text = PdfReader(outputs["report"]).pages[0].extract_text()
    assert "photo.jpg" in text
    assert line["model"].split()[-1] in "".join(page.extract_text() for page in PdfReader(outputs["report"]).pages)


def test_dicom_in_gives_dicom_out_of_the_same_study(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(pictures.brain())).convert("L"))
    study = {"StudyInstanceUID": "1.2.840.99999.1", "PatientName": "Zwrtlbrmft^Quixotria", "Modality": "MR"}
    files = put("slice.dcm", dicom_files.native(pixels, **study)), put("slice.jpg", pictures.brain())
    status, (line, other) = scan(capsys, "--dicom", "--out", "out", *files)

    assert status == 0
    for key in ("dicom_report", "dicom_heatmap"):
        made = pydicom.dcmread(line["outputs"][key])
        assert {keyword: str(made.get(keyword)) for keyword in ("StudyInstanceUID", "PatientName")} == {
            keyword: study[keyword] for keyword in ("StudyInstanceUID", "PatientName")
        }
    assert set(other["outputs"]) == {"overlay", "heatmap", "report"}
    assert main(["scan", "--dicom", *files]) != 0, "there is no folder to put them into"


def test_equal_names_in_different_folders_are_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        put("a/x.jpg", pictures.brain()),
        put("b/x.jpg", pictures.smear()),
        put("c/X.png", pictures.brain(kind="PNG")),
    ]
    _, lines = scan(capsys, "--out", "out", *files)
    written = [path for line in lines for path in line["outputs"].values()]
    assert len({path.casefold() for path in written}) == 9
    assert all(Path(path).exists() for path in written)


def test_a_numbered_name_never_takes_that_of_a_file() -> None:
    names = name_stems([Path("a/x.jpg"), Path("b/x.jpg"), Path("x-2.jpg"), Path("c/x.png")])
    assert names == ["x", "x-3", "x-2", "x-4"]


def test_unreadable_files_get_one_sentence_and_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    texts = load_language("en", check_models()[1]).texts
    bad = {
        "empty.jpg": (b"", "refusal.empty"),
        "text.jpg": (b"not a picture at all", "refusal.unknown_format"),
        "cut.jpg": (pictures.truncated_jpeg(), "refusal.broken"),
        "dot.png": (pictures.encode(Image.new("RGB", (1, 1)), "PNG"), "refusal.too_small"),
        "bomb.png": (pictures.huge_png(), "refusal.too_many_pixels"),
        "large.bin": (bytes(25_000_000), "refusal.too_large_file"),
        "blank.png": (pictures.encode(Image.new("RGB", (300, 300), "red"), "PNG"), "refusal.blank"),
        "none.dcm": (dicom_files.without_picture(), "refusal.dicom_without_picture"),
        "cut.dcm": (dicom_files.native((pictures.brain_array() * 255).astype(np.uint8))[:-9000], "refusal.broken"),
    }
    no_scans = {"cat.jpg": pictures.cat(), "chest.jpg": pictures.chest_xray()}
    files = [put(name, data) for name, (data, _) in bad.items()]
    files += [put(name, data) for name, data in no_scans.items()]
    status, lines = scan(capsys, "--out", "out", *files, "missing.jpg", "x" * 5000)
    assert status == 3
    # What is to be done in a chat is of no use here.
    assert [line["reason"] for line in lines[: len(bad)]] == [texts.plain(key) for _, key in bad.values()]
    told = {texts.plain(f"refusal.{why}").removesuffix(" /scan tells more.") for why in (Reason.NOT_A_SCAN, *REASONS)}
    assert {line["reason"] for line in lines[len(bad) : -2]} <= told
    assert not any("/scan" in line["reason"] for line in lines)
    assert "No such file" in lines[-2]["reason"]
    assert "name too long" in lines[-1]["reason"]
    for line in lines:
        assert set(line) == KEYS
        assert (line["verdict"], line["organ"], line["label"]) == ("not_readable", None, None)
        assert line["probabilities"] == {}
    withheld = {line["file"]: line["withheld"] for line in lines}
    assert withheld["cut.jpg"] == {}
    assert sum(withheld["cat.jpg"].values()) == pytest.approx(1)
    assert list(Path("out").iterdir()) == []


def test_odd_but_sound_files_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    grey = (pictures.brain_array() * 4000).astype(np.uint16)
    files = [
        put("moving.gif", pictures.animated_gif()),
        put("ink.jpg", pictures.cmyk_jpeg()),
        put("deep.png", pictures.deep_png()),
        put("scan.dcm", dicom_files.jpeg2000(grey, BitsStored=12, HighBit=11)),
    ]
    status, lines = scan(capsys, *files)
    assert status == 0
    assert {line["organ"] for line in lines} == {"brain_mri"}


def test_lines_come_in_the_order_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    files = [put(f"{n}.jpg", pictures.photo() if n % 5 == 0 else b"") for n in range(30)]
    _, lines = scan(capsys, *files)
    assert [line["file"] for line in lines] == files


def test_a_named_organ_skips_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    status, (line,) = scan(capsys, "--organ", "brain_mri", put("cat.jpg", pictures.cat()))
    assert status == 0
    assert (line["organ"], line["gate"]) == ("brain_mri", None)


def test_without_json_each_file_gets_a_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["scan", put("slice.jpg", pictures.brain()), put("page.jpg", pictures.screenshot())])
    first, second = capsys.readouterr().out.splitlines()
    assert status == 3
    assert first.startswith("slice.jpg: ")
    assert second.startswith("page.jpg: This looks like a photo, a drawing, a page")


def test_a_terminal_gets_a_progress_bar_for_several_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    status, lines = scan(capsys, put("a.jpg", b""), put("b.jpg", b""))
    assert (status, len(lines)) == (3, 2)
    assert "2/2" in terminal.getvalue()


def test_unwritable_output_folder_stops_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    put("file", b"")
    assert main(["scan", "--out", "file", put("a.jpg", pictures.brain())]) == 2
    assert capsys.readouterr().err.startswith("tumorscan: --out file: ")


def test_altered_weights_stop_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models = Path(shutil.copytree(MODELS_DIR, tmp_path / "models"))
    (models / "brain_mri" / "model.tflite").write_bytes(b"other weights")
    monkeypatch.setenv("MODELS_DIR", str(models))
    assert main(["scan", put("a.jpg", pictures.brain())]) == 2
    complaint = capsys.readouterr().err
    assert "brain_mri/model.tflite was altered" in complaint
    assert complaint.count("\n") == 1
    assert main(["model", "verify"]) == 1
    assert "was altered" in capsys.readouterr().out


def test_the_models_can_be_listed_verified_and_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list"]) == 0
    listed = capsys.readouterr().out
    for name in ("gate", "brain_mri", "blood_smear"):
        assert name in listed
        assert main(["model", "card", name]) == 0
        assert "Intended use" in capsys.readouterr().out
    assert main(["model", "verify"]) == 0
    assert "All models are sound." in capsys.readouterr().out
    assert main(["model", "card", "--json", "gate"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "gate"
    assert main(["model", "card", "liver"]) == 2
    assert "there is no model 'liver'" in capsys.readouterr().err


def test_unknown_language_is_answered_with_available_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--language", "klingon", put("slice.jpg", b"")]) == 2
    assert capsys.readouterr().err == "tumorscan: --language klingon: there are " + ", ".join(codes()) + "\n"


def test_words_can_be_asked_for_in_a_language(capsys: pytest.CaptureFixture[str]) -> None:
    _, (line,) = scan(capsys, "--language", "English", put("slice.jpg", b""))
    assert "This file is empty" in line["reason"]
