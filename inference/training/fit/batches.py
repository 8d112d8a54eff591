"""Draws training batches (NumPy), varies their pictures (TensorFlow on the processor), all in background threads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.training.data.dataset import LEVELS, Arrays
from inference.training.drawn import outliers
from inference.training.fit import augment, findings, lesions
from inference.training.recipes import Recipe

AHEAD = 3
"""Batches that wait for the net, each thread's own not counted."""


@dataclass(frozen=True, slots=True)
class Batch:
    """pictures [B, S, S, C] uint8, masks [B, S, S, 1] uint8, labels [B], masked [B], ellipses [B, 4]."""

    pictures: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int32]
    masked: NDArray[np.bool_]
    ellipses: NDArray[np.float32]


def draw_batches(arrays: Arrays, recipe: Recipe, seed: int) -> Iterator[Batch]:
    """Endless batches: classes by ``recipe.shares``, within a class by the examples' weights."""
    rng = np.random.default_rng(seed)
    weights = np.array([e.weight for e in arrays.examples])
    members = [np.flatnonzero(arrays.labels == k) for k in range(len(recipe.classes))]
    probabilities = [weights[m] / weights[m].sum() for m in members]
    # Somebody's own pictures need not hold every class.
    shares = np.array([share * bool(len(m)) for share, m in zip(recipe.shares, members, strict=True)])
    movable = tuple(recipe.class_names.index(name) for name in recipe.movable)
    unusual = [i for i, c in enumerate(recipe.classes) if c.role == "finding" and recipe.painted]
    ellipses = lesions.strip_ellipses(arrays) if recipe.slices else np.zeros((len(arrays.labels), 4), np.float32)
    while True:
        labels = rng.choice(len(members), recipe.batch, p=shares / shares.sum())
        chosen = np.array([rng.choice(members[k], p=probabilities[k]) for k in labels])
        masks, masked = arrays.masks[chosen][..., None], arrays.masked[chosen]
        cut = ellipses[chosen]
        if recipe.slices and len(members[recipe.tumor_free]):
            hosts = rng.choice(members[recipe.tumor_free], recipe.batch, p=probabilities[recipe.tumor_free])
            pictures, mended = lesions.transplant(arrays, recipe.tumor_free, movable, chosen, hosts, rng)
            cut[mended] = 0
            for i in np.flatnonzero(np.isin(labels, unusual) & (rng.random(recipe.batch) < recipe.painted)):
                if spots := findings.painted(arrays.pictures[hosts[i]], rng):
                    pictures[i], masks[i, ..., 0] = spots
                    masked[i], cut[i] = True, 0
        else:
            pictures = arrays.pictures[chosen]
        yield Batch(pictures, masks, labels.astype(np.int32), masked, cut)


def stream(arrays: Arrays, recipe: Recipe, seed: int, threads: int = 1) -> Any:
    """A ``tf.data`` set of endless batches to learn from, made while the net learns (whatever Keras runs on).

    Model input [B, S, S, C] and {"masks": [B, S, S, 1] in 0..1, "labels": [B] int32, "masked": [B] in 0..1}. Which
    changes fall to which batch is a matter of chance with more than one of ``threads``.
    """
    side, channels = arrays.pictures.shape[1], arrays.pictures.shape[3]
    b, mask_side = recipe.batch, arrays.masks.shape[1]
    signature = (
        tf.TensorSpec((b, side, side, channels), tf.uint8),
        tf.TensorSpec((b, mask_side, mask_side, 1), tf.uint8),
        tf.TensorSpec((b,), tf.int32),
        tf.TensorSpec((b,), tf.bool),
        tf.TensorSpec((b, 4), tf.float32),
    )
    pool = tf.constant(outliers.letters(64, recipe.input.side, seed=3), tf.float32) / 255

    def generate() -> Iterator[tuple[Any, ...]]:
        for batch in draw_batches(arrays, recipe, seed):
            yield batch.pictures, batch.masks, batch.labels, batch.masked, batch.ellipses

    def varied(*batch: Any) -> tuple[Any, dict[str, Any]]:
        pictures, masks = vary(recipe, batch, pool)
        return pictures, {"masks": masks, "labels": batch[2], "masked": tf.cast(batch[3], tf.float32)}

    drawn = tf.data.Dataset.from_generator(generate, output_signature=signature)
    as_it_is = tf.autograph.experimental.do_not_convert(varied)  # it branches on no tensor, and to look takes seconds
    return drawn.map(as_it_is, num_parallel_calls=threads if threads > 1 else None).prefetch(AHEAD)


def vary(recipe: Recipe, batch: tuple[Any, ...], pool: Any) -> tuple[Any, Any]:
    """Augment one batch (tensors in the order of ``Batch``): model input [B, S, S, C] and masks [B, S, S, 1]."""
    pictures, masks, ellipses = tf.cast(batch[0], tf.float32) / 255, tf.cast(batch[1], tf.float32) / 255, batch[4]
    side = recipe.input.side
    if recipe.slices:
        pictures, masks = lesions.vary(pictures, masks, ellipses, side, pool)
    else:
        turn, flip = (0.1, 0.0) if recipe.upright else (0.4, 0.2)
        pictures = augment.geometry(
            pictures, side, turn=turn, zoom=(0.6, 1.35), shift=0.08, flip_up=flip, quarter=not recipe.upright
        )
        pictures = augment.levels(augment.curve(pictures, 0.3), 0.25, 0.35)
        if recipe.input.channels == 3:
            pictures = augment.colour_cast(pictures, 0.1)
        pictures = augment.glare(pictures, 0.12)
        pictures = augment.low_resolution(augment.sharpness(pictures, 0.7), 0.15)
        pictures = augment.noise(pictures, 0.06)
        pictures = augment.boxes(pictures, 1, 0.1)
        pictures = augment.overlays(augment.frame(pictures, 0.25), pool, 0.25, dark=False)
    pictures = tf.clip_by_value(pictures, 0.0, 1.0) * LEVELS[recipe.input.normalisation]
    return pictures, masks
