"""Promises of the copies that the gate learns from: letters of one archive beside the slices of another."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.training.data import gate_pictures
from inference.training.data.example import Example
from inference.training.data.marks import marked, marks_of, unmarked
from inference.training.fit import features
from inference.training.recipes import BRAIN_MRI
from tests import pictures

Rgb = NDArray[np.uint8]
MIDDLE = (slice(60, 260), slice(60, 260))
"""Where the head lies in ``plain``."""


@cache
def plain() -> Rgb:
    """A head of 200 pixels on a black ground of 320."""
    canvas = np.zeros((320, 320, 3), np.uint8)
    canvas[MIDDLE] = (pictures.brain_array(200) * 255).astype(np.uint8)[..., None]
    return canvas


def lettered(picture: Rgb) -> Rgb:
    """With a name at the top right and small print at the foot."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    pen.text((230, 8), "Archive", fill=(150, 150, 150), font=ImageFont.load_default(18))
    pen.text((60, 300), "Source: a teacher, 12/10/2003", fill=(200, 200, 200), font=ImageFont.load_default(11))
    return np.asarray(image)


def test_letters_beside_a_head_are_its_only_marks() -> None:
    marks = marks_of(lettered(plain()))
    assert marks is not None
    assert marks[:30, 220:].any()
    assert marks[295:].any()
    assert not marks[MIDDLE].any()


def test_a_slice_without_letters_has_no_marks() -> None:
    assert marks_of(plain()) is None
    assert marks_of(np.full((90, 90, 3), 70, np.uint8)) is None


def test_a_table_beside_the_body_is_no_writing() -> None:
    picture = plain().copy()
    picture[270:312, 20:300] = 180
    assert marks_of(picture) is None


@pytest.mark.parametrize("size", [(200, 260), (512, 400)])
def test_marks_lie_over_a_picture_of_another_size(size: tuple[int, int]) -> None:
    marks = marks_of(lettered(plain()))
    assert marks is not None
    picture = np.full((*size, 3), 40, np.uint8)
    with_marks = marked(picture, marks)
    assert with_marks.shape == picture.shape
    top = with_marks[: size[0] // 8, size[1] * 2 // 3 :]
    assert top.max() > 100
    assert (with_marks[size[0] // 3 : size[0] // 2, : size[1] // 2] == 40).all()


def test_a_bare_slice_keeps_its_head_and_no_letter() -> None:
    bare = unmarked(lettered(plain()))
    tissue = plain() > 30
    assert np.array_equal(bare[tissue], plain()[tissue])
    assert bare[:30].max() == 0
    assert bare[295:].max() == 0


def stored(folder: Path, name: str, picture: Rgb, label: str, kind: str) -> Example:
    path = folder / kind / "images" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return Example(path, label, "train", kind, name, detail=kind)


def test_letters_of_other_kinds_are_learned_beside_heads(tmp_path: Path) -> None:
    examples = [
        stored(tmp_path, "head", plain(), BRAIN_MRI, BRAIN_MRI),
        stored(tmp_path, "lettered", lettered(plain()[::-1]), "other", "ct_head"),
    ]
    made = {item.key: item for item in features.items(examples)}
    copies = {how: made[f"{BRAIN_MRI}/head.png varied 0 {how}"] for how in features.PRESENTED}
    assert all(item.kind == BRAIN_MRI for item in copies.values())
    assert copies["marked"].make()[295:].max() > 100
    assert np.array_equal(copies["marked"].make()[MIDDLE], plain()[MIDDLE])
    assert copies["unmarked"].make()[295:].max() == 0
    assert made["ct_head/lettered.png varied 0 unmarked"].make()[295:].max() == 0


def test_slices_of_which_none_has_letters_are_learned_from(tmp_path: Path) -> None:
    examples = [stored(tmp_path, "head", plain(), BRAIN_MRI, BRAIN_MRI)]
    made = {item.key: item for item in features.items(examples)}
    assert np.array_equal(made[f"{BRAIN_MRI}/head.png varied 0 marked"].make(), plain())
    assert not any("marked" in key for key in made if key.startswith(("flat", "outlier", "screen")))


def test_every_kind_that_archives_send_gets_the_same_copies(tmp_path: Path) -> None:
    assert set(features.GREY) <= {BRAIN_MRI, *gate_pictures.KINDS}
    examples = [
        stored(tmp_path, kind, plain(), BRAIN_MRI if kind == BRAIN_MRI else "other", kind)
        for kind in (*features.GREY, "viewer")
    ]
    items = [item for item in features.items(examples) if item.key.endswith(features.PRESENTED)]
    assert Counter(item.kind for item in items) == dict.fromkeys(features.GREY, len(features.PRESENTED))
