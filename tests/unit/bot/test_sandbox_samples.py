"""The sample pictures that ship."""

import json
from pathlib import Path

import bot.sandbox.samples

FOLDER = Path(bot.sandbox.samples.__file__).parent
SAMPLES = json.loads((FOLDER / "samples.json").read_text("utf-8"))
PICTURES = {path.name for path in FOLDER.iterdir() if path.suffix in {".jpg", ".png", ".dcm"}}


def test_every_sample_is_listed_small_and_its_origin_told() -> None:
    origins = (FOLDER / "README.md").read_text("utf-8")
    assert {sample["file"] for sample in SAMPLES} == PICTURES
    for name in PICTURES:
        assert (FOLDER / name).stat().st_size < 150_000
        assert f"`{name}`" in origins


def test_the_notice_of_the_brain_template_ships_with_it() -> None:
    origins = " ".join((FOLDER / "README.md").read_text("utf-8").replace(">", " ").split())
    assert "Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre" in origins
    assert "provided that the above copyright notice appear in all copies" in origins
