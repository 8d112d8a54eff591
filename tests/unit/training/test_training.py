"""Promises of the network and of the way from pictures to a model folder (TensorFlow and LiteRT)."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.architecture import build, load_weights
from inference.card import MODELS_DIR, Architecture, ModelError, load_card
from inference.layers import LOGITS, MAPS
from inference.training import __main__, predict
from inference.training.data import dataset
from inference.training.data.brain_mri import brain_mri_examples
from inference.training.data.example import Example
from inference.training.fit import augment, batches, export, train
from inference.training.fit.loop import BACKUP_FOLDER, save
from inference.training.measure import integers, metrics
from inference.training.recipes import BRAIN, GATE, RECIPES, Recipe

KINDS = ("glioma", "meningioma", "pituitary", "no_tumor")
SMALL = replace(
    BRAIN,
    classes=tuple(c for c in BRAIN.classes if c.name in KINDS),
    class_shares=(0.25, 0.25, 0.2, 0.3),
    stands_for={},
    darkness={},
    drawing=0.0,
    rates={},
    member_classes=(),
    architecture=Architecture(stem=8, widths=(16, 16), blocks=(1, 1), strides=(2, 2)),
    input=BRAIN.input.model_copy(update={"side": 32, "crop": "none"}),
    cached_side=40,
    peak_rate=5e-3,
    batch=32,
)
TINY = replace(SMALL, architecture=Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,)))
"""For trainings of which it matters how they go and not what they learn: its graph is traced in half the time."""

FEW_DRAWS = 50
"""Of each interval's bootstrap, where it matters that there is one and not how narrow: the shipped 1000 take 5 s."""


