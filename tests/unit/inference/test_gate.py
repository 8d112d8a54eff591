"""Promises of the gate: photos of screens and films are laid flat, and every refusal says as much as is known."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.analyser import Analyser
from inference.analysis import Reason, Verdict
from inference.card import MODELS_DIR, ModelError, load_card
from inference.gate import gate
from inference.gate.ood_detector import DISTANCES_FILE, PENALTY, MahalanobisDetector
from inference.gate.rejection_reason import KINDS, REFUSALS_FILE, SIGNS, RejectionReasons, signs, too_dark
from inference.gate.screen_finder import Frame, find_frames, is_photo, lay_flat, rim_is_lit
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


def test_a_tilted_screen_is_found_to_within_a_few_pixels() -> None:
    frame = find_frames(np.asarray(room()))[0]
    assert np.abs(frame.corners - np.array(CORNERS)).max() < 10
    assert frame.support > 0.9


def test_what_is_laid_flat_fills_the_picture_and_shows_nothing_of_the_room() -> None:
    image = room()
    flat = lay_flat(np.asarray(image), Frame(np.array(CORNERS, np.float32), 1.0))
    assert flat.max() < 60
    assert 1.0 < flat.shape[1] / flat.shape[0] < 1.3


def test_a_picture_without_straight_edges_has_no_frame() -> None:
    ys, xs = np.mgrid[:300, :300]
    blob = (255 * np.exp(-((xs - 150) ** 2 + (ys - 150) ** 2) / 4000)).astype(np.uint8)
    assert find_frames(np.repeat(blob[..., None], 3, -1)) == ()


def test_a_frame_on_black_is_no_photo_of_a_screen() -> None:
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
def test_a_scan_photographed_from_a_screen_or_a_film_is_cut_out_and_read(
    analyser: Analyser, photograph: object
) -> None:
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


def test_the_answer_shows_what_was_cut_out_and_tells_the_size_of_what_was_sent(analyser: Analyser) -> None:
    photo = next(
        photo
        for seed in range(8)
        if analyser.gate.admit(photo := film_photo(slice_rgb(), np.random.default_rng(seed))).picture is not photo
    )
    analysis = analyser.analyse(as_bytes(photo))
    with Image.open(io.BytesIO(analysis.shown)) as shown:
        assert shown.size != (640, 640)
    assert (analysis.width, analysis.height) == (640, 640)


def test_a_picture_in_the_dark_is_told_to_be_too_dark(analyser: Analyser) -> None:
    dark = (np.random.default_rng(0).random((200, 200, 3)) * 30).astype(np.uint8)
    assert too_dark(dark)
    assert not too_dark(slice_rgb())
    analysis = analyser.analyse(pictures.encode(Image.fromarray(dark), "PNG"))
    assert (analysis.verdict, analysis.reason) == (Verdict.NOT_READABLE, Reason.TOO_DARK)


def refusals(sure: float = 0.8) -> RejectionReasons:
    """Feature i speaks for kind i, colours for nothing; the last output has no name."""
    names = (*(kind.value for kind in KINDS), "no_name")
    return RejectionReasons(names, 5 * np.eye(6 + SIGNS, 5, dtype=np.float32), np.zeros(5, np.float32), sure)


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_refusal_tells_the_kind_that_it_is_sure_of(number: int) -> None:
    assert refusals().reason(np.eye(6, dtype=np.float32)[number], slice_rgb()) is KINDS[number]


def test_a_refusal_that_is_not_sure_or_has_no_name_says_the_general_sentence() -> None:
    between = np.array([1, 1, 0, 0, 0, 0], np.float32)
    nameless = np.array([0, 0, 0, 0, 1, 0], np.float32)
    assert refusals().reason(between, slice_rgb()) is Reason.NOT_A_SCAN
    assert refusals().reason(nameless, slice_rgb()) is Reason.NOT_A_SCAN
    assert refusals(sure=0.999).reason(np.eye(6, dtype=np.float32)[0], slice_rgb()) is Reason.NOT_A_SCAN


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 500), (640, 2), (333, 640)])
def test_the_signs_of_any_picture_are_numbers_between_0_and_1(height: int, width: int) -> None:
    found = signs(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))
    assert found.shape == (SIGNS,)
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_refusals_that_do_not_fit_the_gate_are_named(tmp_path: Path) -> None:
    card = load_card(MODELS_DIR / "gate")
    listed = card.model_copy(update={"sha256": card.sha256 | {REFUSALS_FILE: ""}})
    (tmp_path / REFUSALS_FILE).write_bytes(b"no numbers")
    with pytest.raises(ModelError, match=r"refusals\.npz can't be read"):
        RejectionReasons.load(tmp_path, listed)
    np.savez(
        tmp_path / REFUSALS_FILE,
        names=np.array(["a"]),
        weights=np.zeros((3, 1)),
        biases=np.zeros(1),
        sure=np.array(0.9),
    )
    with pytest.raises(ModelError, match=r"refusals\.npz does not fit"):
        RejectionReasons.load(tmp_path, listed)


def test_a_gate_whose_card_has_no_refusals_still_opens() -> None:
    card = load_card(MODELS_DIR / "gate")
    bare = card.model_copy(update={"sha256": {k: v for k, v in card.sha256.items() if k != REFUSALS_FILE}})
    assert RejectionReasons.load(MODELS_DIR / "gate", bare) is None


def test_a_scan_that_fills_its_picture_is_read_as_it_came(analyser: Analyser) -> None:
    for picture in (slice_rgb(), np.asarray(pictures.smear_image())):
        assert analyser.gate.admit(picture).picture is picture


def test_lines_in_a_smear_beyond_doubt_are_no_screen(analyser: Analyser, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pictures.smear_image(640, 480, seed=5, blasts=False)
    ImageDraw.Draw(image).rectangle((77, 58, 563, 422), outline=(90, 60, 140), width=2)
    smear = np.asarray(image)
    assert analyser.gate.admit(smear).picture is smear
    monkeypatch.setattr(gate, "NO_PHOTO", 1.1)
    assert analyser.gate.admit(smear).picture.shape != smear.shape  # else it would be cut along the lines


def test_only_a_picture_with_something_around_has_a_lit_rim() -> None:
    assert not rim_is_lit(slice_rgb())
    assert rim_is_lit(np.asarray(room()))
    assert not rim_is_lit(np.asarray(room((0, 0, 0))))


def detector(usual: float = 4.0, points: tuple[float, float] = (0, 0)) -> MahalanobisDetector:
    """Two organs at (3, 0) and (0, 3); for the first the second feature varies twice as much as the first."""
    whitening = np.stack([np.diag([1.0, 0.5]), np.eye(2)]).astype(np.float32)
    return MahalanobisDetector(
        3 * np.eye(2, dtype=np.float32), whitening, np.full(2, usual, np.float32), np.array(points, np.float32)
    )


def test_each_organ_measures_distance_in_units_of_its_own_spread() -> None:
    assert detector().squared(np.array([5, 0], np.float32)).tolist() == pytest.approx([4, 34])
    assert detector().squared(np.array([3, 4], np.float32)).tolist() == pytest.approx([4, 10])


def test_the_usual_distance_costs_an_organ_nothing_and_each_fold_beyond_it_as_much_again() -> None:
    logits = np.array([1, 2, 3], np.float32)
    near, far = np.array([3, 0], np.float32), np.array([3 + 2 * np.e, 0], np.float32)
    assert detector().weigh(logits, near)[0] == 1
    assert detector().weigh(logits, far)[0] == pytest.approx(1 - 2 * PENALTY, rel=1e-5)
    assert detector().weigh(logits, far)[2] == 3
    assert detector().weigh(logits, far, tolerance=float(np.e))[0] == pytest.approx(1 - PENALTY, rel=1e-5)
    assert detector(points=(0.5, -2)).weigh(logits, near)[0] == 0.5
    both = detector().weigh(np.stack([logits, logits]), np.stack([near, far]))
    assert both[1].tolist() == detector().weigh(logits, far).tolist()


def test_what_lies_far_from_all_scans_is_refused_however_sure_the_classifier_is(analyser: Analyser) -> None:
    gate = analyser.gate
    features = gate.model.read(slice_rgb()).outputs.features
    means, whitening = np.stack([features, features]), np.stack([np.eye(len(features), dtype=np.float32)] * 2)
    near = MahalanobisDetector(means, whitening, np.ones(2, np.float32), np.zeros(2, np.float32))
    far = replace(near, means=means + 99)
    assert replace(gate, detector=near).admit(slice_rgb()).organ == "brain_mri"
    refused = replace(gate, detector=far).admit(slice_rgb())
    assert refused.organ is None
    assert refused.scores["brain_mri"] < gate.model.card.operating_points.positive


def test_distances_that_do_not_fit_the_gate_are_named(tmp_path: Path) -> None:
    card = load_card(MODELS_DIR / "gate")
    listed = card.model_copy(update={"sha256": card.sha256 | {DISTANCES_FILE: ""}})
    (tmp_path / DISTANCES_FILE).write_bytes(b"no numbers")
    with pytest.raises(ModelError, match=r"distances\.npz can't be read"):
        MahalanobisDetector.load(tmp_path, listed)
    np.savez(
        tmp_path / DISTANCES_FILE, means=np.zeros((2, 3)), whitening=np.eye(3), usual=np.ones(2), points=np.ones(2)
    )
    with pytest.raises(ModelError, match=r"distances\.npz does not fit"):
        MahalanobisDetector.load(tmp_path, listed)
