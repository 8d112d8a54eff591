"""Draws training batches (NumPy, in a background thread) and says how each model's pictures are varied."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.training import augment, outliers
from inference.training.data import LEVELS, Arrays, Example
from inference.training.recipes import BLOOD_SMEAR, BRAIN_MRI, OTHER, Recipe

PASTED = 0.12
"""Share of the glioma and meningioma examples that are a tumour pasted into a healthy slice of another place."""


@dataclass(frozen=True, slots=True)
class Batch:
    """pictures [B, S, S, C] uint8, masks [B, S, S, 1] uint8, labels [B], masked [B], ellipses [B, 4]."""

    pictures: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int32]
    masked: NDArray[np.bool_]
    ellipses: NDArray[np.float32]


def with_tumors_removed(arrays: Arrays, recipe: Recipe) -> Arrays:
    """Add slices whose small tumour is covered by the mirrored other side, labelled as without tumour.

    So that "this scanner" no longer means "tumour". Only slices that are nearly their own mirror image are taken.
    """
    added, examples = [], []
    mass = 0.0
    for i in np.flatnonzero(arrays.masked):
        mask = arrays.masks[i] > 0
        if not 0.001 < mask.mean() < 0.05:
            continue
        picture = arrays.pictures[i, ..., 0].astype(np.float32)
        columns = np.flatnonzero(picture.max(0) > 40)
        centre = int(columns[0] + columns[-1])
        mirrored = np.zeros_like(picture)
        reach = np.arange(picture.shape[1])
        valid = (centre - reach >= 0) & (centre - reach < picture.shape[1])
        mirrored[:, valid] = picture[:, centre - reach[valid]]
        soft = feather(mask)
        other_side = np.zeros_like(mask)
        other_side[:, valid] = mask[:, centre - reach[valid]]
        outside = ~(mask | other_side)
        alike = np.corrcoef(picture[outside], mirrored[outside])[0, 1]
        if alike < 0.85 or (soft * other_side).sum() > 0.1 * mask.sum():
            continue
        added.append((picture * (1 - soft) + mirrored * soft)[..., None].astype(np.uint8))
        examples.append(arrays.examples[i])
    if not added:
        return arrays
    count = len(added)
    healthy = arrays.labels == recipe.tumor_free
    mass = 0.12 * sum(e.weight for e, h in zip(arrays.examples, healthy, strict=True) if h)
    renamed = tuple(
        replace(e, label=recipe.class_names[recipe.tumor_free], source="removed", weight=mass / count, mask=None)
        for e in examples
    )
    return Arrays(
        arrays.examples + renamed,
        np.concatenate([arrays.pictures, np.stack(added)]),
        np.concatenate([arrays.labels, np.full(count, recipe.tumor_free, np.int32)]),
        np.concatenate([arrays.masks, np.zeros((count, *arrays.masks.shape[1:]), np.uint8)]),
        np.concatenate([arrays.masked, np.zeros(count, bool)]),
    )


def feather(mask: NDArray[np.bool_], reach: int = 4) -> NDArray[np.float32]:
    """Widen a mask by ``reach`` pixels and soften its edge: values in 0..1."""
    soft: NDArray[np.float32] = mask.astype(np.float32)
    for _ in range(reach):
        padded = np.pad(soft, 1)
        soft = np.maximum(
            soft, np.maximum.reduce([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
        )
    for _ in range(3):
        padded = np.pad(soft, 1)
        soft = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + soft) * np.float32(0.2)
    return soft


def strip_ellipses(arrays: Arrays) -> NDArray[np.float32]:
    """For each grey picture an ellipse within the skull (x, y, rx, ry in 0..1), or zeros where that cuts the tumour."""
    side = arrays.pictures.shape[1]
    ellipses = np.zeros((len(arrays.pictures), 4), np.float32)
    ys, xs = np.mgrid[:side, :side]
    for i, picture in enumerate(arrays.pictures[..., 0]):
        columns, rows = np.flatnonzero((picture > 40).mean(0) > 0.03), np.flatnonzero((picture > 40).mean(1) > 0.03)
        if not columns.size or not rows.size:
            continue
        x, y = (columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2
        rx, ry = 0.42 * np.ptp(columns), 0.42 * np.ptp(rows)
        if arrays.masked[i]:
            mask = arrays.masks[i] > 0
            outside = ((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2 > 0.9
            if (mask & outside).sum() > 0.05 * mask.sum():
                continue
        ellipses[i] = x / side, y / side, rx / side, ry / side
    return ellipses


def draw_batches(arrays: Arrays, recipe: Recipe, seed: int) -> Iterator[Batch]:
    """Endless batches: classes by ``recipe.class_shares``, within a class by the examples' weights."""
    rng = np.random.default_rng(seed)
    weights = np.array([e.weight for e in arrays.examples])
    members = [np.flatnonzero(arrays.labels == k) for k in range(len(recipe.classes))]
    chances = [weights[m] / weights[m].sum() for m in members]
    ellipses = strip_ellipses(arrays) if recipe.name == BRAIN_MRI else np.zeros((len(arrays.labels), 4), np.float32)
    while True:
        labels = rng.choice(len(members), recipe.batch, p=recipe.class_shares)
        chosen = np.array([rng.choice(members[k], p=chances[k]) for k in labels])
        pictures = arrays.pictures[chosen]
        masks = arrays.masks[chosen][..., None]
        cut = ellipses[chosen]
        if recipe.name == BRAIN_MRI:
            for i in np.flatnonzero((labels < 2) & arrays.masked[chosen] & (rng.random(recipe.batch) < PASTED)):
                host = arrays.pictures[rng.choice(members[recipe.tumor_free], p=chances[recipe.tumor_free])]
                if (host[masks[i] > 0] > 25).mean() < 0.9:
                    continue
                soft = feather(masks[i, ..., 0] > 0, 2)[..., None]
                pictures[i] = (pictures[i] * soft + host * (1 - soft)).astype(np.uint8)
                cut[i] = 0
        yield Batch(pictures, masks, labels.astype(np.int32), arrays.masked[chosen], cut)


