"""What training minimises: the class, and for brain slices also where the class map lights up; on any backend."""

from typing import Any

from keras import ops

LIT = 30.0
"""Evidence (class-map value, logit units) above which a cell counts as lit."""


def classification(logits: Any, labels: Any, smoothing: float) -> Any:
    """Mean cross-entropy with label smoothing over [B, K] logits."""
    classes = logits.shape[1]
    targets = ops.one_hot(labels, classes, dtype="float32") * (1 - smoothing) + smoothing / classes
    return ops.mean(ops.categorical_crossentropy(targets, logits, from_logits=True))


def guidance(maps: Any, masks: Any, labels: Any, masked: Any, tumor_free: int) -> Any:
    """Let a tumour's class map light up inside its outline and nowhere else, and stay dark where there is no tumour.

    ``maps`` [B, h, w, K]; ``masks`` [B, S, S, 1] in 0..1; ``masked`` [B] bool. With a mask: minus half the log of the
    share of the true class's evidence that lies inside (the "energy" of arXiv 1910.01279; softened, so that a map that
    is negative everywhere is no way out), and the Dice loss (Milletari et al. 2016) of what passes ``LIT``. The other
    tumour maps stay dark outside; without tumour all of them do.
    """
    factor = masks.shape[1] // maps.shape[1]
    inside = ops.average_pool(masks, factor, factor, "valid")[..., 0]
    # A crop may have cut the tumour away: then there is nothing to point at.
    visible = ops.cast(ops.max(inside, (1, 2)) > 0.3, "float32") * ops.cast(masked, "float32")
    own = ops.sum(maps * ops.one_hot(labels, maps.shape[3], dtype="float32")[:, None, None, :], -1)
    evidence = ops.softplus(own)
    share = (ops.sum(evidence * inside, (1, 2)) + 1e-4) / (ops.sum(evidence, (1, 2)) + 1e-4)
    lit = ops.sigmoid((own - LIT) / (0.3 * LIT))
    both = ops.sum(lit * inside, (1, 2))
    dice = (2 * both + 0.1) / (ops.sum(lit * lit, (1, 2)) + ops.sum(inside * inside, (1, 2)) + 0.1)
    pointing = ops.sum((1 - dice - 0.5 * ops.log(share)) * visible) / (ops.sum(visible) + 1.0)
    healthy = ops.cast(ops.equal(labels, tumor_free), "float32")
    tumor_maps = ops.concatenate([maps[..., :tumor_free], maps[..., tumor_free + 1 :]], -1)
    near = ops.max_pool(inside[..., None], 3, 1, "same") * visible[:, None, None, None]
    dark = (healthy + visible)[:, None, None, None] * (1 - near)
    stray = ops.mean(ops.relu(tumor_maps) * dark, (1, 2, 3))
    return pointing + ops.sum(stray) / (ops.sum(healthy + visible) + 1.0)
