"""What keeps a brain model from learning the hospital: tumours taken out of slices, and put into those of other places.

A picture here is a cached one, [S, S] or [S, S, 1] uint8 (see ``data.Arrays``).
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from inference.training.data.dataset import Arrays
from inference.training.fit import augment

PASTED = 0.22
"""Share of the movable tumours that are pasted into a slice of another place."""
VEILED = 0.12
"""Share of the outlined gliomas whose outline lies in a slice of another place whose own tissue is darker or brighter
there: a low-grade glioma as T1 shows it, of which too few are to be had."""
VEIL_DARK = 0.65
"""Share of these that are darker (T1) and not brighter (T2, FLAIR) than what is around them."""
DARKER, BRIGHTER = (12.0, 60.0), (25.0, 110.0)
"""By how many levels."""
PATCHED = 0.15
"""Share of the slices without tumour with tissue pasted in from another: a seam must not mean a tumour."""
REMOVED_SHARE = 0.16
"""Share of the draws without tumour that are slices whose tumour was taken out."""
DIFFUSE, DIFFUSE_WEIGHT = "glioma", 0.35
"""A glioma reaches beyond its outline: a slice that it was taken out of may still look ill, and counts for less."""
TISSUE = 25
"""Levels above this are tissue, not background."""
WORST_FIT = 26.0
"""How many levels (root mean square around the hole) a patch may be off."""
LIKELY_LEVELS = (0.3, 0.95)
"""How bright a repainted tumour is: from dim to brighter than all else (0.8 is the 99th percentile of a picture)."""

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def feather(mask: Mask, reach: int = 4) -> NDArray[np.float32]:
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


@dataclass(frozen=True, slots=True)
class _Moves:
    """Ways to where tissue may be taken from, [N, 1] each: along the columns as they are, or mirrored."""

    sign: NDArray[np.intp]
    start: NDArray[np.intp]
    dx: NDArray[np.intp]
    dy: NDArray[np.intp]

    @classmethod
    def about(cls, twice_the_middle: int) -> Self:
        """A little off the mirror image, whose axis is the middle column, or further off on the same side."""
        near, far = np.arange(-14, 15, 5), np.arange(-65, 66, 5)
        moves = [(sign, dx, dy) for sign, reach in ((-1, near), (1, far)) for dx in reach for dy in reach]
        sign, dx, dy = np.array(moves).T[:, :, None]
        return cls(sign, np.where(sign < 0, twice_the_middle, 0), dx, dy)

    def only(self, n: int) -> "_Moves":
        """One of them."""
        return _Moves(*(values[n : n + 1] for values in (self.sign, self.start, self.dx, self.dy)))

    def applied(
        self, y: NDArray[np.intp], x: NDArray[np.intp], side: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Mask]:
        """Rows and columns [N, K] where pixels [K] come to lie, moved into the picture, and which lay in it."""
        there_y, there_x = y[None] + self.dy, self.start + self.sign * x[None] + self.dx
        inside = (there_y >= 0) & (there_y < side) & (there_x >= 0) & (there_x < side)
        return there_y.clip(0, side - 1), there_x.clip(0, side - 1), inside


def without_tumor(picture: Picture, mask: Mask, rng: np.random.Generator) -> Picture | None:
    """Cover the tumour by the tissue of the same slice that fits best around it, from elsewhere or the other side.

    Exemplar filling (Criminisi et al. 2004) with one patch. None when nothing fits.
    """
    side = picture.shape[0]
    soft = feather(mask)
    hole = soft > 0.02
    ring = (feather(hole, 4) > 0.02) & ~hole
    ys, xs = _some(ring, 160, rng)
    hole_ys, hole_xs = _some(hole, 120, rng)
    columns = np.flatnonzero(picture.max(0) > 40)
    if not len(xs) or not len(hole_xs) or not len(columns):
        return None
    moves = _Moves.about(int(columns[0] + columns[-1]))
    there_y, there_x, inside = moves.applied(hole_ys, hole_xs, side)
    clean = (inside & ~hole[there_y, there_x]).all(1)
    there_y, there_x, inside = moves.applied(ys, xs, side)
    difference = picture[ys, xs][None] - picture[there_y, there_x].astype(np.float32)
    offset = difference.mean(1)
    off = np.sqrt(difference.var(1) + np.maximum(abs(offset) - 12, 0) ** 2)
    off[~clean | ~inside.all(1)] = np.inf
    best = int(off.argmin())
    if off[best] > WORST_FIT:
        return None
    all_y, all_x = np.nonzero(soft > 0)
    from_y, from_x, _ = moves.only(best).applied(all_y, all_x, side)
    patch = picture[from_y[0], from_x[0]] + offset[best].clip(-12, 12)
    share = soft[all_y, all_x]
    filled = picture.copy()
    filled[all_y, all_x] = (picture[all_y, all_x] * (1 - share) + patch * share).clip(0, 255).astype(np.uint8)
    return filled


def _some(mask: Mask, count: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    ys, xs = np.nonzero(mask)
    if len(ys) > count:
        chosen = rng.choice(len(ys), count, replace=False)
        ys, xs = ys[chosen], xs[chosen]
    return ys, xs


def with_tumors_removed(arrays: Arrays, clear: int, name: str, seed: int = 11) -> Arrays:
    """Add slices whose tumour was taken out as class ``clear`` (``name``): "this scanner" no longer means a tumour."""
    rng = np.random.default_rng(seed)
    added, examples = [], []
    for i in np.flatnonzero(arrays.masked & (arrays.labels != clear)):
        mask = arrays.masks[i] > 0
        # Large ones push the brain aside: what is left would still look ill.
        if not 0.0005 < mask.mean() < 0.05:
            continue
        filled = without_tumor(arrays.pictures[i, ..., 0], mask, rng)
        if filled is not None:
            added.append(filled[..., None])
            examples.append(arrays.examples[i])
    if not added:
        return arrays
    count = len(added)
    healthy = arrays.labels == clear
    real = sum(e.weight for e, h in zip(arrays.examples, healthy, strict=True) if h)
    parts = [DIFFUSE_WEIGHT if e.label == DIFFUSE else 1.0 for e in examples]
    unit = REMOVED_SHARE / (1 - REMOVED_SHARE) * (real or 1.0) / sum(parts)
    renamed = tuple(
        replace(e, label=name, source="removed", weight=unit * part, mask=None, boxes=())
        for e, part in zip(examples, parts, strict=True)
    )
    return Arrays(
        arrays.examples + renamed,
        np.concatenate([arrays.pictures, np.stack(added)]),
        np.concatenate([arrays.labels, np.full(count, clear, np.int32)]),
        np.concatenate([arrays.masks, np.zeros((count, *arrays.masks.shape[1:]), np.uint8)]),
        np.concatenate([arrays.masked, np.zeros(count, bool)]),
    )


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


def implant(picture: Picture, mask: Mask, host: Picture) -> Picture | None:
    """``host`` with what ``mask`` outlines in ``picture``; None where the host has no tissue there."""
    if (host[mask] > TISSUE).mean() < 0.9:
        return None
    soft = feather(mask, 2)[..., None]
    return np.asarray((picture * soft + host * (1 - soft)).astype(np.uint8))


def veil(mask: Mask, host: Picture, rng: np.random.Generator) -> Picture | None:
    """``host`` [S, S, 1], its own tissue darker or brighter and flatter in ``mask``; None where it has none there."""
    if (host[mask] > TISSUE).mean() < 0.9:
        return None
    soft = (feather(mask, 1) * rng.uniform(0.7, 1.0))[..., None]
    shift = -rng.uniform(*DARKER) if rng.random() < VEIL_DARK else rng.uniform(*BRIGHTER)
    mean = float(host[mask].mean())
    changed = mean + shift + (host - mean) * rng.uniform(0.25, 0.8)
    return np.asarray((changed * soft + host * (1 - soft)).clip(0, 255).astype(np.uint8))


def transplant(
    arrays: Arrays, clear: int, movable: tuple[int, ...], chosen: NDArray[np.intp], hosts: Any, rng: Any
) -> tuple[Any, Any]:
    """Pictures [B, S, S, 1] of the drawn examples, some of them mended from two; and which were [B].

    Tumours of the ``movable`` classes (they can lie anywhere) go into slices of other places. Those of class ``clear``
    get healthy tissue in the shape of somebody's tumour. ``hosts`` [B] are indices of slices without tumour.
    """
    pictures, mended = arrays.pictures[chosen], np.zeros(len(chosen), bool)
    outlined = np.flatnonzero(arrays.masked & (arrays.labels != clear))
    luck = rng.random(len(chosen))
    for i, index in enumerate(chosen):
        label = arrays.labels[index]
        if label in movable and arrays.masked[index] and luck[i] < PASTED:
            result = implant(arrays.pictures[index], arrays.masks[index] > 0, arrays.pictures[hosts[i]])
        elif arrays.examples[index].label == DIFFUSE and arrays.masked[index] and luck[i] > 1 - VEILED:
            result = veil(arrays.masks[index] > 0, arrays.pictures[hosts[i]], rng)
        elif label == clear and len(outlined) and luck[i] < PATCHED:
            shape = arrays.masks[rng.choice(outlined)] > 0
            donor = arrays.pictures[hosts[i]]
            result = implant(donor, shape, pictures[i]) if (donor[shape] > TISSUE).mean() > 0.9 else None
        else:
            continue
        if result is not None:
            pictures[i], mended[i] = result, True
    return pictures, mended


def repaint(pictures: Any, masks: Any, probability: float) -> Any:
    """Give some outlined tumours another brightness, and some of those a halo, as other sequences show them.

    T2 and FLAIR show a tumour and the water around it bright whatever the contrast agent does. ``pictures`` and
    ``masks`` [B, S, S, 1] in 0..1; where there is no mask nothing changes.
    """
    batch = tf.shape(pictures)[0]

    def draw(low: float, high: float) -> Any:
        return tf.random.uniform([batch, 1, 1, 1], low, high)

    soft = augment.box_blur(masks, 2)
    size = tf.reduce_sum(masks, [1, 2], keepdims=True)
    mean = tf.reduce_sum(pictures * masks, [1, 2], keepdims=True) / (size + 1)
    painted = draw(*LIKELY_LEVELS) + (pictures - mean) * draw(0.3, 1.0)
    use = tf.cast((draw(0, 1) < probability) & (size > 4), tf.float32)
    pictures += (painted - pictures) * soft * use
    side = pictures.shape[1]
    # Wide pools are dear: a quarter of the size will do for a halo.
    coarse = tf.reduce_max(tf.reshape(masks, [batch, side // 4, 4, side // 4, 4, 1]), [2, 4])
    wide = tf.image.resize(augment.box_blur(augment.box_blur(coarse)), [side, side])
    tissue = tf.cast(pictures > 0.12, tf.float32)
    halo = draw(0.1, 0.35) * tf.cast(draw(0, 1) < 0.5, tf.float32)
    return pictures + halo * use * wide * (1 - soft) * tissue


def vary(pictures: Any, masks: Any, ellipses: Any, side: int, pool: Any) -> tuple[Any, Any]:
    """Augment [B, H, W, 1] pictures and masks in 0..1 to ``side``: other heads, scanners, sequences, viewers."""
    pictures = augment.strip(pictures, ellipses, 0.15)
    both = augment.geometry(
        tf.concat([pictures, masks], -1), side, turn=0.35, zoom=(0.78, 1.15), shift=0.07, flip_up=0.0, quarter=False
    )
    pictures, masks = both[..., :1], both[..., 1:]
    pictures = augment.tones(pictures, 0.45, 0.35)
    pictures = repaint(pictures, masks, 0.3)
    pictures = augment.levels(pictures, 0.2, 0.45)
    pictures = augment.shading(pictures, 0.15)
    pictures = augment.low_resolution(augment.sharpness(pictures, 0.7), 0.15)
    pictures = augment.glare(pictures, 0.06)
    pictures = augment.noise(pictures, 0.06)
    pictures = augment.margins(augment.boxes(pictures, 1, 0.1), 0.12)
    return augment.overlays(augment.frame(pictures, 0.15), pool, 0.25, dark=False), masks
