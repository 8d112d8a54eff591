"""What tests of the decoder share: why a file is refused, and how a decoded one differs from what was drawn."""

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
