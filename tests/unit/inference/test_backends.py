"""What serves (LiteRT) says the same as the reference (TensorFlow with GradientTape Grad-CAM)."""

import csv
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.analyser import Analyser
from inference.decode.imaging import decode
from inference.explain import heat
from inference.model import Model
from tests import pictures

pytest.importorskip("tensorflow", reason="the reference needs the extra 'train'", exc_type=ImportError)

DRAWN = [
    pictures.brain(), pictures.brain(tumour=False, seed=4), pictures.photo(),
    pictures.smear(), pictures.smear(blasts=False), pictures.cat(), pictures.chest_xray(),
]  # fmt: skip


@pytest.fixture(scope="module")
def both() -> tuple[Analyser, Analyser]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Analyser.load(), Analyser.load(backend="tensorflow")


def pairs(both: tuple[Analyser, Analyser]) -> Iterator[tuple[Model, Model]]:
    serving, reference = both
    yield serving.gate.model, reference.gate.model
    for organ, model in serving.experts.items():
        yield model, reference.experts[organ]


def assert_same(one: Model, other: Model, rgb: NDArray[np.uint8]) -> None:
    a, b = one.read(rgb), other.read(rgb)
    for name, chance in a.probabilities.items():
        assert abs(chance - b.probabilities[name]) <= 2e-4  # sums of a hundred layers, in another order
    for index in range(a.outputs.maps.shape[-1]):
        # Where a map stays far below the scale that it is drawn at, it is dark: what it holds there is rounding.
        strongest = max(float(outputs.maps[..., index].max()) for outputs in (a.outputs, b.outputs))
        scale = max(strongest, one.card.heatmap_full_scale)
        difference = heat(a.outputs.maps[..., index], scale) - heat(b.outputs.maps[..., index], scale)
        assert np.abs(difference).max() <= 1e-3
    assert np.allclose(a.outputs.features, b.outputs.features, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("number", range(len(DRAWN)))
def test_both_backends_agree_on_drawn_pictures(both: tuple[Analyser, Analyser], number: int) -> None:
    rgb = decode(DRAWN[number]).rgb
    for one, other in pairs(both):
        assert_same(one, other, rgb)


def test_both_backends_agree_on_real_pictures(both: tuple[Analyser, Analyser], shared_data: Path) -> None:
    for part in ("brain", "blood", "other"):
        with (shared_data / part / "index.csv").open() as file:
            files = [row["file"] for row in csv.DictReader(file)]
        for name in files[:: len(files) // 8]:
            rgb = decode((shared_data / part / name).read_bytes()).rgb
            for one, other in pairs(both):
                assert_same(one, other, rgb)


def test_maps_of_anything_are_those_of_grad_cam(both: tuple[Analyser, Analyser]) -> None:
    rng = np.random.default_rng(0)
    for serving, reference in pairs(both):
        spec = serving.card.input
        for _ in range(3):
            noise = rng.random((1, spec.side, spec.side, spec.channels)).astype(np.float32)
            off = np.abs(serving.backend.run(noise).maps - reference.backend.run(noise).maps).max()
            assert off < 1e-3 * max(1, serving.card.heatmap_full_scale / 10)


def test_the_whole_answer_is_the_same(both: tuple[Analyser, Analyser]) -> None:
    serving, reference = (analyser.analyse(DRAWN[0]) for analyser in both)
    assert (serving.organ, serving.verdict, serving.label) == (reference.organ, reference.verdict, reference.label)
    assert serving.model is not None
    assert reference.model is not None
    assert serving.model.sha256 != reference.model.sha256  # each names the file that it ran
