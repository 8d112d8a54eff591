"""Promises of the map of whatever is unusual: what it costs to light up, and what it begins with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference import lesion_net
from inference.card import LesionArchitecture
from inference.training.fit import losses, train
from inference.training.fit.loop import save
from inference.training.recipes import BRAIN


def noticed(label: str, lit: str) -> dict[str, float]:
    """What a picture of ``label`` with an outlined spot costs when the map ``lit`` alone lights up there."""
    masks = np.zeros((1, 32, 32, 1), np.float32)
    masks[0, 8:16, 8:16] = 1
    maps = {name: np.full((1, 4, 4, 1), -6, np.float32) for name in (lesion_net.LESION_MAP, lesion_net.ABNORMAL_MAP)}
    maps[lit][0, 1, 1] = 6
    scores = {lesion_net.LESION: maps[lesion_net.LESION_MAP], lesion_net.ABNORMAL: maps[lesion_net.ABNORMAL_MAP]}
    said = maps | {name: value.max((1, 2)) for name, value in scores.items()}
    said |= {
        lesion_net.CLASS_LOGITS: np.zeros((1, 6), np.float32),
        lesion_net.CLASS_MAPS: np.zeros((1, 4, 4, 6), np.float32),
    }
    true = {"labels": np.array([BRAIN.class_names.index(label)]), "masks": masks, "masked": np.ones(1, np.float32)}
    parts, _ = losses.of(BRAIN, tuple(said))
    return {name: float(value) for name, value in parts(true, said).items()}


def test_outlined_finding_is_unusual_and_never_tumor() -> None:
    as_tumor, as_unusual = (noticed("other_finding", m) for m in (lesion_net.LESION_MAP, lesion_net.ABNORMAL_MAP))

    assert as_unusual["noticing"] < 0.5 * as_tumor["noticing"]
    assert as_unusual["drawing"] < as_tumor["drawing"]


def test_tumor_is_unusual_too() -> None:
    unnoticed, seen = (noticed("glioma", m) for m in (lesion_net.LESION_MAP, lesion_net.ABNORMAL_MAP))

    assert seen["noticing"] < 0.5 * unnoticed["noticing"]


def test_checkpoint_without_abnormal_map_begins_with_lesion_map(tmp_path: Path) -> None:
    small = replace(
        BRAIN,
        architecture=LesionArchitecture(backbone="efficientnet_lite0", width=16),
        input=BRAIN.input.model_copy(update={"side": 64}),
    )
    older = train.network(small)
    save(older, tmp_path / "older.npz")
    architecture = small.architecture.model_copy(update={"abnormal": True})
    newer = train.network(replace(small, architecture=architecture))
    train.begin_with(newer, tmp_path / "older.npz")
    kernel = {v.path: v.numpy() for v in newer.weights}

    assert np.array_equal(kernel["abnormal_map/kernel"], kernel["lesion_map/kernel"])
    assert np.array_equal(kernel["class_maps/kernel"], older.get_layer("class_maps").weights[0].numpy())
    with np.load(tmp_path / "older.npz") as arrays:
        np.savez(tmp_path / "torn.npz", **{name: arrays[name] for name in arrays.files if "class_maps" not in name})
    with pytest.raises(ValueError, match=r"torn\.npz"):
        train.begin_with(newer, tmp_path / "torn.npz")
