"""A model reads a picture in the views that its card names, and what it says does not depend on their order."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.card import View
from inference.decision import any_tumor
from inference.model import Model, Prediction
from inference.registry import check_models

_, EXPERTS = check_models()
BRAIN = EXPERTS["brain_mri"]


@pytest.fixture(scope="module")
def expert() -> Model:
    return Model.load(BRAIN)


def lopsided(side: int = 160) -> NDArray[np.uint8]:
    """A drawn head with a bright spot on one side, as wide as high: mirroring it is mirroring its tensor."""
    ys, xs = np.mgrid[:side, :side] / side - 0.5
    grey = np.where(np.hypot(xs / 0.4, ys / 0.46) < 1, 90 + 30 * np.sin(20 * xs + 9 * ys), 4)
    grey = np.where(np.hypot(xs - 0.18, ys + 0.1) < 0.07, 230, grey)
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def read(expert: Model, picture: NDArray[np.uint8], *views: View) -> Prediction:
    # All of the picture is read: a cut-out head may lie a pixel aside in the mirror.
    changes = {"views": views, "input": expert.card.input.model_copy(update={"crop": "none"})}
    return replace(expert, card=expert.card.model_copy(update=changes)).read(picture)


def test_two_views_average_with_mirrored_map_turned_back(expert: Model) -> None:
    picture = lopsided()
    plain, other = read(expert, picture, "plain"), read(expert, np.ascontiguousarray(picture[:, ::-1]), "plain")
    both = read(expert, picture, "plain", "mirrored")
    assert np.allclose(both.outputs.logits, (plain.outputs.logits + other.outputs.logits) / 2, atol=1e-4)
    assert np.allclose(both.outputs.maps, (plain.outputs.maps + other.outputs.maps[:, ::-1]) / 2, atol=1e-2)
    assert not np.allclose(plain.outputs.maps, other.outputs.maps[:, ::-1], atol=1e-2)


def test_mirrored_picture_gets_same_answer_from_two_views(expert: Model) -> None:
    picture = lopsided()
    one, other = (read(expert, np.ascontiguousarray(p), "plain", "mirrored") for p in (picture, picture[:, ::-1]))
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert one.tta_disagreement == pytest.approx(other.tta_disagreement, abs=1e-4)


def test_the_views_are_as_far_apart_as_their_answers(expert: Model) -> None:
    picture = lopsided()
    alone = [read(expert, picture, "plain"), read(expert, np.ascontiguousarray(picture[:, ::-1]), "plain")]
    tumor = [any_tumor(reading.probabilities, expert.card) for reading in alone]
    assert read(expert, picture, "plain", "mirrored").tta_disagreement == pytest.approx(
        abs(tumor[0] - tumor[1]), abs=1e-4
    )
    assert alone[0].tta_disagreement == 0
