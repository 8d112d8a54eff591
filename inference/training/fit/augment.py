"""Random changes to whole batches inside the TensorFlow graph: what hospitals, phones and viewers vary.

Pictures are [B, H, W, C] float32 in 0..1 (see ``data.LEVELS``); every picture of a batch gets its own draw.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def _draw(batch: Any, low: float, high: float, channels: int = 1) -> Any:
    return tf.random.uniform([batch, 1, 1, channels], low, high)


def _chance(batch: Any, probability: float) -> Any:
    return tf.cast(tf.random.uniform([batch, 1, 1, 1]) < probability, tf.float32)


def some(pictures: Any, probability: float, change: Callable[[Any], Any]) -> Any:
    """``change`` pictures with ``probability`` each; those that are left alone cost nothing."""
    chosen = tf.where(tf.random.uniform([tf.shape(pictures)[0]]) < probability)
    return tf.tensor_scatter_nd_update(pictures, chosen, change(tf.gather_nd(pictures, chosen)))


def geometry(
    pictures: Any, side: int, *, turn: float, zoom: tuple[float, float], shift: float, flip_up: float, quarter: bool
) -> Any:
    """Flip, turn (up to ``turn`` radians), zoom, shift and resample to ``side``; what lies outside becomes 0."""
    batch = tf.shape(pictures)[0]
    source = float(pictures.shape[1])
    angle = tf.random.uniform([batch], -turn, turn)
    if quarter:
        angle += 1.5707963 * tf.cast(tf.random.uniform([batch], 0, 4, tf.int32), tf.float32)
    scale = source / side / tf.exp(tf.random.uniform([batch], tf.math.log(zoom[0]), tf.math.log(zoom[1])))
    stretch = tf.exp(tf.random.uniform([batch], -0.08, 0.08))
    mirror_x = tf.where(tf.random.uniform([batch]) < 0.5, -1.0, 1.0)
    mirror_y = tf.where(tf.random.uniform([batch]) < flip_up, -1.0, 1.0)
    a, b = tf.cos(angle) * scale * stretch * mirror_x, -tf.sin(angle) * scale * mirror_y
    c, d = tf.sin(angle) * scale * mirror_x, tf.cos(angle) * scale / stretch * mirror_y
    centre, middle = (side - 1) / 2, (source - 1) / 2
    dx, dy = (tf.random.uniform([batch], -shift, shift) * source for _ in range(2))
    zero = tf.zeros([batch])
    rows = [a, b, middle - (a + b) * centre + dx, c, d, middle - (c + d) * centre + dy, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=tf.stack(rows, 1),
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


def curve(pictures: Any, strength: float) -> Any:
    """Bend the brightness scale of each picture by a random rising curve that keeps 0 at 0."""
    return tones(pictures, strength, 0.0)


def tones(pictures: Any, strength: float, wild: float) -> Any:
    """Like ``curve``, but for a share ``wild`` of the pictures the curve rises and falls as it likes.

    So one tissue may become brighter or darker than another, as from one MRI sequence to the next.
    """
    batch = tf.shape(pictures)[0]
    steps = tf.exp(tf.random.normal([batch, 8], stddev=strength))
    knots = tf.concat([tf.zeros([batch, 1]), tf.cumsum(steps, axis=1)], 1) / tf.reduce_sum(steps, 1, keepdims=True)
    if wild:
        any_level = tf.concat([tf.zeros([batch, 1]), tf.random.uniform([batch, 8], 0.05, 1.0)], 1)
        share = tf.random.uniform([batch, 1], 0.3, 1.0) * _chance(batch, wild)[:, :, 0, 0]
        knots += (any_level - knots) * share
    table = tf.image.resize(knots[:, :, None, None], [65, 1])[:, :, 0, 0]
    table -= table[:, :1]
    index = tf.cast(tf.clip_by_value(pictures, 0.0, 1.0) * 64, tf.int32)
    return tf.gather(table, index, axis=1, batch_dims=1)


def levels(pictures: Any, gain: float, gamma: float) -> Any:
    """Multiply by up to ``exp(±gain)`` and raise to a power of ``exp(±gamma)``."""
    batch = tf.shape(pictures)[0]
    # A logarithm and an exponential take half of the time of a power.
    logarithm = tf.math.log(tf.maximum(pictures, 1e-4))
    return tf.exp(logarithm * tf.exp(_draw(batch, -gamma, gamma)) + _draw(batch, -gain, gain))


def shading(pictures: Any, strength: float) -> Any:
    """Multiply by a smooth field, as a coil or a lamp off centre does."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    field = tf.image.resize(tf.random.normal([batch, 3, 3, 1], stddev=strength), [side, side], "bilinear")
    return pictures * tf.exp(field)


def box_blur(pictures: Any, reach: int = 1) -> Any:
    """Mean over a square of ``2 * reach + 1`` pixels, 0 beyond the edge.

    Shifted sums: on a processor pooling one channel takes ten times as long.
    """
    for axis in (1, 2):
        edges = [[reach, reach] if i == axis else [0, 0] for i in range(4)]
        padded, size = tf.pad(pictures, edges), pictures.shape[axis]
        window = [slice(None)] * 4
        total = 0.0
        for step in range(2 * reach + 1):
            window[axis] = slice(step, step + size)
            total = total + padded[tuple(window)]
        pictures = total / (2 * reach + 1)
    return pictures


def sharpness(pictures: Any, probability: float) -> Any:
    """Blur or sharpen, each picture by its own amount."""

    def change(chosen: Any) -> Any:
        soft = box_blur(box_blur(chosen))
        return chosen + (soft - chosen) * _draw(tf.shape(chosen)[0], -0.8, 1.0)

    return some(pictures, probability, change)


