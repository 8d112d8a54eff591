"""What each model is: its classes, its net, its input, how it is trained and measured, and what its card says.

The recipes of the shipped models stand here; one of your own is a TOML file with the same keys (``read_recipe``).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from inference.card import OTHER, Architecture, Input, LesionArchitecture, Member, ModelClass, Name, View
from inference.cells.finder import GRID
from inference.cells.measures import CHANNELS
from inference.cells.textures import TEXTURES
from inference.training import card_texts
from inference.training.card_texts import CardTexts

GLIOMA, MENINGIOMA, PITUITARY, NO_TUMOR = "glioma", "meningioma", "pituitary", "no_tumor"
TUMOR_OTHER, OTHER_FINDING = "tumor_other", "other_finding"
LEUKEMIA, NO_LEUKEMIA = "leukemia", "no_leukemia"
BRAIN_MRI, BLOOD_SMEAR = "brain_mri", "blood_smear"


class RecipeError(Exception):
    """A recipe of one's own is wrong; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares that the operating points may not pass: of all pictures, and of those of each source."""

    false_alarms: tuple[float, float] = (0.05, 0.1)
    misses: tuple[float, float] = (0.05, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that ``python -m inference.training`` needs to know about one model."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Name
    organ: Name | None = None
    """What the model reads; None for the gate, whose classes are the organs and, last, "other"."""
    classes: tuple[ModelClass, ...]
    architecture: Architecture | LesionArchitecture
    input: Input
    cached_side: int
    """Side of the pictures kept in memory: larger than the input, so that a crop or a turn stays sharp."""
    class_shares: tuple[float, ...] = ()
    """Share of each class in a batch; alike when none are given."""
    steps: int = 5_000
    """How long a full training is, in batches."""
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.03
    batch: int = 32
    smoothing: float = 0.05
    guidance: float = 0.0
    """Weight of the loss that keeps a tumour's class map inside its mask."""
    drawing: float = 0.0
    """Weight of the loss that lets the lesion map draw the outline."""
    noticing: float = 0.0
    """Weight of the loss that lets the abnormal map draw whatever is unusual, where the architecture has one."""
    stands_for: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What a label means where it is not sure of itself: class -> shares of classes."""
    darkness: Mapping[str, float] = field(default_factory=dict)
    """Class -> how surely its pictures have no lesion to draw (the clear class: 1)."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Pattern of a weight's path -> its rate as a share of ``peak_rate``."""
    member_classes: tuple[str, ...] = ()
    """What the architecture's second net tells apart, in the order of its outputs."""
    slices: bool = False
    """A picture is a slice of a volume, on black: varied as such, and lesions with an outline are taken out of some."""
    upright: bool = False
    """A picture has an upper end: in training it is never laid on its side or on its head."""
    movable: tuple[str, ...] = ()
    """Classes whose outlined lesions can lie anywhere: some are put into slices of other places."""
    painted: float = 0.0
    """Share of the draws of findings of other kinds that are spots painted into a slice without any."""
    views: tuple[View, ...] = ("plain",)
    """What serving looks at beside the plain view, which for one view more costs as much again."""
    limits: Limits = Limits()
    card: CardTexts

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the outputs."""
        return tuple(c.name for c in self.classes)

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each class in a batch."""
        return self.class_shares or (1 / len(self.classes),) * len(self.classes)

    @property
    def of_cells(self) -> bool:
        """Whether the model reads what is measured of white cells, and not the picture itself."""
        return self.input.normalisation == "cells"

    @property
    def tumor_free(self) -> int:
        """Index of the class with nothing to report (of ``other`` for the gate)."""
        clear = (i for i, c in enumerate(self.classes) if c.role == "clear")
        return next(clear) if self.organ else len(self.classes) - 1

    @property
    def tumors(self) -> NDArray[np.bool_]:
        """Which classes are tumours [K]."""
        return np.array([c.tumor for c in self.classes])

    def positive(self, labels: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which labels [N] are tumours (for the gate: scans)."""
        return self.tumors[labels] if self.organ else labels != self.tumor_free

    def score(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability [N] of any tumour (for the gate: of any scan) from those of the classes [N, K]."""
        return probabilities[:, self.tumors].sum(1) if self.organ else 1 - probabilities[:, self.tumor_free]

    def member_score(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability [N] of any tumour that the second net gives [N, J]."""
        tumors = {c.name for c in self.classes if c.tumor}
        return np.asarray(probabilities[:, [name in tumors for name in self.member_classes]].sum(1))

    def targets(self) -> NDArray[np.float32]:
        """What each label stands for, smoothed [K, K]: row = label."""
        table = np.eye(len(self.classes), dtype=np.float32)
        for label, shares in self.stands_for.items():
            row = self.class_names.index(label)
            table[row] = [shares.get(name, 0.0) for name in self.class_names]
        return table * (1 - self.smoothing) + self.smoothing / len(self.classes)


BRAIN = Recipe(
    name=BRAIN_MRI,
    organ=BRAIN_MRI,
    classes=(
        ModelClass(name=GLIOMA, words="glioma", role="tumor"),
        ModelClass(name=MENINGIOMA, words="meningioma", role="tumor"),
        ModelClass(name=PITUITARY, words="pituitary tumour", role="tumor"),
        ModelClass(name=TUMOR_OTHER, words="tumour of another kind", role="tumor", unknown_kind=True),
        ModelClass(name=OTHER_FINDING, words="something unusual of another kind", role="finding"),
        ModelClass(name=NO_TUMOR, words="no tumour", role="clear"),
    ),
    architecture=LesionArchitecture(
        backbone="efficientnet_lite0",
        width=96,
        abnormal=True,
        member=Member(
            architecture=Architecture(stem=24, widths=(40, 80, 128), blocks=(1, 2, 2), strides=(2, 2, 1)),
            side=160,
            classes=4,
        ),
    ),
    input=Input(side=192, channels=1, normalisation="percentile", crop="head"),
    cached_side=224,
    class_shares=(0.2, 0.11, 0.07, 0.08, 0.16, 0.38),
    steps=12_000,
    peak_rate=2e-4,
    weight_decay=0.02,
    batch=16,
    guidance=0.4,
    drawing=0.35,
    noticing=0.8,
    painted=0.4,
    stands_for={TUMOR_OTHER: {TUMOR_OTHER: 0.6, GLIOMA: 0.2, MENINGIOMA: 0.15, PITUITARY: 0.05}},
    darkness={NO_TUMOR: 1.0, OTHER_FINDING: 0.6},
    movable=(GLIOMA, MENINGIOMA),
    # With the batch norms folded in, the expanding kernels are a fifth as large as they were and would be torn apart.
    rates={r"^s\d+b\d+ex/": 0.2, "^class_maps/": 5.0, "^(l3|l5|l7|dw|pw|lesion_map|abnormal_map)/": 2.0},
    member_classes=(GLIOMA, MENINGIOMA, PITUITARY, NO_TUMOR),
    slices=True,
    # Of the places that no training saw some tumours can't be seen at all: low-grade gliomas that only FLAIR shows.
    limits=Limits((0.05, 0.15), (0.03, 0.08)),
    card=card_texts.BRAIN_MRI,
)
BLOOD = Recipe(
    name=BLOOD_SMEAR,
    organ=BLOOD_SMEAR,
    classes=(
        ModelClass(name=LEUKEMIA, words="leukaemia", role="tumor"),
        ModelClass(name=NO_LEUKEMIA, words="no leukaemia"),
    ),
    architecture=Architecture(stem=0, widths=(), blocks=(), strides=()),
    input=Input(side=GRID, channels=CHANNELS + TEXTURES, normalisation="cells", textures=TEXTURES),
    cached_side=GRID,
    class_shares=(0.5, 0.5),
    # A source is a domain that the model had not seen.
    limits=Limits((0.05, 0.05), (0.05, 0.1)),
    card=card_texts.BLOOD_SMEAR,
)
GATE = Recipe(
    name="gate",
    classes=(
        ModelClass(name=BRAIN_MRI, words="brain MRI"),
        ModelClass(name=BLOOD_SMEAR, words="blood smear"),
        ModelClass(name=OTHER, words="something else"),
    ),
    architecture=Architecture(backbone="efficientnet_lite0"),
    input=Input(side=160, channels=3, normalisation="none"),
    cached_side=160,
    class_shares=(0.28, 0.25, 0.47),
    card=card_texts.GATE,
)
RECIPES = {recipe.name: recipe for recipe in (GATE, BRAIN, BLOOD)}


def read_recipe(path: Path) -> Recipe:
    """A recipe of one's own: a TOML file with the keys of ``Recipe``, and ``base`` for the shipped one it starts from.

    Raises RecipeError naming the file and the key that is wrong.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    base = values.pop("base", None)
    if base is not None and base not in RECIPES:
        raise RecipeError(f"{path}: base: there is no recipe {base!r}; there are {', '.join(RECIPES)}")
    known = {field.name: getattr(RECIPES[base], field.name) for field in fields(Recipe)} if base else {}
    try:
        recipe = TypeAdapter(Recipe).validate_python(known | values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RecipeError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if recipe.class_shares and len(recipe.class_shares) != len(recipe.classes):
        raise RecipeError(f"{path}: class_shares: one for each of the {len(recipe.classes)} classes is needed")
    return recipe
