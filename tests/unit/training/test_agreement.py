"""What the model cards measure is what people get: ``tumorscan scan --json`` and the evaluation say the same."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.cli.main import main
from inference.analyser import Analyser
from inference.model import Model
from inference.registry import check_models
from inference.training.measure import heatmaps
from inference.training.predict import MEANING, read_files
from tests import pictures

_, EXPERTS = check_models()
HOW_MANY = 12


def drawn(folder: Path, organ: str) -> list[Path]:
    """Square pictures as large as the model's input, so that its heat is not made larger."""
    draw = pictures.brain if organ == "brain_mri" else pictures.smear
    paths = []
    for i in range(3):
        with Image.open(io.BytesIO(draw())) as picture:
            turned = picture.convert("RGB").resize((160, 160)).rotate(20 * i)
        turned.save(folder / f"{organ}{i}.png")
        paths.append(folder / f"{organ}{i}.png")
    return paths


def agree(organ: str, paths: list[Path], told: list[dict[str, Any]], heatmaps_told: list[bytes]) -> None:
    """Compare what was told of each picture with what the evaluation reads in it."""
    organ_model = Model.load(EXPERTS[organ])
    card, predictions = organ_model.card, read_files(organ_model, paths)
    heats = heatmaps.shown(card, predictions)
    assert len(told) == len(paths)
    for i, line in enumerate(told):
        probabilities = [line["probabilities"][name] for name in card.class_names]
        assert probabilities == pytest.approx(predictions.probabilities[i].tolist(), abs=1e-6)
        assert {"tumor_signs": 1, "no_tumor_signs": -1, "not_sure": 0}[line["verdict"]] == predictions.said[i]
        inside = {
            name for name, p in zip(card.class_names, probabilities, strict=True) if p >= 1 - card.conformal[name]
        }
        assert set(line["prediction_set"]) == inside
        with Image.open(io.BytesIO(heatmaps_told[i])) as heat:
            seen = np.asarray(heat, np.float32) / 255
        if seen.shape == heats[i].shape:
            assert np.abs(seen - heats[i]).max() < 1 / 255 + 1e-6


@pytest.mark.parametrize("organ", ["brain_mri", "blood_smear"])
def test_tumorscan_scan_says_of_drawn_pictures_what_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, organ: str
) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    paths = drawn(tmp_path, organ)
    assert main(["scan", "--json", "--organ", organ, "--out", str(tmp_path / "out"), *map(str, paths)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    agree(organ, paths, lines, [Path(line["outputs"]["heatmap"]).read_bytes() for line in lines])


@pytest.mark.parametrize(("organ", "folder"), [("brain_mri", "brain"), ("blood_smear", "blood")])
def test_real_pictures_are_answered_as_they_are_measured(shared_data: Path, organ: str, folder: str) -> None:
    with (shared_data / folder / "index.csv").open() as file:
        names = sorted(row["file"] for row in csv.DictReader(file) if row.get("part", "test") == "test")
    chosen = random.Random(3).sample(names, HOW_MANY)  # noqa: S311 - no secret
    paths = [shared_data / folder / name for name in chosen]
    analyser = Analyser.load()
    answers = [analyser.analyse(path.read_bytes(), organ) for path in paths]
    told = [
        {"probabilities": a.probabilities, "verdict": a.verdict.value, "prediction_set": a.prediction_set}
        for a in answers
    ]
    agree(organ, paths, told, [a.heatmap or b"" for a in answers])


def test_every_verdict_of_an_expert_has_its_number() -> None:
    assert sorted(MEANING.values()) == [-1, 1]
