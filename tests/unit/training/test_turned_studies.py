"""What is measured of studies whose slices lie: what becomes of each slice, and of places that are left out."""

from pathlib import Path

import pytest
from PIL import Image

from inference.analyser import Analyser
from inference.card import OTHER
from inference.training.data.example import Example
from inference.training.fit import upright
from inference.training.measure.studies import Volume
from inference.training.measure.turned_studies import of_places, read_laid
from tests import studies

HEAD = studies.head(4)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, ...]:
    found = tuple(tmp_path / f"{number}.png" for number in range(len(HEAD)))
    for path, drawn in zip(found, HEAD, strict=True):
        Image.fromarray(drawn).save(path)
    return found


@pytest.mark.parametrize(
    ("quarters", "step", "done"), [(0, 1, [4, 0, 0, 0]), (1, 1, [0, 4, 0, 0]), (2, 2, [2, 2, 0, 0])]
)
def test_it_is_counted_what_becomes_of_slices(
    paths: tuple[Path, ...], quarters: int, step: int, done: list[int]
) -> None:
    volume = Volume("drawn", "tests", held_out=True, part="val", has_tumor=True, series=(paths,))
    after, before = (line.split() for line in read_laid(Analyser.load(), [volume], quarters, step))
    assert (sum(map(int, after[:4])), sum(map(int, before))) == (1, 1)
    assert list(map(int, after[4:])) == done


def test_each_place_is_left_out_in_turn(paths: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upright, "EPOCHS", 1)
    monkeypatch.setattr(upright, "BATCH", 2)
    examples = [
        Example(path, OTHER, "train", f"place {n // 2}", str(n), detail="red_cells") for n, path in enumerate(paths)
    ]
    lines = [line.rsplit(maxsplit=5) for line in of_places(examples, [["place 0"], ["place 1"]])]
    assert [(line[0], line[1]) for line in lines] == [("place 0", "2"), ("place 1", "2"), ("all", "4")]
    assert all(0 <= float(share) <= 100 for line in lines for share in line[2:])
