"""The figures about studies are taken from whole people, put in order, and told by the rule that serves."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from inference.analyser import Analyser
from inference.analysis import Verdict
from inference.training.measure.studies import card_lines, in_order, read, tell, volumes
from tests import studies


def data(folder: Path) -> Path:
    """Two people, five slices each and in no order, one with a mass; and one of whom there are too few."""
    for name in ("brain", "brain_more"):
        (folder / name / "images").mkdir(parents=True)
    rows = []
    for person, tumour, count in (("ill", True, 5), ("well", False, 5), ("few", False, 2)):
        volume = studies.head(20, 128, tumour=tumour, seed=1 if tumour else 2)[8:13][:count]
        for place in (3, 0, 4, 1, 2)[:count] if count == 5 else (0, 1):
            file = f"images/{person}{place}.png"
            Image.fromarray(volume[place]).save(folder / "brain" / file)
            label = "glioma" if tumour else "no_tumor"
            rows.append([file, label, "drawn", "test" if tumour else "train", person, "T1", "axial"])
    for name, its_rows in (("brain", rows[:10]), ("brain_more", rows[10:])):
        with (folder / name / "index.csv").open("w", newline="") as file_:
            writer = csv.writer(file_)
            writer.writerow(["file", "label", "source", "part", "group", "sequence", "plane"])
            writer.writerows(its_rows)
    return folder


def test_people_become_volumes_with_slices_in_order(tmp_path: Path) -> None:
    ill, well = volumes(data(tmp_path))
    assert (ill.name, ill.has_tumor, ill.held_out) == ("ill", True, True)
    assert (well.name, well.has_tumor, well.held_out) == ("well", False, False)
    assert len(ill.series[0]) == 5


def test_slices_are_put_in_order_by_likeness(tmp_path: Path) -> None:
    paths = []
    for place in (4, 1, 3, 0, 2):
        picture = np.zeros((64, 64), np.uint8)
        picture[10 * place : 10 * place + 20] = 200
        path = tmp_path / f"{place}.png"
        Image.fromarray(picture).save(path)
        paths.append(path)
    names = [path.stem for path in in_order(paths)]
    assert names in (list("01234"), list("43210"))


def test_a_volume_is_told_by_the_rule_that_serves(tmp_path: Path) -> None:
    analyser = Analyser.load()
    cards = {organ: model.card for organ, model in analyser.experts.items()}
    ill, well = volumes(data(tmp_path))
    assert tell(cards, read(analyser, ill, lambda: None)).verdict is Verdict.TUMOR_SIGNS
    assert tell(cards, read(analyser, well, lambda: None)).verdict is not Verdict.TUMOR_SIGNS


def test_a_card_without_such_figures_says_nothing_of_studies() -> None:
    assert card_lines(None) == []
