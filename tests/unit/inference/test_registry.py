"""Which models make a bot: a gate, and one model for each organ that it lets in."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.card import MODELS_DIR, ModelError
from inference.registry import check_models


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR, tmp_path / "models"))


def change(folder: Path, **fields: Any) -> None:
    """Write other fields into a card."""
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | fields))


def test_organs_are_the_gates_whatever_their_names(models: Path) -> None:
    gate = json.loads((models / "gate" / "card.json").read_text())
    gate["classes"][0]["name"] = "head_mri"
    change(models / "gate", classes=gate["classes"])
    change(models / "brain_mri", organ="head_mri")
    entry, experts = check_models(models)
    assert entry.card.organs == ("head_mri", "blood_smear")
    assert set(experts) == {"head_mri", "blood_smear"}


def test_model_without_a_gate_class_is_refused(models: Path) -> None:
    change(models / "brain_mri", organ="head_mri")
    with pytest.raises(ModelError, match=r"gate/card\.json: classes: head_mri is missing.*train a gate"):
        check_models(models)


def test_two_models_of_one_organ_are_refused(models: Path) -> None:
    shutil.copytree(models / "brain_mri", models / "brain_again")
    with pytest.raises(ModelError, match=r"brain_mri and .*brain_again both read brain_mri|brain_again.*both read"):
        check_models(models)


@pytest.mark.parametrize("organ", ["Brain MRI", "../brain", "", "a" * 33, "1brain", "other"])
def test_a_name_that_is_no_plain_word_is_refused(models: Path, organ: str) -> None:
    change(models / "brain_mri", organ=organ)
    with pytest.raises(ModelError, match="organ"):
        check_models(models)


def test_gate_without_an_other_class_is_refused(models: Path) -> None:
    gate = json.loads((models / "gate" / "card.json").read_text())
    change(models / "gate", classes=gate["classes"][:2])
    with pytest.raises(ModelError, match="other"):
        check_models(models)
