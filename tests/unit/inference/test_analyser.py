"""Bytes in, Analysis out, with the shipped models."""

import io
import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import Analysis, PictureError, Reason, Verdict
from inference.backends import WEIGHTS
from inference.card import MODELS_DIR, LesionArchitecture, ModelError
from inference.decision import likeliest_tumor
from inference.decode.imaging import decode
from inference.gate.ood_detector import REASONS
from tests import dicom_files, pictures


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def size_of(data: bytes | None) -> tuple[int, int]:
    assert data is not None
    return Image.open(io.BytesIO(data)).size


def test_an_analysis_is_whole(analyser: Analyser) -> None:
    data = pictures.photo()
    analysis = analyser.analyse(data, "brain_mri")
    assert analysis.organ == "brain_mri"
    assert analysis.verdict in {Verdict.TUMOR_SIGNS, Verdict.NO_TUMOR_SIGNS, Verdict.NOT_SURE}
    assert set(analysis.probabilities) == set(analyser.experts["brain_mri"].card.class_names)
    assert sum(analysis.probabilities.values()) == pytest.approx(1)
    assert analysis.label in analysis.probabilities
    assert analysis.confidence == analysis.probabilities[analysis.label or ""]
    assert analysis.picture_sha256 == sha256(data).hexdigest()
    assert (analysis.width, analysis.height) == (1280, 960)
    assert size_of(analysis.shown) == size_of(analysis.overlay) == size_of(analysis.heatmap) == (640, 480)
    assert analysis.model is not None
    weights = (MODELS_DIR / "brain_mri" / WEIGHTS["litert"]).read_bytes()
    assert analysis.model.sha256 == sha256(weights).hexdigest()


def test_the_heat_map_is_grey_in_eight_bits(analyser: Analyser) -> None:
    analysis = analyser.analyse(pictures.brain(), "brain_mri")
    image = Image.open(io.BytesIO(analysis.heatmap or b""))
    assert (image.format, image.mode) == ("PNG", "L")


def test_heat_map_shows_likeliest_tumour_on_card_scale(analyser: Analyser) -> None:
    data = pictures.brain()
    analysis = analyser.analyse(data, "brain_mri")
    expert = analyser.experts["brain_mri"]
    reading = expert.read(decode(data).rgb)
    index = expert.card.class_names.index(likeliest_tumor(reading.probabilities, expert.card))
    strongest = float(np.clip(reading.outputs.maps[..., index].max() / expert.card.heatmap_full_scale, 0, 1))
    shown = np.asarray(Image.open(io.BytesIO(analysis.heatmap or b"")))
    assert abs(int(shown.max()) - strongest * 255) <= 26  # the smooth enlargement moves peaks by a tenth at most


def test_the_same_picture_gives_the_same_answer(analyser: Analyser) -> None:
    assert analyser.analyse(pictures.smear()) == analyser.analyse(pictures.smear())


def test_file_format_does_not_change_the_answer(analyser: Analyser) -> None:
    grey = (pictures.brain_array() * 255).astype(np.uint8)
    png = pictures.encode(Image.fromarray(grey), "PNG")
    dicom = dicom_files.native(grey, WindowCenter="127.5", WindowWidth="256")
    one, other = (analyser.analyse(data, "brain_mri").probabilities for data in (png, dicom))
    assert one == pytest.approx(other, abs=0.02)


def test_a_hint_skips_the_gate(analyser: Analyser) -> None:
    analysis = analyser.analyse(pictures.cat(), "brain_mri")
    assert analysis.gate is None
    assert analysis.organ == "brain_mri"


def test_smear_without_white_cells_gets_its_own_reason(analyser: Analyser) -> None:
    with pytest.raises(PictureError) as refused:
        analyser.analyse(pictures.cat(), "blood_smear")
    assert refused.value.reason is Reason.NO_WHITE_CELLS


def test_drawn_scans_pass_the_gate_as_what_they_are(analyser: Analyser) -> None:
    assert analyser.analyse(pictures.brain()).organ == "brain_mri"
    assert analyser.analyse(pictures.smear()).organ == "blood_smear"


