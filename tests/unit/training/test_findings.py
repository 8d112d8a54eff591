"""Promises of the findings that are painted into healthy slices."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.training.fit import findings
from inference.training.fit.batches import draw_batches
from inference.training.recipes import BRAIN, OTHER_FINDING
from tests.unit.training.test_lesions import SIDE, arrays, head

FINDING = BRAIN.class_names.index(OTHER_FINDING)


def slice_of_head() -> NDArray[np.uint8]:
    return head(np.random.default_rng(0))[..., None]


def test_painted_spots_change_their_outline_and_hardly_anything_else() -> None:
    for seed in range(20):
        picture = slice_of_head()
        spots = findings.painted(picture, np.random.default_rng(seed))
        assert spots is not None
        changed, outline = spots
        change = np.abs(changed[..., 0].astype(int) - picture[..., 0])

        assert set(np.unique(outline)) == {0, 255}
        assert change[outline > 0].min() > 10
        assert (change > 0).mean() < 0.3
        assert change[outline > 0].mean() > 5 * change[outline == 0].mean()


def test_spots_lie_in_brain_not_in_skull_or_air() -> None:
    ys, xs = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    skull = np.hypot(xs / 38, ys / 44) > 0.97
    for seed in range(20):
        spots = findings.painted(slice_of_head(), np.random.default_rng(seed))
        assert spots is not None
        assert (spots[1][skull] > 0).mean() < 0.01


def test_black_picture_gets_no_spots() -> None:
    assert findings.painted(np.zeros((SIDE, SIDE, 1), np.uint8), np.random.default_rng(0)) is None


def test_some_drawn_findings_are_painted_and_outlined() -> None:
    both = arrays([FINDING, BRAIN.tumor_free] * 8)
    plain = replace(both, masks=np.zeros_like(both.masks), masked=np.zeros(16, bool))
    shares = tuple(float(i == FINDING) for i in range(len(BRAIN.classes)))
    recipe = replace(BRAIN, class_shares=shares, batch=64, painted=0.5)
    batch = next(draw_batches(plain, recipe, 1))

    assert 0.3 < batch.masked.mean() < 0.7
    assert np.array_equal(batch.masks.any((1, 2, 3)), batch.masked)
    assert not next(draw_batches(plain, replace(recipe, painted=0.0), 1)).masked.any()