def toy_slice(rng: np.random.Generator, label: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A grey disc; a tumour is a bright spot at its class's height. Returns picture and mask, 64 x 64."""
    ys, xs = np.mgrid[:64, :64] - 32.0
    picture = np.where(np.hypot(xs, ys) < 28, 90.0, 0) + rng.normal(0, 4, (64, 64))
    mask = np.zeros((64, 64), bool)
    if label != "no_tumor":
        height = {"glioma": -14, "meningioma": 14, "pituitary": 0}[label]
        mask = np.hypot(xs - rng.normal(0, 3), ys - height) < 7
    picture = np.where(mask, 220, picture).clip(0, 255)
    return np.asarray(picture, np.uint8), np.asarray(mask * 255, np.uint8)


@pytest.fixture(scope="module")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (root / "brain" / "images").mkdir(parents=True)
    (root / "brain" / "masks").mkdir()
    rows = []
    for i in range(96):
        label, part = KINDS[i % 4], ("train", "train", "val", "test")[i // 4 % 4]
        picture, mask = toy_slice(rng, label)
        Image.fromarray(picture).save(root / "brain" / "images" / f"{i}.png")
        Image.fromarray(mask).save(root / "brain" / "masks" / f"{i}.png")
        masked = f"masks/{i}.png" if mask.any() else ""
        rows.append([f"images/{i}.png", masked, label, part, "toy", str(i), "", "no"])
    with (root / "brain" / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "mask", "label", "part", "source", "group", "sequence", "skull_stripped"])
        writer.writerows(rows)
    return root


@pytest.fixture(scope="module")
def folder(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder made by the commands alone, from the toy pictures."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "brain_mri", SMALL)
        patch.setattr(metrics, "DRAWS", FEW_DRAWS)
        for command in ("data", "train", "export", "calibrate", "evaluate"):
            arguments = ["--data", str(toy_data), "--runs", str(work / "runs"), "--models", str(work), "--steps", "300"]
            assert __main__.main([command, "brain_mri", *arguments]) == 0
    return work / "brain_mri"


@pytest.fixture(scope="module")
def trained(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training of one epoch."""
    plan = train.Plan(tmp_path_factory.mktemp("trained"), steps=60)
    return train.fit(TINY, *train.prepare(TINY, toy_data), plan).parent


def log_loss(weights: Path, examples: list[Example]) -> float:
    outputs = train.restore(TINY, weights)(dataset.tensors(examples, SMALL.input))[LOGITS].numpy()
    labels = [SMALL.class_names.index(e.label) for e in examples]
    probabilities = predict.probabilities_of(outputs, 1.0)[np.arange(len(labels)), labels]
    return float(np.mean([-np.log(probabilities[np.array(labels) == k]).mean() for k in range(4)]))


def small_model(seed: int = 0, recipe: Recipe = SMALL) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build(recipe.architecture, recipe.input.side, recipe.input.channels, len(recipe.classes))


def pictures(count: int, side: int = 32) -> NDArray[np.float32]:
    return np.random.default_rng(5).random((count, side, side, 1)).astype(np.float32)


def test_logit_is_its_bias_plus_class_map_mean() -> None:
    model = small_model()
    model.get_layer(LOGITS).bias.assign([0.5, -1, 2, 0])
    outputs = model(pictures(3))
    logits, maps = outputs[LOGITS].numpy(), outputs[MAPS].numpy()

    assert np.abs(logits - maps.mean((1, 2)) - [0.5, -1, 2, 0]).max() < 1e-4


def test_map_has_cell_per_eight_or_32_pixels() -> None:
    for recipe, pixels in ((BRAIN, 8), (GATE, 32)):
        side = recipe.input.side
        model = build(recipe.architecture, side, recipe.input.channels, len(recipe.classes))

        assert model.output[MAPS].shape == (None, side // pixels, side // pixels, len(recipe.classes))
        assert model.count_params() < 5_000_000


def test_other_weights_give_another_map() -> None:
    first, second = (small_model(seed)(pictures(1))[MAPS].numpy().ravel() for seed in (0, 1))

    assert abs(np.corrcoef(first, second)[0, 1]) < 0.9


def test_centred_maps_keep_probabilities_and_sum_to_zero() -> None:
    model = small_model()
    model.get_layer(LOGITS).bias.assign([0.5, -1, 2, 0])
    before = predict.probabilities_of(model(pictures(3))[LOGITS].numpy(), 1.0)
    export.centre_maps(model)
    after = model(pictures(3))

    assert np.abs(predict.probabilities_of(after[LOGITS].numpy(), 1.0) - before).max() < 1e-5
    assert np.abs(after[MAPS].numpy().sum(-1)).max() < 1e-4


def test_exported_integers_say_nearly_what_the_rebuilt_model_says(folder: Path, toy_data: Path) -> None:
    card = load_card(folder)
    examples = [e for e in dataset.examples_for(SMALL, toy_data) if e.part == "test"]
    found = integers.figures(card, folder, dataset.tensors(examples, card.input))

    assert card.arithmetic == "int8"
    assert found["maps_correlation"] > 0.98
    assert found["features_cosine"] > 0.97
    assert found == card.figures["integers"]  # of the same pictures
    assert "8-bit integers" in (folder / "MODEL_CARD.md").read_text()


def test_quantise_makes_the_file_of_the_folders_weights(folder: Path, toy_data: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(folder, tmp_path / "brain_mri"))
    card = load_card(again)
    (again / export.LITERT_FILE).write_bytes(b"lost")
    export.write_card(card.model_copy(update={"sha256": card.sha256 | export.checksums(again)}), again)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "brain_mri", SMALL)
        assert __main__.main(["quantise", "brain_mri", "--data", str(toy_data), "--models", str(tmp_path)]) == 0

    one, other = (predict.predict(at, pictures(4)) for at in (folder, again))
    assert np.array_equal(one.logits, other.logits)
    assert load_card(again).model_copy(update={"sha256": card.sha256}) == card


def test_float16_file_and_the_rebuilt_model_say_the_same(folder: Path, tmp_path: Path) -> None:
    card = load_card(folder)
    rebuilt = build(card.architecture, card.input.side, card.input.channels, len(card.classes))
    load_weights(rebuilt, folder / export.WEIGHTS_FILE)
    (tmp_path / export.LITERT_FILE).write_bytes(export.to_litert(rebuilt))
    tensors = pictures(4)
    litert, keras_outputs = predict.predict(tmp_path, tensors), rebuilt(tensors)

    assert np.abs(litert.logits - keras_outputs[LOGITS].numpy()).max() < 1e-4
    assert np.abs(litert.maps - keras_outputs[MAPS].numpy()).max() < 1e-3
    assert litert.features.shape == (4, SMALL.architecture.features)


def test_a_toy_training_finds_the_class_and_the_place(folder: Path) -> None:
    test = load_card(folder).figures["test"]

    assert test["model"]["accuracy"]["value"] >= 0.6
    pointing = test["heat_map"]["pointing"]
    assert pointing["heat_map"]["pointing_game"]["value"] > pointing["everywhere_alike"]["pointing_game"]["value"]


def test_card_says_how_it_was_trained_and_measured(folder: Path) -> None:
    card = load_card(folder)

    assert sum(row["pictures"] for row in card.trained_on) == 48
    assert {"model", "brightness_or_colour_only", "verdicts", "heat_map"} <= set(card.figures["test"])
    assert card.version in (folder / "MODEL_CARD.md").read_text()


def test_an_altered_weight_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("card.json", export.LITERT_FILE, export.WEIGHTS_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / export.WEIGHTS_FILE).write_bytes(b"something else")

    with pytest.raises(ModelError, match=r"weights\.npz was altered"):
        load_card(tmp_path)


def test_weights_of_another_net_are_refused_by_name(folder: Path) -> None:
    other = build(Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,)), 32, 1, 4)

    with pytest.raises(ValueError, match=r"weights\.npz does not fit"):
        load_weights(other, folder / export.WEIGHTS_FILE)


def test_own_folders_become_a_model_by_same_commands(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for label in KINDS:
        (tmp_path / "own" / label).mkdir(parents=True)
        for person in range(12):
            Image.fromarray(toy_slice(rng, label)[0]).save(tmp_path / "own" / label / f"p{person}_1.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "brain_mri", TINY)
        patch.setattr(metrics, "DRAWS", FEW_DRAWS)
        for command in ("train", "export", "calibrate", "evaluate"):
            folders = ["--data", str(tmp_path / "own"), "--runs", str(tmp_path / "runs"), "--models", str(tmp_path)]
            assert __main__.main([command, "brain_mri", *folders, "--steps", "4", "--seed", "3"]) == 0
    card = load_card(tmp_path / "brain_mri")

    assert card.made_with["seed"] == "3"
    assert len(card.made_with["data_sha256"]) == 64
    assert {row["set"] for row in card.trained_on} == {"own"}
    assert "val log loss" in (tmp_path / "runs" / "brain_mri" / "train.log").read_text()
    assert (tmp_path / "brain_mri" / "plots.svg").exists()


def test_repeated_training_draws_identical_batches(toy_data: Path) -> None:
    arrays = dataset.load(SMALL, brain_mri_examples(toy_data)[:40], blank_bars=True)
    first, second = (next(batches.draw_batches(arrays, SMALL, seed=4)) for _ in range(2))

    assert np.array_equal(first.pictures, second.pictures)
    assert np.array_equal(first.labels, second.labels)


def test_repeated_training_varies_pictures_the_same_way(toy_data: Path) -> None:
    arrays = dataset.load(SMALL, brain_mri_examples(toy_data)[:40], blank_bars=True)
    seen = []
    for seed in (4, 4, 5):
        keras.utils.set_random_seed(seed)
        found = iter(batches.stream(arrays, SMALL, seed=1))
        seen.append([next(found)[0].numpy() for _ in range(3)])

    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0][0], seen[0][1])
    assert not np.array_equal(seen[0], seen[2])


def test_changing_some_pictures_leaves_the_others_unchanged() -> None:
    def inverse(chosen: NDArray[np.float32]) -> NDArray[np.float32]:
        return 1 - chosen

    keras.utils.set_random_seed(0)
    found = [augment.some(pictures(200, 4), share, inverse).numpy() for share in (0.0, 0.3, 1.0)]
    same, other = (abs(found[1] - wanted).max((1, 2, 3)) < 1e-6 for wanted in (pictures(200, 4), 1 - pictures(200, 4)))

    assert np.array_equal(found[0], pictures(200, 4))
    assert np.array_equal(found[2], 1 - pictures(200, 4))
    assert (same ^ other).all()
    assert 0.2 < other.mean() < 0.4


def test_share_of_weights_comes_from_earlier_checkpoint(tmp_path: Path) -> None:
    nets = [small_model(seed) for seed in (1, 2)]
    files = [tmp_path / f"{i}.npz" for i in range(2)]
    for net, file in zip(nets, files, strict=True):
        save(net, file)
    blended = train.restore(SMALL, files[1], files[0], 0.25)
    for found, early, late in zip(blended.weights, *(net.weights for net in nets), strict=True):
        wanted = 0.25 * np.asarray(early) + 0.75 * np.asarray(late)
        assert np.allclose(np.asarray(found), wanted, atol=1e-6)
    plain = train.restore(SMALL, files[1])
    assert all(
        np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(plain.weights, nets[1].weights, strict=True)
    )


def test_export_before_training_says_what_to_run(
    toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(["export", "brain_mri", "--data", str(toy_data), "--runs", str(tmp_path)]) == 2
    assert "run python -m inference.training train brain_mri" in capsys.readouterr().err


def test_going_on_without_a_checkpoint_says_so(
    toy_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "brain_mri", SMALL)

    assert __main__.main(["train", "brain_mri", "--resume", "--data", str(toy_data), "--runs", str(tmp_path)]) == 2
    assert "there is nothing to go on from" in capsys.readouterr().err


def test_an_interrupted_training_goes_on_after_its_last_epoch(toy_data: Path, tmp_path: Path) -> None:
    arrays, validation = train.prepare(TINY, toy_data)

    def stop(share: float) -> None:
        if share >= 0.7:
            raise KeyboardInterrupt

    plan = train.Plan(tmp_path, steps=20, epoch=10, progress=stop)
    with pytest.raises(KeyboardInterrupt):
        train.fit(TINY, arrays, validation, plan)
    judged = float((tmp_path / "best.txt").read_text())
    lines: list[str] = []
    shares: list[float] = []
    found = train.fit(
        TINY, arrays, validation, replace(plan, resume=True, progress=shares.append), lambda line: lines.append(line)
    )

    assert any("going on after epoch 1" in line for line in lines)
    assert shares[0] == pytest.approx(0.55)
    assert len(shares) == 10
    assert log_loss(found, validation) <= judged + 1e-4  # never a worse one than before the stop
    assert not list((tmp_path / BACKUP_FOLDER).iterdir())


def test_best_judged_averaged_weights_are_kept(toy_data: Path, trained: Path) -> None:
    _, validation = train.prepare(TINY, toy_data)

    judged = float((trained / "best.txt").read_text())
    assert log_loss(trained / "best.npz", validation) == pytest.approx(judged, abs=1e-4)
    with np.load(trained / "best.npz") as kept, np.load(trained / "last.npz") as last:
        assert all(np.array_equal(kept[name], last[name]) for name in kept.files)  # one epoch: it is both


def test_a_training_can_begin_with_weights_of_another(toy_data: Path, trained: Path, tmp_path: Path) -> None:
    arrays, validation = train.prepare(TINY, toy_data)
    first = trained / "best.npz"
    low = replace(TINY, peak_rate=1e-7)
    second = train.fit(low, arrays, validation, train.Plan(tmp_path, steps=2, start=first))

    assert log_loss(second, validation) == pytest.approx(log_loss(first, validation), abs=1e-3)


def test_the_mask_moves_with_the_picture() -> None:
    both = np.zeros((8, 40, 40, 2), np.float32)
    both[:, 10:20, 20:30] = 1
    moved = augment.geometry(both, 32, turn=1.0, zoom=(0.8, 1.2), shift=0.05, flip_up=0.5, quarter=True).numpy()

    assert moved.shape == (8, 32, 32, 2)
    assert np.array_equal(moved[..., 0], moved[..., 1])
    assert len({m.tobytes() for m in moved}) == 8


def test_a_picture_left_alone_by_chance_keeps_its_place() -> None:
    picture = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    same = augment.geometry(picture, 32, turn=0.0, zoom=(1.0, 1.0), shift=0.0, flip_up=0.0, quarter=False).numpy()
    mirrored = np.abs(same - picture[:, :, ::-1])

    # Only the mirror and a stretch of up to 8 % are left to chance: the picture's middle row hardly moves.
    assert min(mirrored[0, 14:18, 14:18].mean(), np.abs(same - picture)[0, 14:18, 14:18].mean()) < 0.2


@pytest.mark.parametrize("name", list(RECIPES))
def test_shipped_model_is_small_and_says_its_figures(name: str) -> None:
    assert (MODELS_DIR / name / export.LITERT_FILE).stat().st_size < 8_000_000
    assert set(load_card(MODELS_DIR / name).figures) >= {"val", "test"}  # its files are held to their checksums
