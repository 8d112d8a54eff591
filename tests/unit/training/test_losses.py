"""What a training is charged for: pointing beside the tumour, light in a healthy slice, a lesion drawn elsewhere."""

import numpy as np
from numpy.typing import NDArray

from inference.training.fit import losses

TUMORS = np.array([1, 1, 1, 0], np.float32)


def pointing(maps: NDArray[np.float32], masks: NDArray[np.float32], label: int) -> float:
    has = np.array([float(masks.any())], np.float32)
    clear = np.array([1.0 - TUMORS[label]], np.float32)
    return float(losses.pointing(maps, masks, np.array([label]), has, clear, TUMORS))


def test_pointing_at_the_tumor_costs_least() -> None:
    masks = np.zeros((1, 32, 32, 1), np.float32)
    masks[0, 8:16, 8:16] = 1
    on, beside, none = (np.full((1, 4, 4, 4), -3, np.float32) for _ in range(3))
    on[0, 1, 1, 0] = beside[0, 3, 3, 0] = 8
    loss = [pointing(maps, masks, 0) for maps in (on, beside, none)]

    assert loss[0] < loss[1]
    assert loss[0] < loss[2]


def test_pointing_asks_a_healthy_slice_to_stay_dark() -> None:
    masks = np.zeros((1, 32, 32, 1), np.float32)
    lit, dark = np.full((1, 4, 4, 4), 5, np.float32), np.full((1, 4, 4, 4), -5, np.float32)

    assert pointing(lit, masks, 3) > 1
    assert pointing(dark, masks, 3) == 0


def drawing(lesion_map: NDArray[np.float32], masks: NDArray[np.float32], *, known: bool, tumor: float) -> float:
    score = lesion_map.max((1, 2))
    one = np.array([1.0], np.float32)
    has = one * float(masks.any()) * known
    return float(losses.lesion(lesion_map, score, masks, has, one - tumor, one * tumor))


def test_a_drawn_lesion_costs_least_where_it_is_outlined() -> None:
    masks = np.zeros((1, 32, 32, 1), np.float32)
    masks[0, 8:16, 8:16] = 1
    on, beside = np.full((1, 4, 4, 1), -6, np.float32), np.full((1, 4, 4, 1), -6, np.float32)
    on[0, 1, 1], beside[0, 3, 3] = 6, 6

    assert drawing(on, masks, known=True, tumor=1) < 0.5 * drawing(beside, masks, known=True, tumor=1)


def test_tumor_without_outline_still_asks_for_lesion_anywhere() -> None:
    none, some = np.full((1, 4, 4, 1), -6, np.float32), np.full((1, 4, 4, 1), -6, np.float32)
    some[0, 2, 0] = 6
    masks = np.zeros((1, 32, 32, 1), np.float32)

    assert drawing(some, masks, known=False, tumor=1) < drawing(none, masks, known=False, tumor=1)
    assert drawing(some, masks, known=True, tumor=0) > drawing(none, masks, known=True, tumor=0)
