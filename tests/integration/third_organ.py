"""A third organ, drawn, trained and worded by the tests alone: chest outlines with and without a nodule."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from inference.training import __main__ as training
from tests import pictures

ORGAN = "chest_xray"
PARTS = {"train": 40, "val": 40}
"""Pictures of each class: with fewer of val nothing can be said with 95 % confidence, and nothing is."""
FEW = {"train": 12, "val": 12}
"""Of each kind, for the gate: each is read several times by a large net, and drawings of other kinds are plainly so."""
SIDE = 32
RADII = (4, 5, 6, 7, 8, 9, 10, 11, 12)
"""Of the nodules, in hundredths of the picture: from hardly seen to plain."""
NET = """
architecture = {stem = 8, widths = [16, 16], blocks = [1, 1], strides = [2, 2]}
cached_side = 32
batch = 16
peak_rate = 2e-2
"""
CARD = """
[card]
intended_use = "Tests: drawn chests."
out_of_scope = "Anything else."
known_failures = ["It has seen no chest but drawn ones."]
"""
CHEST = f"""
name = "{ORGAN}"
organ = "{ORGAN}"
upright = true
classes = [
    {{name = "nodule", words = "nodule", role = "tumor"}},
    {{name = "no_nodule", words = "no nodule"}},
]
input = {{side = {SIDE}, channels = 1, normalisation = "percentile"}}
{NET}{CARD}"""
GATE = f"""
base = "gate"
classes = [
    {{name = "brain_mri", words = "brain MRI"}},
    {{name = "blood_smear", words = "blood smear"}},
    {{name = "{ORGAN}", words = "chest X-ray"}},
    {{name = "other", words = "something else"}},
]
class_shares = [0.25, 0.25, 0.25, 0.25]
{CARD}"""
TEXTS = {
    "organ.toml": """
name = "chest X-ray"
picture = "a chest X-ray"
finding = "a nodule"
topic = "lung-nodules"
subjects = "chest lung nodule"
classes.nodule = {words = "lung nodule", topic = "lung-nodules"}
classes.no_nodule = {words = "no nodule signs", topic = "no-nodule-signs"}
""",
    "topics/lung-nodules.toml": """
title = "Lung nodules"
order = 95
summary = "A nodule is a small round spot in the lung. Most of them are not cancer."
names = ["lung nodule", "spot on the lung"]
sources = ["drawn-chests"]
[[sections]]
key = "what"
title = "What it is"
text = "A small round spot in the lung."
[[sections]]
key = "help"
title = "When to seek help"
text = "• Show the picture to a doctor who knows lungs."
""",
    "topics/no-nodule-signs.toml": """
title = "No nodule signs in a chest picture"
order = 96
summary = "One picture can't rule anything out."
sources = ["drawn-chests"]
[[sections]]
key = "what"
title = "What it means"
text = "The program saw no nodule in this one picture."
""",
    "sources.toml": """
[drawn-chests]
title = "Drawn chests"
publisher = "The tests"
url = "https://example.org/chests"
licence = "MIT"
""",
}


def chest(seed: int, radius: float = 0, side: int = 160) -> Image.Image:
    """Two dark lungs between a spine and pale ribs; in one of them a nodule of ``radius`` hundredths of the side."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (side, side), 165)
    draw = ImageDraw.Draw(image)
    unit = side / 100
    for middle in (30, 70):
        x, y = middle + rng.uniform(-2, 2), 50 + rng.uniform(-3, 3)
        draw.ellipse([unit * v for v in (x - 15, y - 36, x + 15, y + 36)], fill=40)
        for rib in range(-28, 32, 9):
            draw.arc(
                [unit * v for v in (x - 17, y + rib - 8, x + 17, y + rib + 8)], 190, 350, fill=78, width=round(unit)
            )
        if radius and (middle == 30) == (seed % 2 == 0):
            cx, cy = x + rng.uniform(-5, 5), y + rng.uniform(-18, 18)
            draw.ellipse([unit * v for v in (cx - radius, cy - radius, cx + radius, cy + radius)], fill=235)
    draw.rectangle([unit * v for v in (46, 4, 54, 96)], fill=200)
    grain = rng.normal(0, 4, (side, side))
    levels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6 * unit)), np.float32) + grain
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def something_else(seed: int, side: int = 160) -> Image.Image:
    """Coloured shapes on a coloured ground."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(9):
        (x, y), (w, h) = rng.uniform(0, side, 2), rng.uniform(side / 10, side / 2, 2)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        (draw.rectangle if rng.random() < 0.5 else draw.ellipse)((x, y, x + w, y + h), fill=colour)
    return image


def brain_slice(seed: int) -> Image.Image:
    """A drawn slice of a head, with a tumour or without."""
    levels: NDArray[np.float32] = pictures.brain_array(160, tumour=bool(seed % 2), seed=seed)
    return Image.fromarray((levels * 255).astype(np.uint8))


def draw_set(root: Path, classes: Mapping[str, Callable[[int], Image.Image]], parts: Mapping[str, int]) -> None:
    """Write pictures of each class, and the index that says which part each is of."""
    root.mkdir()
    lines = ["file,label,part,group"]
    for name, draw in classes.items():
        for i in range(sum(parts.values())):
            file, part = f"{name}{i}.png", "train" if i < parts["train"] else "val"
            draw(i).save(root / file)
            lines.append(f"{file},{name},{part},{file}")
    (root / "index.csv").write_text("\n".join(lines) + "\n", "utf-8")


def make_models(folder: Path, shipped: Path) -> Path:
    """A ``MODELS_DIR`` that reads chests too: the shipped models, a model of chests, and a gate that knows all three.

    Everything is made through ``python -m inference.training`` from drawn pictures and two recipes.
    """
    models, runs, chests, scans = (folder / name for name in ("models", "runs", "chests", "scans"))
    for organ in ("brain_mri", "blood_smear"):
        (models / organ).mkdir(parents=True)
        for file in (shipped / organ).iterdir():
            (models / organ / file.name).write_bytes(file.read_bytes())
    draw_set(
        chests, {"nodule": lambda i: chest(i, RADII[i % len(RADII)]), "no_nodule": lambda i: chest(1000 + i)}, PARTS
    )
    draw_set(
        scans,
        {
            "brain_mri": brain_slice,
            "blood_smear": lambda i: pictures.smear_image(200, 160, blasts=bool(i % 2), seed=i),
            ORGAN: lambda i: chest(2000 + i, RADII[i % len(RADII)] * (i % 2)),
            "other": something_else,
        },
        FEW,
    )
    for name, recipe, data, steps in ((ORGAN, CHEST, chests, 160), ("gate", GATE, scans, 120)):
        file = folder / f"{name}.toml"
        file.write_text(recipe, "utf-8")
        for command in ("train", "export", "calibrate"):
            places = ["--data", str(data), "--runs", str(runs), "--models", str(models), "--recipe", str(file)]
            status = training.main([command, name, *places, "--steps", str(steps), "--version", "drawn.1"])
            assert status == 0, (command, name)
    write_texts(models / ORGAN / "texts" / "en")
    return models


def write_texts(folder: Path) -> None:
    """The organ's folder of texts."""
    for name, text in TEXTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
