"""What training minimises: the class, and for brain slices also where the class map lights up."""

from typing import Any

import tensorflow as tf

LIT = 30.0
"""Evidence (class-map value, logit units) above which a cell counts as lit."""


def classification(logits: Any, labels: Any, smoothing: float) -> Any:
    """Mean cross-entropy with label smoothing over [B, K] logits."""
    classes = tf.shape(logits)[1]
    targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / tf.cast(classes, tf.float32)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def guidance(maps: Any, masks: Any, labels: Any, masked: Any, tumor_free: int) -> Any:
    """Let a tumour's class map light up inside its outline and nowhere else, and stay dark where there is no tumour.

    ``maps`` [B, h, w, K]; ``masks`` [B, S, S, 1] in 0..1; ``masked`` [B] bool. With a mask: minus half the log of the
    share of the true class's evidence that lies inside (the "energy" of arXiv 1910.01279; softened, so that a map that
    is negative everywhere is no way out), and the Dice loss (Milletari et al. 2016) of what passes ``LIT``. The other
    tumour maps stay dark outside; without tumour all of them do.
    """
    factor = masks.shape[1] // maps.shape[1]
    inside = tf.nn.avg_pool2d(masks, factor, factor, "VALID")[..., 0]
    # A crop may have cut the tumour away: then there is nothing to point at.
    visible = tf.cast(tf.reduce_max(inside, [1, 2]) > 0.3, tf.float32) * tf.cast(masked, tf.float32)
    own = tf.gather(maps, labels, axis=3, batch_dims=1)
    evidence = tf.nn.softplus(own)
    share = (tf.reduce_sum(evidence * inside, [1, 2]) + 1e-4) / (tf.reduce_sum(evidence, [1, 2]) + 1e-4)
    lit = tf.sigmoid((own - LIT) / (0.3 * LIT))
    both = tf.reduce_sum(lit * inside, [1, 2])
    dice = (2 * both + 0.1) / (tf.reduce_sum(lit * lit, [1, 2]) + tf.reduce_sum(inside * inside, [1, 2]) + 0.1)
    pointing = tf.reduce_sum((1 - dice - 0.5 * tf.math.log(share)) * visible) / (tf.reduce_sum(visible) + 1.0)
    healthy = tf.cast(labels == tumor_free, tf.float32)
    tumor_maps = tf.concat([maps[..., :tumor_free], maps[..., tumor_free + 1 :]], -1)
    near = tf.nn.max_pool2d(inside[..., None], 3, 1, "SAME") * visible[:, None, None, None]
    dark = (healthy + visible)[:, None, None, None] * (1 - near)
    stray = tf.reduce_mean(tf.nn.relu(tumor_maps) * dark, [1, 2, 3])
    return pointing + tf.reduce_sum(stray) / (tf.reduce_sum(healthy + visible) + 1.0)
