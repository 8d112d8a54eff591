"""What the blood smear model learns: from domains alike, judged on domains left out; the commands alone make one."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.architecture import build, texture_net
from inference.card import load_card
from inference.cells.finder import GRID, find
from inference.cells.measures import CHANNELS, MEASURES
from inference.cells.textures import SIDE, TEXTURES, TEXTURES_FILE, TextureReader, in_usual_colours
from inference.efficientnet import TEXTURE_STAGES
from inference.layers import FEATURES, LOGITS, MAPS
from inference.training import __main__
from inference.training.data import dataset
from inference.training.data.example import DataError
from inference.training.fit import backbone, cells
from inference.training.measure import cells_compare, metrics
from inference.training.recipes import BLOOD
from tests.smears import Nucleus, smear
from tests.unit.training.test_training import FEW_DRAWS

COUNT = 400
GRAIN = MEASURES.index("grain")


def measured(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
    """Means of two measures and a constant, whether ill, and domains: one tells the disease, the other a domain."""
    rng = np.random.default_rng(seed)
    domain = rng.integers(0, 4, COUNT)
    ill = domain % 2 == 1
    means = np.stack([ill + rng.normal(0, 0.7, COUNT), domain + rng.normal(0, 0.2, COUNT), np.ones(COUNT)], axis=1)
    return means, ill, np.array([f"domain {k}" for k in domain])


def test_large_domain_counts_no_more_than_small_one() -> None:
    means, ill, domains = measured()
    many = domains == "domain 1"
    again = np.concatenate([np.arange(COUNT), *[np.flatnonzero(many)] * 9])

    assert np.allclose(cells.fit(means, ill, domains), cells.fit(means[again], ill[again], domains[again]), atol=1e-6)


def test_logits_of_left_out_domain_ignore_its_labels() -> None:
    means, ill, domains = measured()
    lied = np.where(domains == "domain 0", 1 - ill, ill).astype(np.int32)
    logits = [
        found[0][found[2] == "domain 0"]
        for found in (cells.left_out(BLOOD, means, labels.astype(np.int32), domains) for labels in (~ill, 1 - lied))
    ]

    assert len(logits[0]) == (domains == "domain 0").sum()
    assert np.array_equal(*logits)


def test_domain_needed_for_a_class_is_not_left_out() -> None:
    means, ill, domains = measured()
    kept = domains != "domain 2"
    _, _, judged = cells.left_out(BLOOD, means[kept], (~ill[kept]).astype(np.int32), domains[kept])

    assert set(judged) == {"domain 1", "domain 3"}


def test_one_class_alone_is_no_training() -> None:
    means, _, domains = measured()

    with pytest.raises(DataError, match="with leukaemia and without"):
        cells.fit(means, np.ones(COUNT, bool), domains)


def test_the_network_says_what_was_fitted() -> None:
    rng = np.random.default_rng(3)
    tensors = rng.normal(0, 1, (5, GRID, GRID, CHANNELS)).astype(np.float32)
    tensors[..., -1] = rng.random((5, GRID, GRID)) < 0.4
    weights = rng.normal(0, 1, CHANNELS)
    model = build(BLOOD.architecture, GRID, CHANNELS, 2)
    model.get_layer(MAPS).set_weights([cells.spread(BLOOD, weights[:, None])[None, None]])
    found = model(tensors)
    odds = found[LOGITS].numpy()

    assert np.allclose(found[FEATURES].numpy(), cells.pooled(tensors), atol=1e-5)
    assert np.allclose(odds[:, 0] - odds[:, 1], cells.pooled(tensors) @ weights, atol=1e-4)
    assert found[MAPS].shape == (5, GRID, GRID, 2)


def with_textures(means: NDArray[np.float64], seed: int = 4) -> NDArray[np.float64]:
    """Those of ``measured`` as means over the sheet, with textures in units of their own that tell the disease, too."""
    rng = np.random.default_rng(seed)
    ill = means[:, 0]
    textures = np.stack([300 + 40 * (ill + rng.normal(0, 0.5, COUNT)), rng.normal(-7, 0.01, COUNT)], axis=1)
    part = rng.choice([0.5, 0.75, 0.9], (COUNT, 1))
    own = np.pad(means[:, :1], ((0, 0), (0, len(MEASURES) - 1)))
    return np.concatenate([own * part, textures * part, part], axis=1)


def test_textures_add_a_share_of_what_they_say() -> None:
    means, ill, domains = measured()
    both = with_textures(means)
    own, textures = both[:, [*range(len(MEASURES)), -1]], both[:, len(MEASURES) :]
    apart = own @ cells.fit(own, ill, domains), textures @ cells.fit_textures(textures, ill, domains)

    assert np.allclose(both @ cells.fit_both(both, ill, domains), apart[0] + cells.TEXTURE_SHARE * apart[1])
    assert np.corrcoef(apart[1], ill)[0, 1] > 0.3


def test_units_of_a_texture_change_nothing() -> None:
    means, ill, domains = measured()
    textures = with_textures(means)[:, len(MEASURES) :]
    other = textures.copy()
    other[:, 0] = 0.01 * other[:, 0] - 3 * other[:, -1]
    one, two = (values @ cells.fit_textures(values, ill, domains) for values in (textures, other))

    assert np.allclose(one, two, atol=1e-4)


def test_cells_of_a_known_file_are_not_read_again(own_smears: Path, tmp_path: Path) -> None:
    examples = dataset.examples_for(BLOOD, own_smears)[:6]
    reader = cells.write_reader(tmp_path)
    first = cells.measure(BLOOD, examples, lambda _: None, reader, tmp_path / cells.CELLS_FILE)
    reading = Counter[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "find", lambda _: reading.update(["found"]))
        again = cells.measure(BLOOD, examples, lambda _: None, reader, tmp_path / cells.CELLS_FILE)

    assert not reading
    assert np.array_equal(first.tensors, again.tensors)


def test_broken_cache_of_cells_is_named(own_smears: Path, tmp_path: Path) -> None:
    cache = tmp_path / cells.CELLS_FILE
    cache.write_bytes(b"no arrays")

    with pytest.raises(DataError, match=r"cells\.npz cannot be read .*: delete it"):
        cells.measure(
            BLOOD, dataset.examples_for(BLOOD, own_smears), lambda _: None, cells.write_reader(tmp_path), cache
        )


def test_reader_in_litert_reads_what_the_net_does(tmp_path: Path) -> None:
    field = find(smear([Nucleus(70, 70, 17), Nucleus(170, 150, 12, lobes=3)]))
    net = texture_net(SIDE)
    backbone.fill(net, backbone.read(), TEXTURE_STAGES)
    expected = net(in_usual_colours(field))[FEATURES].numpy()
    found = TextureReader.load(cells.write_reader(tmp_path)).read(field)

    assert found.shape == (2, TEXTURES)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


@pytest.fixture(scope="module")
def own_smears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of drawn smears: large round nuclei, and small lobed ones."""
    root = tmp_path_factory.mktemp("smears")
    rng = np.random.default_rng(5)
    for name, radius, lobes in (("leukemia", 19, 1), ("no_leukemia", 11, 3)):
        (root / name).mkdir()
        for i in range(24):
            places = [(50, 50), (190, 60), (120, 120), (60, 190), (190, 180)][: rng.integers(2, 6)]
            nuclei = [
                Nucleus(x + rng.uniform(-8, 8), y + rng.uniform(-8, 8), radius + rng.normal(0, 0.7), lobes)
                for x, y in places
            ]
            Image.fromarray(smear(nuclei, seed=i)).save(root / name / f"{name}{i}.png")
    return root


