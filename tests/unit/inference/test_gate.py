"""Promises of the gate: photos of screens and films are laid flat, and every refusal says as much as is known."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.analyser import Analyser
from inference.analysis import Reason, Verdict
from inference.card import MODELS_DIR, ModelError, load_card
from inference.gate import gate
from inference.gate.brightness import too_dark
from inference.gate.ood_detector import DETECTOR_FILE, OodDetector
from inference.gate.screen_finder import Frame, find_frames, is_photo, lay_flat, rim_is_lit
from inference.registry import Entry
from inference.training.drawn import unseen
from inference.training.drawn.screen_photos import FRAMED, film_photo, screen_photo
from tests import pictures

Rgb = NDArray[np.uint8]
CORNERS = ((150, 110), (500, 140), (520, 470), (130, 430))


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser.load()


def slice_rgb(side: int = 400) -> Rgb:
    grey = (pictures.brain_array(side) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def room(fill: tuple[int, int, int] = (150, 120, 100)) -> Image.Image:
    """A plain wall with a black screen in it whose corners are CORNERS."""
    image = Image.new("RGB", (640, 560), fill)
    ImageDraw.Draw(image).polygon(list(CORNERS), fill=(10, 10, 12))
    return image


def as_bytes(rgb: Rgb) -> bytes:
    return pictures.encode(Image.fromarray(rgb), quality=92)


def test_tilted_screen_is_found_within_a_few_pixels() -> None:
    frame = find_frames(np.asarray(room()))[0]
    assert np.abs(frame.corners - np.array(CORNERS)).max() < 10
    assert frame.support > 0.9


def test_flattened_screen_fills_the_picture_without_the_room() -> None:
    image = room()
    flat = lay_flat(np.asarray(image), Frame(np.array(CORNERS, np.float32), 1.0))
    assert flat.max() < 60
    assert 1.0 < flat.shape[1] / flat.shape[0] < 1.3


def test_a_picture_without_straight_edges_has_no_frame() -> None:
    ys, xs = np.mgrid[:300, :300]
    blob = (255 * np.exp(-((xs - 150) ** 2 + (ys - 150) ** 2) / 4000)).astype(np.uint8)
    assert find_frames(np.repeat(blob[..., None], 3, -1)) == ()


def test_frame_on_black_is_no_screen_photo() -> None:
    frame = Frame(np.array(CORNERS, np.float32), 1.0)
    assert is_photo(np.asarray(room()), frame)
    assert not is_photo(np.asarray(room((0, 0, 0))), frame)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 640), (640, 3), (17, 17)])
def test_no_shape_of_picture_upsets_the_search_for_frames(height: int, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for frame in find_frames(noise):
        assert lay_flat(noise, frame).ndim == 3


@pytest.mark.parametrize("photograph", [screen_photo, film_photo])
def test_simulated_photos_are_repeatable_and_change_the_picture(photograph: object) -> None:
    assert callable(photograph)
    one, again = (photograph(slice_rgb(), np.random.default_rng(4), FRAMED) for _ in range(2))
    assert np.array_equal(one, again)
    assert one.shape == (640, 640, 3)
    assert not np.array_equal(one, photograph(slice_rgb(), np.random.default_rng(5), FRAMED))


@pytest.mark.parametrize("photograph", [screen_photo, film_photo])
def test_scan_photographed_from_screen_or_film_is_read(analyser: Analyser, photograph: object) -> None:
    assert callable(photograph)
    let_in = cut_out = 0
    for seed in range(6):
        photo = photograph(slice_rgb(), np.random.default_rng(seed), FRAMED)
        admission = analyser.gate.admit(photo)
        if admission.organ is None:
            assert admission.reason is not Reason.READ
            continue
        assert admission.organ == "brain_mri"
        let_in += 1
        cut_out += admission.picture.shape != photo.shape
    assert let_in >= 4
    assert cut_out >= 2


def test_answer_shows_cut_out_but_tells_original_size(analyser: Analyser) -> None:
    analysis = analyser.analyse(as_bytes(film_photo(slice_rgb(), np.random.default_rng(0))))
    with Image.open(io.BytesIO(analysis.shown)) as shown:
        assert shown.size != (640, 640)
    assert (analysis.width, analysis.height) == (640, 640)


def test_dark_picture_is_reported_as_too_dark(analyser: Analyser) -> None:
    dark = (np.random.default_rng(0).random((200, 200, 3)) * 30).astype(np.uint8)
    assert too_dark(dark)
    assert not too_dark(slice_rgb())
    analysis = analyser.analyse(pictures.encode(Image.fromarray(dark), "PNG"))
    assert (analysis.verdict, analysis.reason) == (Verdict.NOT_READABLE, Reason.TOO_DARK)


def detector(points: tuple[float, float] = (0, 0)) -> OodDetector:
    """Four kinds along four features: two organs, CT, and one without a name; every picture lies in its own kind."""
    kinds, reasons = ("blood_smear", "brain_mri", "ct", "noise"), ("", "", Reason.OTHER_MEDICAL.value, "")
    spread = np.random.default_rng(0).normal(0, 0.05, (80, 4)) + np.repeat(np.eye(4), 20, axis=0)
    examples = (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)
    return OodDetector(
        ("brain_mri", "blood_smear"),
        kinds,
        reasons,
        8 * np.eye(4, dtype=np.float32),
        np.zeros(4, np.float32),
        np.zeros(4, np.float32),
        np.eye(4, dtype=np.float32),
        examples,
        np.repeat(np.arange(4), 20),
        np.array([[1, 1, 0], [1, 0, 1]], np.float32),
        np.array(points, np.float32),
    )


def test_both_signals_favour_a_pictures_own_organ() -> None:
    blood, brain = detector().signals(np.eye(4, dtype=np.float32)[:2])
    assert (brain[0, :2] > 1).all()
    assert (brain[1, :2] < -1).all()
    assert (blood[1, :2] > 1).all()
    assert brain[0, 2] > brain[1, 2]  # nearer to brains than to smears


def test_what_lies_near_no_training_picture_scores_less() -> None:
    known, strange = np.array([[0, 1, 0, 0], [0, 1, 0, -4]], np.float32)
    one, other = detector().signals(np.stack([known, strange]))[:, 0]
    assert other[2] < one[2]
    assert other[1] < one[1]


def test_a_point_moves_only_its_own_organ() -> None:
    features = np.array([[0, 1, 0, 0]], np.float32)
    base, moved = detector().scores(features)[0], detector((2, 0)).scores(features)[0]
    assert moved[0] == pytest.approx(base[0] - 2)
    assert moved[1] == base[1]


def test_refusal_tells_reason_of_likeliest_other_kind() -> None:
    assert detector().reason(np.array([0, 0.9, 0.5, 0], np.float32)) is Reason.OTHER_MEDICAL
    assert detector().reason(np.array([0, 0.9, 0, 0.5], np.float32)) is Reason.NOT_A_SCAN


def saved(folder: Path, **changes: object) -> Path:
    fitted = detector()
    arrays = {name: getattr(fitted, name) for name in fitted.__dataclass_fields__ if name != "organs"}
    np.savez(folder / DETECTOR_FILE, **(arrays | changes))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"mixing": np.zeros((3, 3))},
        {"reasons": np.array(["", "", "nonsense", ""])},
        {"kinds": np.array(["a", "b", "c", "d"])},
        {"points": np.array([0, np.nan])},
        {"example_kinds": np.full(80, 9)},
    ],
    ids=["another shape", "an unknown reason", "no organ", "no number", "an unknown kind"],
)
def test_detector_that_does_not_fit_gate_is_named(tmp_path: Path, changes: dict[str, object]) -> None:
    card = load_card(MODELS_DIR / "gate")
    listed = card.model_copy(update={"sha256": card.sha256 | {DETECTOR_FILE: ""}})
    assert OodDetector.load(saved(tmp_path), listed) is not None
    with pytest.raises(ModelError, match=r"kinds\.npz does not fit"):
        OodDetector.load(saved(tmp_path, **changes), listed)


def test_a_broken_or_missing_detector_is_named(tmp_path: Path) -> None:
    card = load_card(MODELS_DIR / "gate")
    (tmp_path / DETECTOR_FILE).write_bytes(b"no numbers")
    with pytest.raises(ModelError, match=r"kinds\.npz can't be read"):
        OodDetector.load(tmp_path, card)
    bare = card.model_copy(update={"sha256": {k: v for k, v in card.sha256.items() if k != DETECTOR_FILE}})
    with pytest.raises(ModelError, match=r"no checksum for kinds\.npz"):
        gate.Gate.load(Entry(MODELS_DIR / "gate", bare))


@pytest.mark.parametrize("kind", unseen.KINDS)
def test_drawings_that_no_training_drew_are_refused(analyser: Analyser, kind: str) -> None:
    assert [analyser.gate.admit(picture).organ for picture in unseen.draw(kind)] == [None] * unseen.OF_EACH


@pytest.mark.parametrize("colour", [(80, 60, 200), (0, 0, 128), (130, 0, 160), (60, 20, 90), (170, 60, 120)])
def test_even_discs_in_nucleus_colours_are_no_smear(analyser: Analyser, colour: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (420, 320), "white")
    pen = ImageDraw.Draw(image)
    for x, y in np.random.default_rng(sum(colour)).uniform(20, 300, (9, 2)):
        pen.ellipse((x, y, x + 46, y + 46), fill=colour)
    assert analyser.gate.admit(np.asarray(image)).organ is None


def test_scan_filling_its_picture_is_read_unchanged(analyser: Analyser) -> None:
    for picture in (slice_rgb(), np.asarray(pictures.smear_image())):
        assert analyser.gate.admit(picture).picture is picture


def test_lines_in_a_smear_beyond_doubt_are_no_screen(analyser: Analyser, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pictures.smear_image(640, 480, seed=1)
    ImageDraw.Draw(image).rectangle((77, 58, 563, 422), outline=(90, 60, 140), width=2)
    smear = np.asarray(image)
    monkeypatch.setattr(gate, "NO_PHOTO", 0.5)  # a drawn smear is never as sure as a real one
    assert analyser.gate.admit(smear).picture is smear
    monkeypatch.setattr(gate, "NO_PHOTO", 1.1)
    assert analyser.gate.admit(smear).picture.shape != smear.shape  # else it would be cut along the lines


def test_only_picture_with_surroundings_has_lit_rim() -> None:
    assert not rim_is_lit(slice_rgb())
    assert rim_is_lit(np.asarray(room()))
    assert not rim_is_lit(np.asarray(room((0, 0, 0))))
