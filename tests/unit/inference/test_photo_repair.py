"""What a photo does to a slice is taken back: tint, raised black, slanting light, moiré; and a film sheet is split."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import PictureError, Reason
from inference.decode.film_sheet import Panel
from inference.gate import part_finder
from inference.gate.photo_repair import is_of_one_hue, repaired
from inference.study.opening import open_film_sheet
from inference.study.study import Kind
from inference.training.drawn.screen_photos import Shot, film_photo, screen_photo
from inference.training.drawn.screens import STYLES, sheet
from tests import pictures

GREY = pictures.brain_array(256).astype(np.float32)
SLICE = np.repeat((GREY * 255).astype(np.uint8)[..., None], 3, 2)
CALM = Shot(room=0.5, tilt=0.3, glare=0.2, moire=0.3, cast=0.4, blur=0.1)


def away(rgb: NDArray[np.uint8]) -> float:
    """Mean distance from the slice, in shares of its range."""
    return float(np.abs(rgb[..., 0] / 255 - GREY).mean())


def photographed(*, moire: float = 0.0, slant: float = 0.0, black: float = 0.0) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    stripes = 1 + moire * np.sin(2 * np.pi * (0.11 * x + 0.07 * y))
    pixels = black + slant * x / 256 + (1 - black - slant) * GREY * stripes
    tinted = pixels[..., None] * np.array([0.8, 1.0, 0.7], np.float32)
    return np.asarray(tinted.clip(0, 1) * 255, np.uint8)


@pytest.mark.parametrize(
    "shot", [{"moire": 0.2}, {"slant": 0.25}, {"black": 0.2}, {"moire": 0.2, "black": 0.1, "slant": 0.1}]
)
def test_tint_light_and_stripes_of_photo_are_removed(shot: dict[str, float]) -> None:
    photo = photographed(**shot)
    mended = repaired(photo)
    assert mended.shape == photo.shape
    assert away(mended) < 0.6 * away(photo)
    assert np.percentile(mended, 2) == 0
    assert mended.max() == 255


def test_faultless_slice_stays_nearly_unchanged() -> None:
    assert away(repaired(SLICE)) < 0.03
    assert repaired(np.zeros((40, 50, 3), np.uint8)).shape == (40, 50, 3)


def test_colours_are_told_from_a_tint() -> None:
    assert is_of_one_hue(photographed(moire=0.1, black=0.1))
    assert not is_of_one_hue(np.asarray(pictures.smear_image(200, 200)))


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


@pytest.mark.parametrize(("style", "seed"), [("photographed", 3), ("on_film", 4)])
def test_slice_in_a_photo_is_read_as_sent_directly(analyser: Analyser, style: str, seed: int) -> None:
    alone = analyser.analyse(pictures.encode(Image.fromarray(SLICE), "PNG"))
    shown = analyser.analyse(pictures.encode(STYLES[style](SLICE, np.random.default_rng(seed)), "PNG"))
    assert (shown.organ, shown.verdict, shown.reason) == (alone.organ, alone.verdict, Reason.READ_PART)
    rgb = np.asarray(Image.open(io.BytesIO(shown.shown)).convert("RGB"), np.int16)
    assert np.abs(rgb - rgb[..., :1]).max() <= 4


def test_a_photo_of_one_film_is_no_sheet(analyser: Analyser) -> None:
    """Lines of a light box cut it into pieces, one of which looks like a slice."""
    assert analyser.admit(film_photo(SLICE, np.random.default_rng(0))).organ == "brain_mri"


@pytest.mark.parametrize("first", [0, 5, 7])
def test_sheet_begins_with_necks_and_has_several_slices(analyser: Analyser, first: int) -> None:
    """Of twelve parts those from ``first`` on are slices, the others show something else."""
    noise = np.random.default_rng(0).integers(0, 255, SLICE.shape, np.uint8)
    row = np.concatenate([noise] * first + [SLICE] * (12 - first), axis=1)
    panels = [Panel(256 * i, 0, 256 * (i + 1), 256) for i in range(12)]
    assert part_finder._are_slices(analyser.gate, row, panels, lambda organ: organ == "brain_mri") == (first < 7)


@pytest.mark.parametrize("seed", [0, 3])
def test_strip_of_a_head_in_a_photo_is_refused(analyser: Analyser, seed: int) -> None:
    """Several parts of a photo are tried; the best of them is 0.63 here, which would do for a picture sent directly."""
    bad = Shot(room=0.6, tilt=0.6, glare=1, moire=1, cast=0.6, blur=1.5)
    assert analyser.admit(screen_photo(SLICE[:90], np.random.default_rng(seed), bad)).organ is None


@pytest.mark.parametrize(("rows", "columns"), [(1, 2), (2, 3)])
def test_a_photographed_film_sheet_is_split(analyser: Analyser, rows: int, columns: int) -> None:
    heads = [np.repeat((pictures.brain_array(200, seed=i) * 255).astype(np.uint8)[..., None], 3, 2) for i in range(6)]
    film = np.asarray(sheet(heads[: rows * columns], columns, np.random.default_rng(8)))
    data = pictures.encode(Image.fromarray(film_photo(film, np.random.default_rng(2), CALM, side=1400)), quality=90)
    with pytest.raises(PictureError) as refused:
        analyser.analyse(data)
    assert refused.value.reason is Reason.SEVERAL_SLICES
    study = open_film_sheet(data)
    assert study is not None
    assert (study.kind, len(study.slices)) == (Kind.SHEET, rows * columns)
