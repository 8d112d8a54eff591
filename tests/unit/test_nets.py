"""A model of two nets: trained apart, kept in one file, each reading one view of the picture."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.architecture import LOGITS, build, rebuild
from inference.backends import WEIGHTS
from inference.card import Architecture, Input, ModelError
from inference.expert import Expert
from inference.preprocess import tensor
from inference.registry import Entry
from inference.training import __main__ as cli
from inference.training import export, heatmaps, predict
from inference.training.recipes import BRAIN, RECIPES

TWO = replace(
    BRAIN,
    architecture=Architecture(stem=8, widths=(16,), blocks=(1,), strides=(2,), nets=2),
    input=Input(side=32, channels=1, normalisation="percentile"),
)


def nets() -> list[keras.Model]:
    made = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        made.append(build(TWO.architecture, 32, 1, 4))
        made[-1].get_layer(LOGITS).bias.assign([seed, -1, 0.5, 0])
    return made


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    folder = tmp_path_factory.mktemp("models") / "brain_mri"
    card = export.export(TWO, nets(), folder, "1")
    card = card.model_copy(update={"views": ("plain", "mirrored")})
    export.write_card(card, folder)
    return Entry(folder, card)


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8)


@pytest.mark.parametrize("backend", ["litert", "tensorflow"])
def test_each_view_is_read_by_its_own_net_and_the_answer_is_their_mean(entry: Entry, backend: str) -> None:
    plain = tensor(picture(), entry.card.input)
    first, second = rebuild(entry.card, entry.folder / WEIGHTS["tensorflow"])
    one, two = first(plain)[LOGITS].numpy()[0], second(plain[:, :, ::-1])[LOGITS].numpy()[0]
    reading = Expert.load(entry, backend).read(picture())  # type: ignore[arg-type]  # a name out of the list above

    assert np.abs(reading.outputs.logits - (one + two) / 2).max() < 1e-3
    assert np.abs(one - two).max() > 0.1
    assert reading.apart > 0
    assert reading.outputs.features.shape == (32,)


def test_logits_of_two_nets_are_their_mean_bias_and_the_mean_of_the_map(entry: Entry) -> None:
    readings = predict.read(Expert.load(entry), [picture()])

    assert heatmaps.identity_error(entry.card, entry.folder, readings) < 1e-4


def test_maps_of_two_nets_are_not_those_of_random_weights(entry: Entry) -> None:
    found = heatmaps.randomised(entry.card, entry.folder, tensor(picture(), entry.card.input), draws=1)

    assert set(found) == {"all_weights", "last_block"}
    assert found["all_weights"] < 0.999


def test_a_file_with_another_number_of_nets_is_refused(entry: Entry) -> None:
    lonely = entry.card.model_copy(update={"architecture": entry.card.architecture.model_copy(update={"nets": 1})})

    for backend, words in (("litert", "holds 2 nets"), ("tensorflow", "does not fit")):
        with pytest.raises(ModelError, match=words):
            Expert.load(Entry(entry.folder, lonely), backend)  # type: ignore[arg-type]


def test_export_names_the_net_that_is_missing_and_train_the_one_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "brain_mri", TWO)
    (tmp_path / "brain_mri" / "net0").mkdir(parents=True)
    (tmp_path / "brain_mri" / "net0" / "best.npz").touch()

    assert cli.main(["export", "brain_mri", "--runs", str(tmp_path)]) == 2
    assert "net1/best.npz is missing" in capsys.readouterr().err
    assert cli.main(["train", "brain_mri", "--runs", str(tmp_path), "--net", "2"]) == 2
    assert "has 2 net(s), counted from 0: there is no --net 2" in capsys.readouterr().err
