"""Reads the labelled pictures, splits them by person, slide or kind, and keeps them in memory ready to train on.

Layout under ``--data``: ``brain/index.csv``, ``blood/index.csv``, ``other/index.csv`` and the pictures they name; or a
user's own folders (see ``inference.training.data.own_pictures``).
"""

import csv
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.card import Input
from inference.preprocess import MAX_DENSITY, MAX_LEVEL, place, tensor
from inference.training.recipes import (
    BLOOD_SMEAR,
    BRAIN_MRI,
    LEUKEMIA,
    NO_LEUKEMIA,
    NO_TUMOR,
    Recipe,
)

LEVELS = {"none": 1.0, "percentile": MAX_LEVEL, "stain": MAX_DENSITY}
"""The largest value of a normalised tensor: what 255 stands for in memory."""

BLOOD_TEST_LOOKS = ("bccd", "Pre_yellow_sparse")
"""Domains (slide or laboratory) that the shipped model never sees: one tumour-free, one with leukaemia."""
BLOOD_LABORATORIES = ("raabin_txl", "lisc_normal")
"""Sets of ``blood_more`` with white cells to judge, all of them normal."""
CT_AMONG_MRI = frozenset(
    f"{number:05}.jpg"
    for number in (
        *(14, 118, 485, 506, 544, 1023, 1093, 1144, 1145, 1357, 1545, 1795, 1840),
        *(2590, 3102, 3125, 3283, 3566, 3610, 3722, 3886),
    )
)
"""CT slices in the web sets of "MRI", found by eye among what a first gate refused: neither the gate nor the brain
model is taught or measured on them."""
KNOWN_FROM_TRAINING = frozenset(
    (
        *(f"ptbp_children:ptbp_ilist{number}" for number in (22, 23, 39, 44, 56)),
        *(f"images/{number:05}.jpg" for number in (12, 32, 134, 717, 904)),
    )
)
"""Groups of val and test whose twin lies in the training part, as ``data --audit`` found: second visits of five
children, and five other pictures that are nearly one of the training. Nothing is chosen by or measured on them."""
LEFT_OUT, EXTRA_TEST = "left_out", "extra_test"
"""Parts of pictures from places that no training sees: to choose on, and to report on."""
SCALE_BAR = (164 / 224, 196 / 224)
"""Left and top edge of the burned-in scale bar of the mehrad pictures, as shares of the width and the height."""


class DataError(Exception):
    """A data file is missing or broken; the message names it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled picture."""

    path: Path
    label: str
    part: str
    """train, val or test; ``LEFT_OUT`` or ``EXTRA_TEST`` for whole places that no training sees."""
    source: str
    group: str
    """Examples of one group (person, field, near-duplicates) lie in one part."""
    weight: float = 1.0
    mask: Path | None = None
    detail: str = ""
    """Sequence, slide or kind: what figures are broken down by."""
    slide: str = ""
    """Where pictures of one slide or laboratory are alike: which one it is."""
    scale_bar: bool = False
    """Whether a scale bar is burned into the lower right corner, whose look tells the class."""
    plane: str = ""
    finding: str = ""
    """The diagnosis in the source's own words."""
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    """(left, top, right, bottom) in pixels where a source gives boxes instead of an outline."""
    row: int | None = None
    """The line of the index that names the picture."""

    @property
    def domain(self) -> str:
        """Which pictures are alike and left out as a whole: the slide or laboratory, else the source."""
        return self.slide or self.source

    @property
    def where(self) -> str:
        """The picture's file and the line that names it, for messages."""
        return f"{self.path} (row {self.row} of its index)" if self.row else str(self.path)


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
    from inference.training.data.own_pictures import is_own

    root = Path(argument or os.environ.get("TUMORSCAN_DATA") or Path("..") / "shared" / "data")
    if not (root / "brain" / "index.csv").exists() and not is_own(root):
        raise DataError(
            f"{root / 'brain' / 'index.csv'} is missing: name the data folder by --data or TUMORSCAN_DATA, one with "
            "these sets or your own with a folder of pictures for each class"
        )
    return root


def read_index(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of an index file. Raises DataError when it is missing or lacks a column."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    missing = set(columns) - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(sorted(missing))}, or has no rows")
    return rows


