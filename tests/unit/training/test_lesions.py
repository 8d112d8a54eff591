"""Promises of what keeps the brain model from learning the hospital, on drawn heads."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from inference.training.data.dataset import Arrays
from inference.training.data.example import Example
from inference.training.fit import augment, lesions, losses
from inference.training.recipes import BRAIN, NO_TUMOR

SIDE = 96
FREE = BRAIN.tumor_free


def head(rng: np.random.Generator, level: float = 100) -> NDArray[np.uint8]:
    """A grey oval with a bright rim and some grain, [S, S]."""
    ys, xs = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    far = np.hypot(xs / 38, ys / 44)
    picture = np.where(far < 0.9, level, np.where(far < 1, 200.0, 0)) + rng.normal(0, 3, (SIDE, SIDE)) * (far < 1)
    return np.asarray(picture.clip(0, 255), np.uint8)


def spot(x: int = 66, y: int = 48, radius: float = 6) -> NDArray[np.bool_]:
    ys, xs = np.mgrid[:SIDE, :SIDE]
    return np.asarray(np.hypot(xs - x, ys - y) < radius)


def arrays(labels: list[int], level: float = 100) -> Arrays:
    """One head an example; a tumour is a spot of level 240 beside the middle."""
    rng = np.random.default_rng(0)
    pictures = np.stack([head(rng, level) for _ in labels])[..., None]
    masks = np.zeros((len(labels), SIDE, SIDE), np.uint8)
    for i, label in enumerate(labels):
        if label != FREE:
            masks[i] = spot() * np.uint8(255)
            pictures[i, spot()] = 240
    examples = tuple(
        Example(Path(f"{i}.png"), BRAIN.class_names[k], "train", "drawn", str(i), 2.0) for i, k in enumerate(labels)
    )
    return Arrays(examples, pictures, np.array(labels, np.int32), masks, np.array([k != FREE for k in labels]))


def test_removed_tumor_becomes_surrounding_tissue_and_nothing_else_changes() -> None:
    both = arrays([0])
    mask = both.masks[0] > 0
    filled = lesions.without_tumor(both.pictures[0, ..., 0], mask, np.random.default_rng(1))

    assert filled is not None
    assert abs(float(filled[mask].mean()) - 100) < 6
    far = lesions.feather(mask) == 0
    assert np.array_equal(filled[far], both.pictures[0, ..., 0][far])


def test_tumor_that_nothing_can_cover_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (SIDE, SIDE)).astype(np.uint8)

    assert lesions.without_tumor(noise, spot(), rng) is None


def test_tumor_removed_slices_count_as_healthy_at_fixed_share() -> None:
    before = arrays([0, 1, 2, FREE, FREE])
    after = lesions.with_tumors_removed(before, FREE, NO_TUMOR)
    weights = np.array([e.weight for e in after.examples])[after.labels == FREE]

    assert len(after.labels) == 8
    assert (after.labels[5:] == FREE).all()
    assert not after.masked[5:].any()
    assert weights[2:].sum() / weights.sum() == pytest.approx(lesions.REMOVED_SHARE)


def test_large_tumors_stay() -> None:
    before = arrays([0, FREE])
    before.masks[0] = spot(48, 48, 25) * np.uint8(255)

    assert len(lesions.with_tumors_removed(before, FREE, NO_TUMOR).labels) == 2


def test_implanted_tumor_lies_in_host_tissue_or_is_refused() -> None:
    rng = np.random.default_rng(0)
    both = arrays([0])
    host = head(rng, 60)[..., None]
    mask = both.masks[0] > 0
    mixed = lesions.implant(both.pictures[0], mask, host)

    assert mixed is not None
    assert mixed[mask].mean() > 230
    assert np.array_equal(mixed[lesions.feather(mask, 2) == 0], host[lesions.feather(mask, 2) == 0])
    assert lesions.implant(both.pictures[0], mask, np.zeros_like(host)) is None


def test_transplants_mend_both_sides_and_spare_stored_pictures() -> None:
    stored = arrays([1] * 30 + [2] * 5 + [FREE] * 60)
    before = stored.pictures.copy()
    chosen = np.arange(len(stored.labels))
    pictures, mended = lesions.transplant(stored, FREE, (0, 1), chosen, np.full(95, 40), np.random.default_rng(2))

    assert np.array_equal(stored.pictures, before)
    assert 0 < mended[:30].sum() < 20
    assert not mended[30:35].any(), "a pituitary tumour belongs to its place"
    assert 0 < mended[35:].sum() < 30
    assert np.array_equal(pictures[~mended], before[~mended])
    assert pictures[:30][mended[:30]][:, spot()].mean() > 230
    assert pictures[35:][mended[35:]][:, spot()].mean() < 120, "a seam must not mean a tumour"


def test_veiled_tumor_is_hosts_tissue_and_nothing_beside_it() -> None:
    rng = np.random.default_rng(4)
    host, mask = head(rng)[..., None], spot(radius=9)
    shifts = []
    for _ in range(40):
        veiled = lesions.veil(mask, host, rng)
        assert veiled is not None
        assert veiled.shape == host.shape
        assert np.array_equal(veiled[~spot(radius=16)], host[~spot(radius=16)])
        shifts.append(float(veiled[spot(radius=6)].mean()) - float(host[spot(radius=6)].mean()))
    assert min(shifts) < -25, "T1 shows it dark"
    assert max(shifts) > 25, "T2 and FLAIR show it bright"
    assert np.mean(np.array(shifts) < 0) > 0.5, "what is missed is seen in T1"
    assert lesions.veil(mask, np.zeros_like(host), rng) is None


def test_only_some_gliomas_are_veiled_in_other_slices() -> None:
    stored = arrays([BRAIN.class_names.index("glioma")] * 60 + [1] * 30 + [FREE] * 10)
    chosen = np.arange(len(stored.labels))
    pictures, mended = lesions.transplant(stored, FREE, (), chosen, np.full(100, 95), np.random.default_rng(3))

    assert 0 < mended[:60].sum() < 20
    assert not mended[60:90].any(), "of other kinds there are enough"
    beside = ~spot(radius=14)
    assert all(np.array_equal(pictures[i][beside], stored.pictures[95][beside]) for i in np.flatnonzero(mended[:60]))


def test_repainting_changes_only_inside_a_tumors_outline() -> None:
    pictures = np.full((40, 48, 48, 1), 0.4, np.float32)
    masks = np.zeros_like(pictures)
    masks[:20, 20:28, 20:28] = 1
    tf.random.set_seed(0)
    painted = lesions.repaint(pictures, masks, 1.0).numpy()

    assert np.array_equal(painted[20:], pictures[20:])
    assert np.ptp(painted[:20, 24, 24]) > 0.3
    assert np.abs(painted[:20, :4] - 0.4).max() < 1e-6
    assert np.array_equal(lesions.repaint(pictures, masks, 0.0).numpy(), pictures)


def test_wild_tones_reorder_tissues_and_tame_ones_never() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 65, dtype=np.float32)[:, None], (64, 65, 65))[..., None]
    tf.random.set_seed(0)
    tame, wild = augment.tones(ramp, 0.45, 0.0).numpy(), augment.tones(ramp, 0.45, 1.0).numpy()

    assert np.diff(tame, axis=1).min() >= -1e-6
    assert (np.diff(wild, axis=1) < -1e-3).any((1, 2, 3)).mean() > 0.8
    for bent in (tame, wild):
        assert np.abs(bent[:, 0]).max() < 1e-6
        assert bent.min() >= 0
        assert bent.max() <= 1 + 1e-6


TUMORS = np.array([1, 1, 1, 0], np.float32)
one = np.ones(1, np.float32)


def test_guidance_prefers_a_map_that_fills_the_outline() -> None:
    masks = np.zeros((1, 64, 64, 1), np.float32)
    masks[0, 16:40, 16:40] = 1
    dark = np.full((1, 8, 8, 4), -20, np.float32)
    filled, spilled, point = dark.copy(), dark.copy(), dark.copy()
    filled[0, 2:5, 2:5, 0] = spilled[0, 1:7, 1:7, 0] = point[0, 3, 3, 0] = 90
    loss = [float(losses.pointing(m, masks, np.array([0]), one, 0 * one, TUMORS)) for m in (filled, spilled, point)]

    assert loss[0] < 0.1
    assert loss[1] > loss[0] + 0.2
    assert loss[2] > loss[0] + 0.2


def test_guidance_keeps_other_tumor_maps_dark_beside_tumor() -> None:
    masks = np.zeros((1, 64, 64, 1), np.float32)
    masks[0, 16:40, 16:40] = 1
    alone = np.full((1, 8, 8, 4), -20, np.float32)
    alone[0, 2:5, 2:5, 0] = 90
    stray = alone.copy()
    stray[0, 7, 7, 1] = 90
    loss = [float(losses.pointing(m, masks, np.array([0]), one, 0 * one, TUMORS)) for m in (alone, stray)]

    assert loss[1] > loss[0] + 0.1