def low_resolution(pictures: Any, probability: float) -> Any:
    """Some pictures as if they had been 40 to 80 pixels wide, smooth or blocky."""
    side = pictures.shape[1]
    small_side = tf.random.uniform([], side // 4, side // 2, tf.int32)

    def change(chosen: Any) -> Any:
        small = tf.image.resize(chosen, [small_side, small_side], "area")
        smooth = tf.image.resize(small, [side, side], "bilinear")
        blocky = tf.image.resize(small, [side, side], "nearest")
        return tf.where(_draw(tf.shape(chosen)[0], 0, 1) < 0.7, smooth, blocky)

    return some(pictures, probability, change)


def noise(pictures: Any, strength: float) -> Any:
    """Add grain, fine or coarse, of up to ``strength``."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    fine = tf.random.normal(tf.shape(pictures))
    # A picture gets one of both, so they can come of one draw.
    coarse = tf.image.resize(fine[:, : side // 2, : side // 2], [side, side])
    grain = tf.where(_draw(batch, 0, 1) < 0.5, fine, coarse)
    return pictures + grain * strength * tf.square(_draw(batch, 0, 1))


def boxes(pictures: Any, count: int, probability: float, *, background: float | None = None) -> Any:
    """Cover random rectangles by one level each (``background``, or any)."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    at = tf.range(side, dtype=tf.float32) / side
    for _ in range(count):
        x, y, w, h = (
            tf.random.uniform([batch, 1], low, high) for low, high in ((-0.1, 1), (-0.1, 1), (0, 0.3), (0, 0.25))
        )
        covered = (
            tf.cast((at[None] > x) & (at[None] < x + w), tf.float32)[:, None, :, None]
            * tf.cast((at[None] > y) & (at[None] < y + h), tf.float32)[:, :, None, None]
            * _chance(batch, probability)
        )
        level = _draw(batch, 0, 1) if background is None else background
        pictures = pictures * (1 - covered) + covered * level
    return pictures


def overlays(pictures: Any, pool: Any, probability: float, *, dark: bool) -> Any:
    """Burn in letters and bars from ``pool`` [N, S, S, 1] in 0..1; ``dark`` for ink on a pale ground."""
    batch = tf.shape(pictures)[0]
    chosen = tf.gather(pool, tf.random.uniform([batch], 0, tf.shape(pool)[0], tf.int32)) * _chance(batch, probability)
    return pictures * (1 - chosen) if dark else tf.maximum(pictures, chosen)


def frame(pictures: Any, probability: float) -> Any:
    """Black out bars at two opposite sides, as a picture of another shape has after letterboxing."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    at = tf.abs(tf.range(side, dtype=tf.float32) / (side - 1) - 0.5) * 2
    keep = 1 - tf.random.uniform([batch, 1], 0, 0.35) * _chance(batch, probability)[:, :, 0, 0]
    kept = tf.cast(at[None] <= keep, tf.float32)
    wide = tf.cast(tf.random.uniform([batch, 1, 1, 1]) < 0.5, tf.float32)
    return pictures * (wide * kept[:, :, None, None] + (1 - wide) * kept[:, None, :, None])


def margins(pictures: Any, probability: float) -> Any:
    """Black out a strip of up to a tenth at each side with ``probability``: there marks are burned in or cropped."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    at = tf.range(side, dtype=tf.float32) / side

    def kept() -> Any:
        low, high = (tf.random.uniform([batch, 1], 0, 0.1) * _chance(batch, probability)[:, :, 0, 0] for _ in range(2))
        return tf.cast((at[None] >= low) & (at[None] < 1 - high), tf.float32)

    return pictures * kept()[:, :, None, None] * kept()[:, None, :, None]


def strip(pictures: Any, ellipses: Any, probability: float) -> Any:
    """Cut some heads down to an ellipse within the skull: ``ellipses`` [B, 4] are x, y, rx, ry in 0..1, or 0."""
    batch, side = tf.shape(pictures)[0], pictures.shape[1]
    at = tf.range(side, dtype=tf.float32) / side
    x, y, rx, ry = (ellipses[:, i, None, None] for i in range(4))
    grow = tf.random.uniform([batch, 1, 1], 0.95, 1.08)
    distance = tf.square((at[None, None] - x) / (rx * grow + 1e-6)) + tf.square(
        (at[None, :, None] - y) / (ry * grow + 1e-6)
    )
    inside = tf.cast(distance <= 1, tf.float32)[..., None]
    use = _chance(batch, probability) * tf.cast(rx > 0, tf.float32)[..., None]
    return pictures * (1 - use * (1 - inside))


def colour_cast(pictures: Any, strength: float) -> Any:
    """A gain a channel of up to ``exp(±strength)``: another lamp, a phone's white balance."""
    return pictures * tf.exp(_draw(tf.shape(pictures)[0], -strength, strength, 3))


def glare(pictures: Any, probability: float) -> Any:
    """A photo of a screen: black is no longer black, a soft bright field, fine stripes."""
    side, channels = pictures.shape[1], pictures.shape[3]
    at = tf.range(side, dtype=tf.float32)

    def change(chosen: Any) -> Any:
        batch = tf.shape(chosen)[0]
        field = tf.image.resize(tf.random.uniform([batch, 3, 3, 1], 0.0, 0.25), [side, side], "bilinear")
        phase = at[None, :, None] * tf.random.uniform([batch, 1, 1], 0.6, 3.0) + at[None, None] * tf.random.uniform(
            [batch, 1, 1], -1.5, 1.5
        )
        stripes = 1 + 0.05 * tf.sin(phase)[..., None]
        return chosen * (1 - field) * stripes + field * _draw(batch, 0.6, 1.0, channels)

    return some(pictures, probability, change)