def read_picture(path: Path, where: str = "") -> NDArray[np.uint8]:
    """Decode to uint8 H x W x 3, RGB. Raises DataError naming the file (as ``where``)."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{where or path} cannot be read as a picture: {error}") from None


def stable_share(key: str) -> float:
    """A number in [0, 1) that depends on ``key`` alone: stable splits without a stored list."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def brain_examples(root: Path) -> list[Example]:
    """Brain slices with the parts that the index names; weights within a class are tempered by source."""
    folder = root / "brain"
    rows = read_index(
        folder / "index.csv", ("file", "mask", "label", "source", "part", "group", "sequence", "skull_stripped")
    )
    sizes: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["label"], row["source"])
        sizes[key] = sizes.get(key, 0) + 1
    # Contrast-enhanced healthy slices are few and matter most; the children were all warped to one template.
    boost = {"btp": 2.0, "vs_seg_t1c": 2.5, "sartaj": 1.5, "br35h": 1.5, "ptbp_children": 0.4}
    examples = []
    for row in rows:
        if row["group"] in KNOWN_FROM_TRAINING:
            continue
        size = sizes[row["label"], row["source"]]
        stripped = 0.5 if row["skull_stripped"] == "yes" else 1.0
        weight = boost.get(row["source"], 1.0) * stripped if row["label"] == NO_TUMOR else 1.0
        examples.append(
            Example(
                path=folder / row["file"],
                label=row["label"],
                part=row["part"],
                source=row["source"],
                group=row["group"],
                weight=weight / size**0.5,
                mask=folder / row["mask"] if row["mask"] and row["label"] != NO_TUMOR else None,
                detail=row["sequence"],
            )
        )
    return examples


def blood_examples(root: Path) -> list[Example]:
    """Blood smears split by domain and field group, never at random.

    ``BLOOD_TEST_LOOKS`` are the test part, a tenth of the other field groups are val.
    """
    folder = root / "blood"
    rows = read_index(folder / "index.csv", ("file", "label", "subtype", "view", "source", "slide", "field_group"))
    sizes: dict[str, int] = {}
    for row in rows:
        key = f"{row['slide']} {row['label']}"
        sizes[key] = sizes.get(key, 0) + 1
    examples = []
    for row in rows:
        if row["slide"] in BLOOD_TEST_LOOKS:
            part = "test"
        else:
            part = "val" if stable_share(row["field_group"]) < 0.1 else "train"
        examples.append(
            Example(
                path=folder / row["file"],
                label=LEUKEMIA if row["label"] == "malignant" else NO_LEUKEMIA,
                part=part,
                source=row["source"],
                group=row["field_group"],
                weight=sizes[f"{row['slide']} {row['label']}"] ** -0.5,
                detail=row["slide"],
                slide=row["slide"],
                scale_bar=row["source"] == "mehrad_all",
            )
        )
    return examples


def smear_examples(root: Path) -> list[Example]:
    """``blood_examples`` and, where there is ``blood_more``, the normal white cells of two laboratories more.

    These are ``EXTRA_TEST``: learned from they would only teach that another laboratory means health.
    """
    folder = root / "blood_more"
    if not folder.exists():
        return blood_examples(root)
    rows = read_index(folder / "index.csv", ("file", "source", "slide", "field_group"))
    return blood_examples(root) + [
        Example(
            path=folder / row["file"],
            label=NO_LEUKEMIA,
            part=EXTRA_TEST,
            source=row["source"],
            group=row["field_group"] or row["file"],
            detail=row["slide"],
        )
        for row in rows
        if row["source"] in BLOOD_LABORATORIES
    ]


def slice_examples(root: Path) -> list[Example]:
    """The brain slices without what the web sets wrongly call MRI."""
    return [e for e in brain_examples(root) if e.path.name not in CT_AMONG_MRI]


def examples_for(recipe: Recipe, root: Path) -> list[Example]:
    """The examples of ``recipe``. Raises DataError when the data don't fit."""
    from inference.training.data.brain_mri import brain_mri_examples
    from inference.training.data.gate_pictures import gate_examples
    from inference.training.data.own_pictures import is_own, own_examples

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
