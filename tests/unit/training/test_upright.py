"""The net that tells how a slice lies: what it is fitted to, that it learns, and that its card names it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.card import MODELS_DIR, load_card
from inference.gate import upright
from inference.gate.upright import UprightNet, measure
from inference.registry import Entry
from inference.training.fit.upright import KEPT, fit, plain, rows_of, vary, write
from tests import pictures

HEADS = [
    np.asarray(Image.fromarray(np.uint8(200 * pictures.brain_array(KEPT, tumour=tumour, seed=seed))))
    for tumour, seed in ((True, 1), (False, 2), (False, 3))
]


@pytest.fixture(scope="module")
def net() -> UprightNet:
    rng = np.random.default_rng(0)
    rows = np.stack([rows_of(vary(head, rng)) for head in HEADS for _ in range(60)]).astype(np.float16)
    return fit(rows, np.ones(len(rows), np.float32), rng)


def test_varied_squares_are_squares_of_levels() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        square = vary(HEADS[0], rng)
        assert square.shape == (upright.SIDE, upright.SIDE)
        assert square.dtype == np.float32
        assert 0 <= square.min() <= square.max() <= 1


def test_it_learns_which_way_is_up(net: UprightNet) -> None:
    for head in HEADS:
        for quarters in range(upright.TURNS):
            told = net.of_features(measure(np.rot90(plain(head), quarters)))
            assert told.argmax() == -quarters % upright.TURNS


def test_the_card_names_what_was_written(net: UprightNet, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(MODELS_DIR / "brain_mri", tmp_path / "brain_mri"))
    write(net, folder)
    kept = UprightNet.load(Entry(folder, load_card(folder)))  # which holds it against its checksum
    assert kept is not None
    assert kept.biases == pytest.approx(net.biases, abs=1e-3)