def test_commands_make_a_model_of_own_smears(
    own_smears: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "DRAWS", FEW_DRAWS)
    for command in ("data", "train", "export", "calibrate", "evaluate"):
        places = ["--data", str(own_smears), "--runs", str(tmp_path / "runs"), "--models", str(tmp_path)]
        assert __main__.main([command, "blood_smear", *places]) == 0
    card = load_card(tmp_path / "blood_smear")

    assert card.figures["test"]["model"]["accuracy"]["value"] >= 0.9
    assert card.figures["grad_cam_error"] < 1e-3
    assert json.loads((tmp_path / "blood_smear" / "card.json").read_text())["input"]["normalisation"] == "cells"
    assert TEXTURES_FILE in card.sha256
    assert "EfficientNet-Lite0" in card.made_with["backbone"]
    assert "cells in 48 pictures" in capsys.readouterr().out


def two_domains_of_each(count: int = 320) -> cells.Sheets:
    """Fields of one cell each: its size tells the disease, the picture's colour only the domain."""
    rng = np.random.default_rng(1)
    domain = rng.integers(0, 4, count)
    tensors = np.zeros((count, GRID, GRID, CHANNELS), np.float32)
    tensors[:, 0, 0, 0] = (domain % 2) + rng.normal(0, 0.4, count)
    tensors[:, 0, 0, -1] = GRID * GRID / 2
    colours = np.stack([domain, (domain - 1.5) ** 2], axis=1) + rng.normal(0, 0.05, (count, 2))
    names = np.array([f"domain {k}" for k in domain])
    every = np.full(count, "train"), np.full(count, cells_compare.FIELDS)
    return cells.Sheets(tensors, (1 - domain % 2).astype(np.int32), names, *every, colours)


