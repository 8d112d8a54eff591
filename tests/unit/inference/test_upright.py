"""A slice that lies on its side is made upright before it is read, and nothing else is turned."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import Analysis, Reason
from inference.card import ModelError
from inference.gate import upright
from inference.gate.upright import UPRIGHT_FILE, UprightNet
from inference.registry import Entry, check_models
from inference.training.drawn.screens import STYLES
from tests import dicom_files, pictures

BRAINS = {
    "healthy": Image.open(pictures.SLICE).convert("RGB"),
    "lesion": Image.open(pictures.SLICE.with_name("brain-drawn-lesion.jpg")).convert("RGB"),
    "inverted": Image.open(pictures.SLICE).convert("L").point(lambda level: 255 - level).convert("RGB"),
}
TURNS = {"left": 1, "upside down": 2, "right": 3}


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def lain(image: Image.Image, quarters: int) -> bytes:
    """A PNG of the picture, turned left by so many quarters."""
    return pictures.encode(Image.fromarray(np.rot90(np.asarray(image), quarters)), "PNG")


def shown(analysis: Analysis) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(analysis.shown)), np.int16)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["healthy", "lesion"])
def test_a_slice_that_lies_is_read_and_shown_upright(analyser: Analyser, name: str, turn: str) -> None:
    alone = analyser.analyse(lain(BRAINS[name], 0))
    laid = analyser.analyse(lain(BRAINS[name], TURNS[turn]))
    assert laid.reason in (Reason.READ_TURNED, Reason.UNUSUAL_TURNED)
    assert (laid.organ, laid.verdict, laid.label) == (alone.organ, alone.verdict, alone.label)
    assert laid.probabilities == pytest.approx(alone.probabilities)
    assert shown(laid).shape == shown(alone).shape
    assert np.abs(shown(laid) - shown(alone)).max() < 8  # JPEG's blocks lie otherwise


@pytest.mark.parametrize("name", BRAINS)
def test_an_upright_slice_is_read_as_if_nothing_were_turned(analyser: Analyser, name: str) -> None:
    data = lain(BRAINS[name], 0)
    assert analyser.analyse(data) == replace(analyser, upright={}).analyse(data)


@pytest.mark.parametrize("seed", range(4))
def test_a_smear_is_never_turned(analyser: Analyser, seed: int) -> None:
    for quarters in range(4):
        analysis = analyser.analyse(lain(pictures.smear_image(seed=seed), quarters))
        assert analysis.reason not in (Reason.READ_TURNED, Reason.PART_TURNED)


@pytest.mark.parametrize(
    ("tags", "is_turned"),
    [
        ({}, True),
        ({"ImageOrientationPatient": [0, 0, 1, 1, 0, 0]}, False),
        ({"PatientOrientation": ["A", "F"]}, False),
    ],
    ids=["no directions", "directions", "directions in words"],
)
def test_dicom_with_directions_is_shown_as_it_says(analyser: Analyser, tags: dict[str, Any], is_turned: bool) -> None:
    pixels = np.ascontiguousarray(np.rot90(np.asarray(BRAINS["healthy"].convert("L"))))
    analysis = analyser.analyse(dicom_files.native(pixels, **tags))
    assert (analysis.reason is Reason.READ_TURNED) == is_turned
    assert (shown(analysis).shape[:2] == pixels.shape) != is_turned


def test_turned_slice_on_a_screen_is_made_upright(analyser: Analyser) -> None:
    screen = STYLES["portal_dark"](np.asarray(BRAINS["healthy"]), np.random.default_rng(3))
    analysis = analyser.analyse(lain(screen.convert("RGB"), 1))
    assert (analysis.organ, analysis.reason) == ("brain_mri", Reason.PART_TURNED)


def test_features_turn_with_the_picture() -> None:
    square = np.random.default_rng(1).random((upright.SIDE, upright.SIDE)).astype(np.float32)
    found = upright.measure(square)
    for number, laid in enumerate(upright.LAID):
        seen = np.rot90(square, number % upright.TURNS)
        assert upright.measure(seen if number < upright.TURNS else seen[:, ::-1]) == pytest.approx(
            found[laid], abs=1e-5
        )


def test_what_is_told_of_a_turned_square_is_turned() -> None:
    net = UprightNet.load(check_models()[1]["brain_mri"])
    assert net is not None
    square = upright.head_square(np.asarray(BRAINS["healthy"]))
    of_upright = net.of_features(upright.measure(square))
    for quarters in range(upright.TURNS):
        told = net.of_features(upright.measure(np.rot90(square, quarters)))
        assert told == pytest.approx(np.roll(of_upright, -quarters), abs=1e-4)


def test_a_net_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    entry = check_models()[1]["brain_mri"]
    arrays = dict(np.load(entry.folder / UPRIGHT_FILE))
    np.savez(tmp_path / UPRIGHT_FILE, **arrays | {"biases": arrays["biases"][1:]})
    with pytest.raises(ModelError, match=UPRIGHT_FILE):
        UprightNet.load(Entry(tmp_path, entry.card))
