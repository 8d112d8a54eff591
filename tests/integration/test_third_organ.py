"""An organ is data: one that the program has never heard of is trained, listed, read, reported and explained by it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import open_services, running
from bot.cli.main import main
from bot.sandbox import Person, Sandbox
from inference.card import MODELS_DIR
from tests import pictures
from tests.integration.conftest import settings_for
from tests.integration.test_conversation import TOLD_TO_READ, has_pdf, has_photo, pdf_text, says
from tests.integration.third_organ import ORGAN, brain_slice, chest, make_models

pytestmark = pytest.mark.timeout(600)  # two trainings, on whatever machine
NODULE, NONE = chest(77, 12), chest(78)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("organ"), MODELS_DIR)


@pytest.fixture
def in_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", str(models))
    monkeypatch.setenv("WORKERS", "1")


@pytest.mark.usefixtures("in_models")
def test_it_is_listed_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "list"]) == 0
    assert "nodule, no_nodule" in capsys.readouterr().out
    assert main(["model", "verify"]) == 0
    said = capsys.readouterr().out
    assert f"{ORGAN}: 2 files as the card says" in said
    assert "All models are sound." in said


@pytest.mark.usefixtures("in_models")
def test_it_is_told_from_the_other_organs_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "nodule.png": pictures.encode(NODULE, "PNG"), "none.png": pictures.encode(NONE, "PNG"),
        "brain.png": pictures.encode(brain_slice(1005), "PNG"), "smear.png": pictures.smear(200, 160, seed=5),
        "cat.png": pictures.cat(),
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    assert main(["scan", "--json", *(str(tmp_path / name) for name in files)]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["organ"] for line in lines] == [ORGAN, ORGAN, "brain_mri", "blood_smear", None]
    assert [line["reason"] for line in lines[:2]] == [
        "Signs of a nodule found", "No signs of a nodule found in this picture",
    ]  # fmt: skip
    assert set(lines[0]["gate"]) == {ORGAN, "brain_mri", "blood_smear", "other"}
    assert lines[0]["model"] == f"{ORGAN} drawn.1"
    assert "a brain MRI slice, a blood smear or a chest X-ray" in lines[4]["reason"]


@pytest.fixture
async def anna(sandbox: Sandbox, models: Path, tmp_path: Path) -> AsyncIterator[Person]:
    """Somebody who has said yes to a bot that reads chests too."""
    settings = settings_for(sandbox, tmp_path).model_copy(update={"models_dir": models, "workers": 1})
    async with open_services(settings) as services, running(settings, services):
        anna = await sandbox.person("Anna")
        question = await says(anna, "/start", "May I read and keep your pictures?")
        await anna.press(question, "agree")
        await anna.wait_for(lambda message: message.id == question.id and message.edited)
        yield anna


async def test_a_person_who_sends_it_gets_the_whole_answer(anna: Person) -> None:
    await says(anna, "/start", "a picture of a brain MRI slice, a blood smear or a chest X-ray")
    await anna.send_document(pictures.encode(NODULE, "PNG"), "chest.png")
    answer = await anna.wait_for(has_photo, TOLD_TO_READ)
    assert answer.text.startswith("Signs of a nodule found")
    assert "looks most like" not in answer.text  # it knows one kind of finding
    report = await anna.wait_for(has_pdf, TOLD_TO_READ)
    text = " ".join(pdf_text(await anna.download(report)).split())
    for words in ("Chest X-ray", "lung nodule", "Show the picture to a doctor who knows lungs.", "Drawn chests"):
        assert words in text, words
    await anna.press(report, "About: Lung nodules")
    await anna.wait_for(lambda message: message.text.startswith("Lung nodules"))
    await says(anna, "/history", "chest X-ray")
    await says(anna, "/info", "Tumours explained")
    await says(anna, "/info spot on the lung", "A nodule is a small round spot")
