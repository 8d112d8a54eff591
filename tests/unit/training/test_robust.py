"""The changes that robustness is tried on: each does what it says, and the figures count what people would get."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.analyser import Analyser
from inference.training.data.example import Example
from inference.training.drawn.screen_photos import screen_photo
from inference.training.measure import robust
from inference.training.recipes import BRAIN, GATE
from tests import pictures

Rgb = NDArray[np.uint8]


def head() -> Rgb:
    ys, xs = np.mgrid[:128, :96] / 128 - 0.4
    grey = np.where(np.hypot(xs / 0.3, ys / 0.45) < 1, 120 + 60 * np.sin(25 * xs) * np.cos(19 * ys), 5)
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


@pytest.mark.parametrize("name", list(robust.CHANGES))
def test_change_gives_a_repeatable_picture(name: str) -> None:
    change = robust.CHANGES[name]
    first, second = (change(head(), np.random.default_rng(5)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert np.array_equal(first, second)
    assert name == "as it is" or first.shape != head().shape or not np.array_equal(first, head())


def test_changes_do_what_their_names_say() -> None:
    picture, rng = head(), np.random.default_rng(0)
    assert np.array_equal(robust.mirrored(robust.mirrored(picture, rng), rng), picture)
    assert max(robust.telegram(picture, rng).shape) == 1280
    assert robust.cropped(picture, rng).shape == (128 - 12, 96 - 9, 3)
    assert robust.gamma(0.6)(picture, rng).mean() > picture.mean() > robust.gamma(1.6)(picture, rng).mean()
    assert robust.turned(15)(picture, rng).shape[0] > 128

    def roughness(rgb: Rgb) -> float:
        return float(np.abs(np.diff(rgb.astype(float), axis=1)).mean())

    assert roughness(robust.blurred(2)(picture, rng)) < roughness(robust.blurred(1)(picture, rng)) < roughness(picture)
    errors = [np.abs(robust.jpeg(quality)(picture, rng).astype(float) - picture).mean() for quality in (90, 50, 30)]
    assert errors == sorted(errors)


def drawn(folder: Path, count: int) -> list[Example]:
    rows = []
    for i in range(count):
        for label in BRAIN.class_names:
            path = folder / f"{label}{i}.png"
            Image.fromarray(np.roll(head(), 2 * i, axis=1)).save(path)
            rows.append(Example(path, label, "test" if i % 2 else "val", f"s{i % 3}", str(path)))
    return rows


def test_sample_is_repeatable_and_balances_classes_and_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn(tmp_path, 9)
    monkeypatch.setattr(robust, "SAMPLE", 3 * len(BRAIN.class_names))
    chosen = robust.sample(BRAIN, rows, seed=1)
    assert chosen == robust.sample(BRAIN, list(reversed(rows)), seed=1)
    assert chosen != robust.sample(BRAIN, rows, seed=2)
    for label in BRAIN.class_names:
        assert sorted(e.source for e in chosen if e.label == label) == ["s0", "s1", "s2"]


@contextmanager
def quiet(total: int, name: str) -> Iterator[Callable[[], None]]:
    yield lambda: None


def test_the_table_counts_refused_unsure_and_wrong_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On three changes of drawn slices: what is refused is not told wrong, and nothing is counted twice."""
    rows = []
    for i, label in enumerate(("glioma", "no_tumor")):
        path = tmp_path / f"{label}.jpg"
        path.write_bytes(pictures.brain())
        rows.append(Example(path, label, "test", "drawn", str(i)))
    chosen = {name: robust.CHANGES[name] for name in ("as it is", "mirrored", "photo of a film")}
    monkeypatch.setattr(robust, "CHANGES", chosen)
    found = robust.figures(BRAIN, Analyser.load(), rows, 0, quiet)
    assert list(found["changes"]) == list(chosen)
    assert found["changes"]["as it is"]["accuracy"] == 0.5  # the same picture cannot be both
    for row in found["changes"].values():
        assert 0 <= row["not_sure"] + row["refused"] + row["told_wrong"] <= 1
        assert isinstance(row["stood"], bool)


def test_gates_table_counts_refused_scans_and_admitted_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    for label, data in (("brain_mri", pictures.brain()), ("blood_smear", pictures.smear()), ("other", b"")):
        path = tmp_path / f"{label}.png"
        if data:
            path.write_bytes(data)
        else:
            Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 50).save(path)
        rows.append(Example(path, label, "test", "drawn", label))
    monkeypatch.setattr(robust, "CHANGES", {"as it is": robust.CHANGES["as it is"]})
    found = robust.figures(GATE, Analyser.load(), rows, 0, quiet)
    row = found["changes"]["as it is"]
    assert set(row) == {"brain_mri_refused", "blood_smear_refused", "others_let_in"}
    assert row["others_let_in"] == 0


def test_photos_are_counted_as_they_are_served() -> None:
    """Bots mend what a photo shows before the gate looks again: what people get read must not count as refused."""
    analyser, slice_rgb = Analyser.load(), np.asarray(Image.open(io.BytesIO(pictures.brain())).convert("RGB"))
    photos = [screen_photo(slice_rgb, np.random.default_rng(seed)) for seed in range(3, 6)]
    served = [robust._admitted(analyser, photo)[0] for photo in photos]
    at_first = [analyser.gate.admit(photo).organ for photo in photos]
    assert served.count("brain_mri") > at_first.count("brain_mri")


def test_what_is_cut_into_many_slices_is_no_organ() -> None:
    tiles = np.asarray(Image.open(io.BytesIO(pictures.brain())).convert("RGB").resize((240, 240)))
    sheet = np.zeros((520, 780, 3), np.uint8)
    for row in range(2):
        for column in range(3):
            sheet[10 + 260 * row : 250 + 260 * row, 10 + 260 * column : 250 + 260 * column] = tiles
    assert robust._admitted(Analyser.load(), sheet)[0] == robust.SHEET
