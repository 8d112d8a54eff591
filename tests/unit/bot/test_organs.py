"""Organs come from the models: their words are complete, or the program says in one line what is missing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.chat.languages import load_language, open_models
from bot.errors import StartError
from bot.knowledge.loader import LANGUAGES
from inference.card import MODELS_DIR
from inference.registry import check_models

_, SHIPPED = check_models()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models, with the texts of brain slices brought along by their model."""
    folder = tmp_path / "models"
    shutil.copytree(MODELS_DIR, folder)
    shutil.copytree(LANGUAGES / "en" / "organs" / "brain_mri", folder / "brain_mri" / "texts" / "en")
    return folder


def refused(models: Path) -> str:
    """The one line that the start ends with."""
    with pytest.raises(StartError) as raised:
        open_models(models)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_one_may_send_is_what_the_models_read() -> None:
    both = load_language("en", SHIPPED).texts
    assert both.pictures == "a brain MRI slice or a blood smear"
    alone = load_language("en", {"blood_smear": SHIPPED["blood_smear"]}).texts
    assert "I can only read a blood smear." in alone.plain("refusal.other_medical")


def test_three_organs_are_listed_as_people_would() -> None:
    texts = load_language("en", SHIPPED).texts
    third = replace(texts, served=("blood_smear", "brain_mri", "blood_smear"))
    assert third.pictures == "a blood smear, a brain MRI slice or a blood smear"


@pytest.mark.parametrize("organ", SHIPPED)
def test_a_finding_has_its_cards_words(organ: str) -> None:
    classes = load_language("en", SHIPPED).texts.organs[organ].classes
    for one in SHIPPED[organ].card.classes:
        words = classes[one.name].words
        assert words == (one.words if one.role != "clear" else f"{one.words} signs")


def test_organ_without_a_model_keeps_its_words() -> None:
    texts = load_language("en", {"blood_smear": SHIPPED["blood_smear"]}).texts
    assert texts.organs["brain_mri"].name == "brain MRI"


def test_texts_beside_a_model_override_program_texts(models: Path) -> None:
    file = models / "brain_mri" / "texts" / "en" / "organ.toml"
    file.write_text(file.read_text().replace('name = "brain MRI"', 'name = "MRI of a head"'))
    _, languages = open_models(models)
    assert languages["en"].texts.organs["brain_mri"].name == "MRI of a head"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[classes.glioma]", "[classes.gliom]", "classes.glioma is missing"),
        ('topic = "brain-tumours"', 'topic = "heads"', "topic: there is no topic 'heads'"),
        ('topic = "glioma"', 'topic = "gliomas"', "classes.glioma.topic: there is no topic 'gliomas'"),
        ('finding = "a tumour"', "", "finding: Field required"),
        ('words = "glioma"', "", "classes.glioma.words: Field required"),
        ('picture = "a brain MRI slice"', f'picture = "a {"very " * 20}long name"', "Telegram takes 120"),
    ],
)
def test_card_promising_more_than_its_texts_is_refused(models: Path, old: str, new: str, said: str) -> None:
    file = models / "brain_mri" / "texts" / "en" / "organ.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    line = refused(models)
    assert said in line
    assert "organ.toml" in line


def test_an_organ_without_any_texts_is_refused(models: Path) -> None:
    shutil.rmtree(models / "brain_mri" / "texts")
    for file, organ in (("gate", None), ("brain_mri", "head_mri")):
        path = models / file / "card.json"
        card = json.loads(
            path.read_text().replace('"name": "brain_mri",\n      "words"', '"name": "head_mri",\n      "words"')
        )
        path.write_text(json.dumps(card | {"organ": organ}))
    assert "organs/head_mri/organ.toml: the file is missing" in refused(models)


def test_missing_model_texts_fall_back_to_english(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(LANGUAGES / "en", tmp_path / "languages" / "xx")
    shutil.copytree(LANGUAGES / "en", tmp_path / "languages" / "en")
    monkeypatch.setattr("bot.knowledge.loader.LANGUAGES", tmp_path / "languages")
    _, entries = check_models(models)
    assert load_language("xx", entries).texts.organs["brain_mri"].name == "brain MRI"
    assert "texts/xx is missing" in caplog.text