def with_drawn_outliers(arrays: Arrays, recipe: Recipe, count: int, seed: int) -> Arrays:
    """Add ``count`` drawn pictures to the gate's class "other": as much weight together as half of the real ones."""
    other = recipe.class_names.index(OTHER)
    is_other = arrays.labels == other
    drawn = outliers.draw(count, arrays.pictures.shape[1], arrays.pictures[~is_other], arrays.pictures[is_other], seed)
    real = sum(e.weight for e in arrays.examples if e.label == OTHER)
    example = arrays.examples[0]
    extra = tuple(Example(example.path, OTHER, "train", "drawn", f"drawn{i}", real / 2 / count) for i in range(count))
    return Arrays(
        arrays.examples + extra,
        np.concatenate([arrays.pictures, drawn]),
        np.concatenate([arrays.labels, np.full(count, other, np.int32)]),
        np.concatenate([arrays.masks, np.zeros((count, *arrays.masks.shape[1:]), np.uint8)]),
        np.concatenate([arrays.masked, np.zeros(count, bool)]),
    )


def vary(recipe: Recipe, batch: tuple[Any, ...], pool: Any) -> tuple[Any, Any]:
    """Augment one batch (tensors in the order of ``Batch``): model input [B, S, S, C] and masks [B, S, S, 1]."""
    pictures, masks, ellipses = tf.cast(batch[0], tf.float32) / 255, tf.cast(batch[1], tf.float32) / 255, batch[4]
    side = recipe.input.side
    if recipe.name == BRAIN_MRI:
        pictures = augment.strip(pictures, ellipses, 0.15)
        both = augment.geometry(
            tf.concat([pictures, masks], -1), side, turn=0.35, zoom=(0.85, 1.25), shift=0.07, flip_up=0.0, quarter=False
        )
        pictures, masks = both[..., :1], both[..., 1:]
        pictures = augment.curve(pictures, 0.45)
        pictures = augment.levels(pictures, 0.2, 0.4)
        pictures = augment.shading(pictures, 0.15)
        pictures = augment.low_resolution(augment.sharpness(pictures, 0.7), 0.15)
        pictures = augment.noise(pictures, 0.06)
        pictures = augment.boxes(pictures, 1, 0.1)
        pictures = augment.overlays(augment.frame(pictures, 0.15), pool, 0.25, dark=False)
    elif recipe.name == BLOOD_SMEAR:
        pictures = augment.geometry(
            pictures, side, turn=math.pi, zoom=(0.7, 1.7), shift=0.12, flip_up=0.5, quarter=False
        )
        pictures = augment.stains(pictures, 0.35, 0.15, 0.15)
        pictures = augment.levels(augment.curve(pictures, 0.3), 0.25, 0.4)
        pictures = augment.low_resolution(augment.sharpness(pictures, 0.7), 0.15)
        pictures = augment.noise(pictures, 0.08)
        pictures = augment.boxes(pictures, 2, 0.25, background=0.0)
        pictures = augment.overlays(augment.frame(pictures, 0.2), pool, 0.2, dark=False)
    else:
        pictures = augment.geometry(pictures, side, turn=0.4, zoom=(0.6, 1.35), shift=0.08, flip_up=0.2, quarter=True)
        pictures = augment.levels(pictures, 0.25, 0.35)
        pictures = augment.colour_cast(pictures, 0.06)
        pictures = augment.glare(pictures, 0.12)
        pictures = augment.low_resolution(augment.sharpness(pictures, 0.7), 0.15)
        pictures = augment.noise(pictures, 0.06)
        pictures = augment.boxes(pictures, 1, 0.1)
        pictures = augment.overlays(augment.frame(pictures, 0.25), pool, 0.25, dark=False)
    pictures = tf.clip_by_value(pictures, 0.0, 1.0) * LEVELS[recipe.input.normalisation]
    return pictures, masks
