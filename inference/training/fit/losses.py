"""What training minimises, in ``keras.ops`` for any backend: the class, where its map lights up, and the lesion map."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from inference import lesion_net
from inference.layers import LOGITS, MAPS
from inference.training.recipes import Recipe

LIT = 30.0
"""Evidence (class-map value, logit units) above which a cell counts as lit."""
INSIDE_COUNTS = 5.0
"""A cell inside a lesion weighs this much: there are far fewer of them."""


SCORE_OFFSET = 3.0
"""The smooth maximum is a mean over the cells: a lesion in a twentieth of them must be enough."""
SAID = 0.3
"""Weight of what the smooth maximum says of the picture, against what the lesion map says of its cells."""

Parts = Callable[[Any, Any], dict[str, Any]]


def of(recipe: Recipe, outputs: tuple[str, ...]) -> tuple[Parts, tuple[str, ...]]:
    """What a net with these ``outputs`` minimises on the batches of ``batches.stream``: its parts, and their names."""
    table, tumors = recipe.targets(), recipe.tumors.astype(np.float32)
    nothing = np.array([c.role == "clear" for c in recipe.classes], np.float32)
    dark = recipe.darkness or {recipe.class_names[recipe.tumor_free]: 1.0}
    darkness = np.array([dark.get(name, 0.0) for name in recipe.class_names], np.float32)
    logits = lesion_net.CLASS_LOGITS if lesion_net.CLASS_LOGITS in outputs else LOGITS
    maps = lesion_net.CLASS_MAPS if lesion_net.CLASS_MAPS in outputs else MAPS

    def parts(true: Any, said: Any) -> dict[str, Any]:
        labels, masks, masked = true["labels"], true["masks"], true["masked"]
        hot = ops.one_hot(labels, len(recipe.classes), dtype="float32")
        clear = ops.sum(hot * darkness, -1)
        result = {"kind": classification(said[logits], ops.matmul(hot, table))}
        if recipe.guidance:
            result["pointing"] = recipe.guidance * pointing(said[maps], masks, labels, masked, clear, tumors)
        if recipe.drawing:
            score, tumor = said[lesion_net.LESION], ops.sum(hot * tumors, -1)
            # An outlined finding of another kind is nothing to draw here.
            outlined = masks * tumor[:, None, None, None]
            drawn = lesion(said[lesion_net.LESION_MAP], score, outlined, masked * tumor, clear, tumor)
            result["drawing"] = recipe.drawing * drawn
        if notices:
            healthy = ops.sum(hot * nothing, -1)
            score = said[lesion_net.ABNORMAL]
            drawn = lesion(said[lesion_net.ABNORMAL_MAP], score, masks, masked, healthy, 1 - healthy)
            result["noticing"] = recipe.noticing * drawn
        return result

    notices = recipe.noticing > 0 and lesion_net.ABNORMAL in outputs
    wanted = {"kind": True, "pointing": recipe.guidance > 0, "drawing": recipe.drawing > 0, "noticing": notices}
    return parts, tuple(name for name, used in wanted.items() if used)


def classification(logits: Any, targets: Any) -> Any:
    """Mean cross-entropy of [B, K] logits against target shares [B, K]."""
    return ops.mean(ops.categorical_crossentropy(targets, logits, from_logits=True))


def _inside(masks: Any, cells: int) -> Any:
    factor = masks.shape[1] // cells
    return ops.average_pool(masks, factor, factor, "valid")


def pointing(maps: Any, masks: Any, labels: Any, masked: Any, clear: Any, tumors: Any) -> Any:
    """Let a tumour's class map light up inside its outline and nowhere else, and stay dark where there is no tumour.

    ``maps`` [B, h, w, K]; ``masks`` [B, S, S, 1] in 0..1; ``masked`` [B] in 0..1; ``clear`` [B]: 1 without tumour;
    ``tumors`` [K]: 1 for the classes that are tumours. With a mask: minus half the log of the share of the true class's
    evidence that lies inside (the "energy" of arXiv 1910.01279; softened, so that a map that is negative everywhere is
    no way out), and the Dice loss (Milletari et al. 2016) of what passes ``LIT``. The other tumour maps stay dark
    outside; without tumour all of them do.
    """
    inside = _inside(masks, maps.shape[1])[..., 0]
    # A crop may have cut the tumour away: then there is nothing to point at.
    visible = ops.cast(ops.max(inside, (1, 2)) > 0.3, "float32") * masked
    own = ops.sum(maps * ops.one_hot(labels, maps.shape[3], dtype="float32")[:, None, None, :], -1)
    evidence = ops.softplus(own)
    share = (ops.sum(evidence * inside, (1, 2)) + 1e-4) / (ops.sum(evidence, (1, 2)) + 1e-4)
    lit = ops.sigmoid((own - LIT) / (0.3 * LIT))
    both = ops.sum(lit * inside, (1, 2))
    dice = (2 * both + 0.1) / (ops.sum(lit * lit, (1, 2)) + ops.sum(inside * inside, (1, 2)) + 0.1)
    found = ops.sum((1 - dice - 0.5 * ops.log(share)) * visible) / (ops.sum(visible) + 1.0)
    near = ops.max_pool(inside[..., None], 3, 1, "same") * visible[:, None, None, None]
    dark = (clear + visible)[:, None, None, None] * (1 - near)
    stray = ops.sum(ops.mean(ops.relu(maps) * dark, (1, 2)) * tumors, -1) / ops.sum(tumors)
    return found + ops.sum(stray) / (ops.sum(clear + visible) + 1.0)


def lesion(lesion_map: Any, score: Any, masks: Any, masked: Any, clear: Any, tumor: Any) -> Any:
    """Let the lesion map [B, h, w, 1] draw the outline, and its smooth maximum [B, 1] say whether there is a tumour.

    ``clear`` [B] says how surely there is nothing to draw, ``tumor`` [B] that there is a tumour. Cross-entropy and Dice
    by cell where there is an outline or nothing, cross-entropy by picture everywhere.
    """
    inside = _inside(masks, lesion_map.shape[1])
    chance = ops.sigmoid(lesion_map)
    each = inside * INSIDE_COUNTS * ops.softplus(-lesion_map) + (1 - inside) * ops.softplus(lesion_map)
    known = ops.maximum(masked, clear)[:, None, None, None]
    both = ops.sum(chance * inside, (1, 2, 3))
    dice = (2 * both + 1) / (ops.sum(chance * chance, (1, 2, 3)) + ops.sum(inside * inside, (1, 2, 3)) + 1)
    drawn = ops.mean(each * known) + ops.sum((1 - dice) * masked) / (ops.sum(masked) + 1)
    score = score[:, 0] + SCORE_OFFSET
    weight = ops.maximum(tumor, clear)
    said = ops.sum(weight * (tumor * ops.softplus(-score) + (1 - tumor) * ops.softplus(score))) / ops.sum(weight)
    return drawn + SAID * said
