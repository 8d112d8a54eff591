"""What tests of the decoder share: why a file is refused, how a decoded one differs from what was drawn, and damage."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.analysis import PictureError, Reason
from inference.decode.imaging import decode


def reason_of(data: bytes, *, believe_tags: bool = True) -> Reason:
    """Why a file is not read; the words of the error say nothing of the patient."""
    with pytest.raises(PictureError) as caught:
        decode(data, believe_tags=believe_tags)
    assert "Jane" not in str(caught.value)
    return caught.value.reason


def grey_of(data: bytes) -> NDArray[np.int16]:
    """The grey levels (H x W) that a file without colours is shown with."""
    rgb = decode(data).rgb
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 0] == rgb[..., 2]).all()
    return rgb[..., 0].astype(np.int16)


def difference(data: bytes, expected: NDArray[np.uint8]) -> float:
    """Mean difference in grey levels between a decoded file and what was drawn."""
    rgb = decode(data).rgb.astype(np.int16)
    return float(np.abs(rgb - (expected if expected.ndim == 3 else expected[..., None])).mean())


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Change, cut out or put in a few bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 10))):
        at = chance.randrange(min(len(changed), chance.choice((64, 600, len(changed)))))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at : at + 4] = b"\xff\xff\xff\xff"
            case 2:
                del changed[at : at + chance.randrange(1, 40)]
            case _:
                changed[at:at] = chance.randbytes(chance.randrange(1, 20))
    return bytes(changed)


def outcomes_of_damage(data: bytes, seed: str, times: int) -> set[str]:
    """What comes of a file that is damaged anew so many times: the type of its levels, or why it is refused."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    outcomes = set()
    for _ in range(times):
        try:
            outcomes.add(decode(damaged(data, chance)).rgb.dtype.name)
        except PictureError as error:
            outcomes.add(error.reason.value)
    return outcomes
