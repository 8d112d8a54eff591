"""Twelve reports look as they did when somebody looked at them: ``python -m tests.goldens`` draws them anew."""

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.goldens import CASES, FOLDER, golden, pages, reports

SPOT = 8
"""Pixels: what is compared is the mean grey of spots of this side, which no other smoothing of letters changes much."""
TOLERANCE = 14.0
"""Levels of 255 by which the grey of a spot may differ: a letter that is gone or elsewhere makes twice that."""
REPORTS = reports()


def worst_spot(page: Image.Image, as_seen: Image.Image) -> float:
    difference = np.asarray(ImageChops.difference(page, as_seen), np.float32)
    signed = np.asarray(page, np.float32) - np.asarray(as_seen, np.float32)
    high, wide = (side // SPOT * SPOT for side in difference.shape)
    spots = signed[:high, :wide].reshape(high // SPOT, SPOT, wide // SPOT, SPOT).mean((1, 3))
    return float(np.abs(spots).max())


@pytest.mark.parametrize("name", CASES)
def test_each_page_looks_as_it_was_looked_at(name: str) -> None:
    drawn, seen = pages(REPORTS[name]), list(golden(name))

    assert len(drawn) == len(seen) <= (4 if "study" in name else 2)
    for number, (page, as_seen) in enumerate(zip(drawn, seen, strict=True), 1):
        assert page.size == as_seen.size
        assert worst_spot(page, as_seen) <= TOLERANCE, f"page {number}"


def test_a_missing_letter_would_be_noticed() -> None:
    (page, *_), (seen, *_) = pages(REPORTS["signs-ar"]), golden("signs-ar")
    marred = page.copy()
    marred.paste(255, (200, 88, 216, 100))  # in the verdict

    assert worst_spot(marred, seen) > TOLERANCE


def test_golden_pictures_are_small_enough_to_keep() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 600_000