@pytest.mark.parametrize("draw", [pictures.cat, pictures.chest_xray, pictures.screenshot])
def test_anything_else_is_refused_and_the_experts_opinion_withheld(analyser: Analyser, draw: object) -> None:
    assert callable(draw)
    refused: Analysis = analyser.analyse(draw())
    assert (refused.verdict, refused.organ) == (Verdict.NOT_READABLE, None)
    assert refused.reason in (Reason.NOT_A_SCAN, *REASONS)
    assert refused.gate is not None
    assert sum(refused.gate.values()) == pytest.approx(1)
    assert dict(refused.probabilities) == {}
    assert refused.prediction_set == ()
    assert (refused.label, refused.confidence, refused.overlay, refused.heatmap) == (None, None, None, None)
    assert sum(refused.withheld.values()) == pytest.approx(1)
    assert size_of(refused.shown)[0] <= 640


def test_bytes_that_are_no_picture_raise_their_reason(analyser: Analyser) -> None:
    with pytest.raises(PictureError) as caught:
        analyser.analyse(pictures.truncated_jpeg())
    assert caught.value.reason is Reason.BROKEN


def test_mean_logit_is_bias_plus_mean_of_map(analyser: Analyser) -> None:
    drawn = [pictures.brain(), pictures.brain(tumour=False), pictures.smear(), pictures.cat(), pictures.photo()]
    for model in (analyser.gate.model, *analyser.experts.values()):
        if isinstance(model.card.architecture, LesionArchitecture):
            continue  # its lesion score is a maximum: its maps are held to Grad-CAM by test_backends
        biases = []
        for data in drawn:
            outputs = model.read(decode(data).rgb).outputs
            biases.append(outputs.logits - outputs.maps.mean(axis=(0, 1)))
        assert np.ptp(np.stack(biases), axis=0).max() <= 1e-4 * max(1.0, float(np.abs(biases).max()))


# --- models that are not as they should be ---


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR, tmp_path / "models"))


def test_a_missing_weight_file_is_named_with_the_fix(models: Path) -> None:
    (models / "brain_mri" / "model.tflite").unlink()
    with pytest.raises(ModelError, match=r"brain_mri/model\.tflite is missing: .*install"):
        Analyser.load(models)


def test_an_altered_weight_file_is_named_with_the_fix(models: Path) -> None:
    path = models / "gate" / "model.tflite"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"gate/model\.tflite was altered .*reinstall"):
        Analyser.load(models)


@pytest.mark.parametrize("name", ["gate", "brain_mri", "blood_smear"])
def test_a_missing_model_folder_is_named_with_the_fix(models: Path, name: str) -> None:
    shutil.rmtree(models / name)
    with pytest.raises(ModelError, match=rf"{name}.* is missing: .*install"):
        Analyser.load(models)


def test_weights_that_do_not_fit_their_card_are_refused(models: Path) -> None:
    card = json.loads((models / "gate" / "card.json").read_text())
    weights = (models / "brain_mri" / "model.tflite").read_bytes()
    (models / "gate" / "model.tflite").write_bytes(weights)
    card["sha256"]["model.tflite"] = sha256(weights).hexdigest()
    (models / "gate" / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="does not fit its card"):
        Analyser.load(models)


def test_weights_without_a_checksum_are_refused(models: Path) -> None:
    card = json.loads((models / "gate" / "card.json").read_text())
    del card["sha256"]["model.tflite"]
    (models / "gate" / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="no checksum"):
        Analyser.load(models)


def test_a_file_that_is_no_model_is_refused(models: Path) -> None:
    card = json.loads((models / "gate" / "card.json").read_text())
    (models / "gate" / "model.tflite").write_bytes(b"no model")
    card["sha256"]["model.tflite"] = sha256(b"no model").hexdigest()
    (models / "gate" / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="not a model that LiteRT can run"):
        Analyser.load(models)
