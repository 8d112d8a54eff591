"""What each model is: its classes, its net, its input, how it is trained and measured, and what its card says.

The recipes of the shipped models stand here; one of your own is a TOML file with the same keys (``read_recipe``).
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from inference.card import OTHER, Architecture, Input, ModelClass, Name, View
from inference.cells.finder import GRID
from inference.cells.measures import CHANNELS
from inference.training import card_texts
from inference.training.card_texts import CardTexts

GLIOMA, MENINGIOMA, PITUITARY, NO_TUMOR = "glioma", "meningioma", "pituitary", "no_tumor"
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
    architecture: Architecture
    input: Input
    cached_side: int
    """Side of the pictures kept in memory: larger than the input, so that a crop or a turn stays sharp."""
    class_shares: tuple[float, ...] = ()
    """Share of each class in a batch; alike when none are given."""
    minutes: float = 10
    """How long a full training takes on two cores."""
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.03
    batch: int = 32
    smoothing: float = 0.05
    guidance: float = 0.0
    """Weight of the loss that keeps a tumour's class map inside its mask."""
    resumed_rate: float = 0.4
    """Peak rate of a training that goes on from a checkpoint, as a share of ``peak_rate``."""
    slices: bool = False
    """A picture is a slice of a volume, on black: varied as such, and lesions with an outline are taken out of some."""
    upright: bool = False
    """A picture has an upper end: in training it is never laid on its side or on its head."""
    movable: tuple[str, ...] = ()
    """Classes whose outlined lesions can lie anywhere: some are put into slices of other places."""
    views: tuple[View, ...] = ("plain",)
    """What serving looks at. A head is nearly its own mirror image, and on val the two views differ where the model is
    wrong; for blood smears they tell nothing that one does not."""
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
        """Index of the class without tumour (of ``other`` for the gate)."""
        return next(i for i, c in enumerate(self.classes) if not c.tumor) if self.organ else len(self.classes) - 1


BRAIN = Recipe(
    name=BRAIN_MRI,
    organ=BRAIN_MRI,
    classes=(
        ModelClass(name=GLIOMA, words="glioma", tumor=True),
        ModelClass(name=MENINGIOMA, words="meningioma", tumor=True),
        ModelClass(name=PITUITARY, words="pituitary tumour", tumor=True),
        ModelClass(name=NO_TUMOR, words="no tumour", tumor=False),
    ),
    architecture=Architecture(stem=24, widths=(40, 80, 128), blocks=(1, 2, 2), strides=(2, 2, 1)),
    input=Input(side=160, channels=1, normalisation="percentile"),
    cached_side=192,
    class_shares=(0.25, 0.23, 0.17, 0.35),
    minutes=90,
    guidance=0.4,
    resumed_rate=0.6,
    slices=True,
    movable=(GLIOMA, MENINGIOMA),
    views=("plain", "mirrored"),
    limits=Limits((0.03, 0.1), (0.02, 0.1)),
    card=card_texts.BRAIN_MRI,
)
BLOOD = Recipe(
    name=BLOOD_SMEAR,
    organ=BLOOD_SMEAR,
    classes=(
        ModelClass(name=LEUKEMIA, words="leukaemia", tumor=True),
        ModelClass(name=NO_LEUKEMIA, words="no leukaemia", tumor=False),
    ),
    architecture=Architecture(stem=0, widths=(), blocks=(), strides=()),
    input=Input(side=GRID, channels=CHANNELS, normalisation="cells"),
    cached_side=GRID,
    class_shares=(0.5, 0.5),
    minutes=2,
    # A source is a look that the model had not seen.
    limits=Limits((0.05, 0.05), (0.05, 0.1)),
    card=card_texts.BLOOD_SMEAR,
)
GATE = Recipe(
    name="gate",
    classes=(
        ModelClass(name=BRAIN_MRI, words="brain MRI", tumor=False),
        ModelClass(name=BLOOD_SMEAR, words="blood smear", tumor=False),
        ModelClass(name=OTHER, words="something else", tumor=False),
    ),
    architecture=Architecture(backbone="efficientnet_lite0"),
    input=Input(side=160, channels=3, normalisation="none"),
    cached_side=160,
    class_shares=(0.28, 0.25, 0.47),
    minutes=5,
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
