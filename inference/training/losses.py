"""What training minimises: the class, and for brain slices also where the class map lights up."""

from typing import Any

import tensorflow as tf


def classification(logits: Any, labels: Any, smoothing: float) -> Any:
    """Mean cross-entropy with label smoothing over [B, K] logits."""
    classes = tf.shape(logits)[1]
    targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / tf.cast(classes, tf.float32)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def guidance(maps: Any, masks: Any, labels: Any, masked: Any, tumor_free: int) -> Any:
    """Let a tumour's class map light up inside its outline and nowhere else, and stay dark where there is no tumour.

    ``maps`` [B, h, w, K]; ``masks`` [B, S, S, 1] in 0..1; ``masked`` [B] bool. With a mask: minus the log of the share
    of the true class's evidence that lies inside (the "energy" of arXiv 1910.01279), and a push above 1 inside; the
    evidence is softened so that a map that is negative everywhere is no way out. Without tumour: the mean positive
    evidence of all tumour classes.
    """
    factor = masks.shape[1] // maps.shape[1]
    inside = tf.nn.max_pool2d(masks, 2 * factor, factor, "SAME")[..., 0]
    # A crop may have cut the tumour away: then there is nothing to point at.
    visible = tf.cast(tf.reduce_max(inside, [1, 2]) > 0.5, tf.float32) * tf.cast(masked, tf.float32)
    own = tf.gather(maps, labels, axis=3, batch_dims=1)
    evidence = tf.nn.softplus(own)
    share = (tf.reduce_sum(evidence * inside, [1, 2]) + 1e-4) / (tf.reduce_sum(evidence, [1, 2]) + 1e-4)
    low = tf.reduce_sum(tf.nn.softplus(1.0 - own) * inside, [1, 2]) / (tf.reduce_sum(inside, [1, 2]) + 1e-4)
    pointing = tf.reduce_sum((low - tf.math.log(share)) * visible) / (tf.reduce_sum(visible) + 1.0)
    healthy = tf.cast(labels == tumor_free, tf.float32)
    tumor_maps = tf.concat([maps[..., :tumor_free], maps[..., tumor_free + 1 :]], -1)
    stray = tf.reduce_mean(tf.nn.relu(tumor_maps), [1, 2, 3])
    return pointing + tf.reduce_sum(stray * healthy) / (tf.reduce_sum(healthy) + 1.0)
