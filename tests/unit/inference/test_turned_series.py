"""Slices of a study whose files tell no directions are made upright together, and nothing else is turned."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import PictureError, Reason
from inference.study.case import close
from inference.study.opening import open_album, open_study
from inference.study.slice_analysis import analyse_slice
from inference.study.study import Slice, Study
from inference.study.uprighting import made_upright
from tests import pictures, studies

HEAD = studies.head(8)[:, :, 16:240]
Drawn = NDArray[np.uint8]


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def lain(slices: Sequence[Drawn] | Drawn, quarters: int) -> list[Drawn]:
    return [np.ascontiguousarray(np.rot90(one, quarters)) for one in slices]


def named(slices: Sequence[Drawn]) -> dict[str, bytes]:
    return {f"IM{n}.png": pictures.encode(Image.fromarray(one), "PNG") for n, one in enumerate(slices)}


def pixels(one: Slice) -> NDArray[np.float64]:
    return np.frombuffer(one.pixels, np.uint8).reshape(one.shape).astype(np.float64)


def are_alike(one: Slice, drawn: Drawn) -> bool:
    return one.shape[:2] == drawn.shape and bool(np.corrcoef(pixels(one).ravel(), drawn.ravel())[0, 1] > 0.99)


CONTAINERS: dict[str, Callable[[list[Drawn]], bytes]] = {
    "ZIP": lambda slices: studies.pack(named(slices)),
    "TAR": lambda slices: studies.pack_tar(named(slices)),
    "TIFF": lambda slices: studies.pages(np.stack(slices)),
    "PDF": lambda slices: studies.pages(np.stack(slices), "PDF"),
}


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name", CONTAINERS)
def test_the_slices_of_a_container_are_made_upright(analyser: Analyser, name: str, quarters: int) -> None:
    sent = open_study(CONTAINERS[name](lain(HEAD, quarters)))
    study = made_upright(sent, analyser.turning)
    assert study.turned == (quarters > 0)
    assert all(map(are_alike, study.slices, HEAD))
    assert {(one.width, one.height) for one in study.slices} == {(224, 256)}


@pytest.mark.parametrize(
    ("told", "is_turned"), [({}, False), ({"ImageOrientationPatient": []}, True)], ids=["directions", "none"]
)
def test_dicom_slices_are_shown_as_their_tags_say(analyser: Analyser, told: dict[str, object], is_turned: bool) -> None:
    files = studies.series_files(np.stack(lain(HEAD, 1)), **told)
    album = open_album(list(files.values()))
    assert album is not None
    for sent in (open_study(studies.pack(files)), album):
        study = made_upright(sent, analyser.turning)
        assert study.turned == is_turned
        assert {one.shape for one in study.slices} == {(256, 224) if is_turned else (224, 256)}


def test_a_volume_tells_directions(analyser: Analyser) -> None:
    sent = open_study(studies.nifti(np.stack(lain(HEAD, 1))))
    assert made_upright(sent, analyser.turning) == sent


def test_slice_without_directions_follows_its_neighbours(analyser: Analyser) -> None:
    rows, columns = np.mgrid[-128:128, -112:112]
    disc = (170.0 * (rows**2 + columns**2 < 90**2)).astype(np.uint8)
    sent = open_study(studies.pack(named(lain([*HEAD[:4], disc, *HEAD[4:]], 1))))
    assert made_upright(sent, analyser.turning).slices[4].shape == disc.shape


def test_slices_that_lie_otherwise_are_turned_alone(analyser: Analyser) -> None:
    square = studies.head(8)
    mixed = [np.rot90(one, number % 2) for number, one in enumerate(square)]
    study = made_upright(open_study(studies.pack(named(mixed))), analyser.turning)
    assert study.turned
    assert all(map(are_alike, study.slices, square))


def test_smears_are_never_turned(analyser: Analyser) -> None:
    smears = {f"{n}.png": pictures.encode(pictures.smear_image(seed=n), "PNG") for n in range(4)}
    sent = open_study(studies.pack(smears))
    assert made_upright(sent, analyser.turning) == sent


def both_ways(drawn: Drawn) -> Drawn:
    """A head whose front looks like its back."""
    return np.maximum(drawn, np.rot90(drawn, 2))


def test_what_lies_on_either_side_is_refused(analyser: Analyser) -> None:
    def asked(quarters: int) -> Study:
        unclear = lain([both_ways(one) for one in HEAD[2:6]], quarters)
        return made_upright(open_study(studies.pack(named(unclear))), analyser.turning)

    cards = {organ: model.card for organ, model in analyser.experts.items()}
    upright, laid = asked(0), asked(1)
    assert not any(one.is_unclear for one in upright.slices)
    assert not laid.turned
    with pytest.raises(PictureError) as refused:
        close(laid, [analyse_slice(analyser, one) for one in laid.slices], cards)
    assert refused.value.reason is Reason.ON_ITS_SIDE
