"""Random changes to the gate's pictures that are no scan: the more looks it refuses, the fewer can surprise it."""

from typing import Any

import tensorflow as tf


def estrange(pictures: Any, other: Any) -> Any:
    """Turn some of the pictures that are ``other`` [B] grey, into their negative, or into swapped colours.

    ``pictures`` [B, S, S, 3] in 0..1. Scans stay as they are: their colours are what they are known by.
    """
    batch = tf.shape(pictures)[0]
    draw = tf.random.uniform([batch, 1, 1, 1])
    free = tf.cast(other, tf.float32)[:, None, None, None]
    grey = tf.broadcast_to(tf.reduce_mean(pictures, -1, keepdims=True), tf.shape(pictures))
    turn = tf.random.uniform([], 1, 3, tf.int32)
    swapped = tf.roll(tf.reverse(pictures, [-1]), turn, -1)
    changed = tf.where(draw < 0.15, grey, tf.where(draw < 0.3, swapped, tf.where(draw < 0.38, 1 - pictures, pictures)))
    return pictures * (1 - free) + changed * free
