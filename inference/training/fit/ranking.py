"""How well scores put one kind of picture above another: what weights and checkpoints are chosen by."""

import numpy as np
from numpy.typing import NDArray


def auc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of scores [N] (Mann-Whitney, ties count half); nan when a side is empty."""
    ill, healthy = np.sort(scores[positive]), scores[~positive]
    if not len(ill) or not len(healthy):
        return float("nan")
    below = np.searchsorted(ill, healthy, "left") + np.searchsorted(ill, healthy, "right")
    return float(1 - below.mean() / 2 / len(ill))
