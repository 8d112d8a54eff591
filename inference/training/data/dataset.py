"""The labelled pictures of a recipe, from whichever set they come, decoded and kept in memory ready to train on.

Layout under ``--data``: ``brain/index.csv``, ``blood/index.csv``, ``other/index.csv`` and the pictures they name; or a
user's own folders (see ``inference.training.data.own_pictures``).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.card import Input
from inference.preprocess import MAX_DENSITY, MAX_LEVEL, place, tensor
from inference.training.data.blood_smear import smear_examples
from inference.training.data.brain_mri import brain_mri_examples
from inference.training.data.example import DataError, Example, read_picture
from inference.training.data.gate_pictures import gate_examples
from inference.training.data.own_pictures import is_own, own_examples
from inference.training.recipes import BLOOD_SMEAR, BRAIN_MRI, Recipe

LEVELS = {"none": 1.0, "percentile": MAX_LEVEL, "stain": MAX_DENSITY}
"""The largest value of a normalised tensor: what 255 stands for in memory."""

SCALE_BAR = (164 / 224, 196 / 224)
"""Left and top edge of the burned-in scale bar of the mehrad pictures, as shares of the width and the height."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """Examples decoded: pictures [N, S, S, C] uint8 (normalised, see ``LEVELS``), labels [N], masks [N, S, S] uint8."""

    examples: tuple[Example, ...]
    pictures: NDArray[np.uint8]
    labels: NDArray[np.int32]
    masks: NDArray[np.uint8]
    masked: NDArray[np.bool_]
    """Which examples have a mask [N]."""


def data_root(argument: str | None) -> Path:
    """The data folder: the argument, else ``TUMORSCAN_DATA``, else ``../shared/data``.

    It holds the sets that the shipped models are of, or a user's own (``data.own_pictures``). Raises
    DataError.
    """
    root = Path(argument or os.environ.get("TUMORSCAN_DATA") or Path("..") / "shared" / "data")
    if not (root / "brain" / "index.csv").exists() and not is_own(root):
        raise DataError(
            f"{root / 'brain' / 'index.csv'} is missing: name the data folder by --data or TUMORSCAN_DATA, one with "
            "these sets or your own with a folder of pictures for each class"
        )
    return root


def examples_for(recipe: Recipe, root: Path) -> list[Example]:
    """The examples of ``recipe``. Raises DataError when the data don't fit."""
    shipped = {"gate": gate_examples, BRAIN_MRI: brain_mri_examples, BLOOD_SMEAR: smear_examples}

    if is_own(root):
        return own_examples(recipe, root)
    if recipe.name not in shipped:
        raise DataError(f"{root} has no pictures of {recipe.name}: name a folder of your own by --data")
    return shipped[recipe.name](root)


def load(
    recipe: Recipe, examples: Sequence[Example], *, blank_bars: bool, progress: Callable[[int], None] | None = None
) -> Arrays:
    """Decode, letterbox and normalise ``examples`` at the recipe's cached side.

    ``blank_bars`` hides the scale bar of the mehrad pictures (for training: its look tells the class).
    """
    side = recipe.cached_side
    spec = recipe.input.model_copy(update={"side": side})
    level = LEVELS[spec.normalisation]
    pictures = np.zeros((len(examples), side, side, spec.channels), np.uint8)
    has_masks = recipe.guidance > 0 or any(e.mask or e.boxes for e in examples)
    masks = np.zeros((len(examples), side, side) if has_masks else (len(examples), 1, 1), np.uint8)
    for i, example in enumerate(examples):
        picture = training_picture(example) if blank_bars else read_picture(example.path)
        pictures[i] = np.rint(tensor(picture, spec)[0] * (255 / level)).astype(np.uint8)
        if example.mask or example.boxes:
            masks[i] = outline(example, spec)
        if progress and i % 500 == 0:
            progress(i)
    names = recipe.class_names
    labels = np.array([names.index(e.label) for e in examples], np.int32)
    return Arrays(tuple(examples), pictures, labels, masks, np.asarray(masks.any((1, 2))))


def tensors(examples: Sequence[Example], spec: Input) -> NDArray[np.float32]:
    """Exactly what serving makes of the pictures: [N, side, side, channels]."""
    return np.concatenate([tensor(read_picture(e.path), spec) for e in examples])


def outline(example: Example, spec: Input) -> NDArray[np.uint8]:
    """What is outlined in a picture (mask, or ellipses in its boxes), placed as the picture is: side x side, 0 or 255.

    Raises DataError when the mask has another size than its picture.
    """
    picture = read_picture(example.path)
    size = (picture.shape[1], picture.shape[0])
    if example.mask:
        drawn = Image.fromarray(read_picture(example.mask)[..., 0])
        if drawn.size != size:
            raise DataError(
                f"{example.mask} is no mask of {example.where}: they are {size[0]} x {size[1]} and "
                f"{drawn.width} x {drawn.height} pixels large"
            )
    else:
        drawn = Image.new("L", size)
        for corners in example.boxes:
            # The ellipse in a box is nearer to a lesion than the box's corners are.
            ImageDraw.Draw(drawn).ellipse(corners, fill=255)
    placement = place(picture, spec)[1]
    box = placement.box
    small = drawn.resize((box.width, box.height), Image.Resampling.BILINEAR, placement.crop)
    square = np.zeros((box.side, box.side), np.uint8)
    square[box.top : box.top + box.height, box.left : box.left + box.width] = np.where(np.asarray(small) > 96, 255, 0)
    return square


def training_picture(example: Example) -> NDArray[np.uint8]:
    """The picture as it is learned from: without its scale bar. Raises DataError naming the file."""
    picture = read_picture(example.path)
    return blank_scale_bar(picture) if example.scale_bar else picture


def blank_scale_bar(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint the bar's corner in the picture's own background colour."""
    height, width = picture.shape[:2]
    blanked = picture.copy()
    blanked[round(SCALE_BAR[1] * height) :, round(SCALE_BAR[0] * width) :] = np.percentile(picture, 90, axis=(0, 1))
    return blanked