def test_only_disease_measures_hold_on_left_out_domains() -> None:
    found = cells_compare.figures(two_domains_of_each(), cells_compare.IN_CARD)
    measures, colour = found[cells_compare.MEASURED], found[cells_compare.COLOUR]

    assert measures["pairs"] == 4
    assert measures["least"] > 0.9
    assert colour["least"] < 0.5
    assert all(share <= 0.07 for domain in ("domain 0", "domain 2") for share in measures["called_leukemia"][domain])
    assert any(cells_compare.MEASURED in line for line in cells_compare.card_lines(found))


def four_domains_of_each() -> cells.Sheets:
    """As ``two_domains_of_each``, with a second measure that says of half of the domains what is not true."""
    sheets = two_domains_of_each(640)
    domain = np.array([int(name[-1]) for name in sheets.domains])
    sheets.tensors[:, 0, 0, GRAIN] = np.where(domain < 2, 3, -3) * np.where(domain % 2, 1, -1)
    halves = np.where(np.arange(len(domain)) % 2, " a", " b")
    return replace(sheets, domains=np.char.add(sheets.domains, halves))


def test_measure_misleading_on_other_domains_is_not_chosen() -> None:
    sheets = four_domains_of_each()
    everything = np.ones(len(sheets.domains), bool)
    chosen = cells_compare.chosen_anew(sheets)(everything)
    judged = dict(cells_compare.ways(sheets))

    assert any(
        np.array_equal(chosen, judged[name](everything)) for name in ("without grain", "without grain and clumps")
    )
    assert not np.array_equal(chosen, judged[cells_compare.MEASURED](everything))


def test_left_out_domains_do_not_influence_chosen_measures() -> None:
    sheets = four_domains_of_each()
    known = ~np.isin(sheets.domains, ("domain 0 a", "domain 1 b"))
    lied = replace(sheets, labels=np.where(known, sheets.labels, 1 - sheets.labels).astype(np.int32))
    one, other = (cells_compare.chosen_anew(s)(known) for s in (sheets, lied))

    assert np.array_equal(one, other)


def test_pairs_left_out_need_two_domains_per_class() -> None:
    sheets = two_domains_of_each()

    assert cells_compare.figures(replace(sheets, sources=np.full(len(sheets.labels), "own"))) == {}
    assert cells_compare.card_lines({}) == []


def test_comparing_before_training_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cells_compare.main(["--runs", str(tmp_path)]) == 2
    assert "run python -m inference.training train blood_smear" in capsys.readouterr().err
