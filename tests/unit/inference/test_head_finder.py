"""A head is found in a photo by itself, where no frame of a screen leads to it, and what is no head is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.analyser import Analyser
from inference.gate.head_finder import find_heads
from inference.training.drawn import ood_kinds
from inference.training.drawn.unseen_photos import laptop
from tests import pictures

Rgb = NDArray[np.uint8]
SLICE = np.repeat((pictures.brain_array(256) * 255).astype(np.uint8)[..., None], 3, 2)


def room(*, keys: bool = False) -> Rgb:
    """A light table, with rows of dark keys on it where asked."""
    table = np.full((400, 500, 3), 150, np.uint8)
    if keys:
        for y in range(210, 390, 36):
            for x in range(20, 470, 36):
                table[y : y + 26, x : x + 26] = 30
    return table


def with_screen(table: Rgb, left: int) -> Rgb:
    """A black screen with the slice in its middle lies on the table from ``left`` on."""
    table[10:200, left : left + 230] = 8
    part = SLICE[::2, ::2][:, :, :]
    table[40:168, left + 50 : left + 178] = np.maximum(part, 8)
    return table


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


@pytest.mark.parametrize("left", [10, 130, 260])
@pytest.mark.parametrize("keys", [False, True])
def test_a_head_is_found_among_keys_and_without_them(left: int, keys: bool) -> None:
    heads = find_heads(with_screen(room(keys=keys), left))
    assert len(heads) == 1
    assert abs((heads[0].left + heads[0].right) / 2 - (left + 114)) < 12
    assert abs((heads[0].top + heads[0].bottom) / 2 - 104) < 12


def test_keys_a_plain_table_and_a_lamp_are_no_heads() -> None:
    lamp = room()
    ys, xs = np.mgrid[:400, :500]
    lamp[np.hypot(ys - 200, xs - 250) < 90] = 10
    lamp[np.hypot(ys - 200, xs - 250) < 50] = 240  # evenly lit
    for picture in (room(), room(keys=True), lamp):
        assert find_heads(picture) == ()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 640), (640, 3), (17, 17), (64, 64)])
def test_no_shape_of_picture_upsets_the_search_for_heads(height: int, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for head in find_heads(noise):
        assert head.crop(noise).size


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_slice_on_a_laptop_is_read_despite_its_keys(analyser: Analyser, seed: int) -> None:
    photo = laptop(SLICE, np.random.default_rng(seed))
    admission = analyser.admit(photo)
    assert admission.organ == "brain_mri"
    assert admission.picture.shape != photo.shape


@pytest.mark.parametrize("kind", list(ood_kinds.KINDS)[:4])
def test_other_bodies_on_a_laptop_stay_refused(analyser: Analyser, kind: str) -> None:
    for seed, picture in enumerate(ood_kinds.draw(kind, 2)):
        assert analyser.admit(laptop(picture, np.random.default_rng(seed))).organ is None
