"""What each of the three models is: its classes, its net, its input, and how it is trained."""

from dataclasses import dataclass
from typing import Literal

from inference.card import Architecture, Input, ModelClass
from inference.cells.finder import GRID
from inference.cells.measures import CHANNELS

GLIOMA, MENINGIOMA, PITUITARY, NO_TUMOR = "glioma", "meningioma", "pituitary", "no_tumor"
LEUKEMIA, NO_LEUKEMIA = "leukemia", "no_leukemia"
BRAIN_MRI, BLOOD_SMEAR, OTHER = "brain_mri", "blood_smear", "other"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that ``train`` needs to know about one model."""

    name: str
    organ: Literal["brain_mri", "blood_smear"] | None
    classes: tuple[ModelClass, ...]
    architecture: Architecture
    input: Input
    cached_side: int
    """Side of the pictures kept in memory: larger than the input, so that a crop or a turn stays sharp."""
    class_shares: tuple[float, ...]
    """Share of each class in a batch."""
    minutes: float
    """How long a full training takes on two cores."""
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.03
    batch: int = 32
    smoothing: float = 0.05
    guidance: float = 0.0
    """Weight of the loss that keeps a tumour's class map inside its mask."""
    resumed_rate: float = 0.4
    """Peak rate of a training that goes on from a checkpoint, as a share of ``peak_rate``."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the outputs."""
        return tuple(c.name for c in self.classes)

    @property
    def tumor_free(self) -> int:
        """Index of the class without tumour (of ``other`` for the gate)."""
        return next(i for i, c in enumerate(self.classes) if not c.tumor) if self.organ else len(self.classes) - 1


BRAIN = Recipe(
    name=BRAIN_MRI,
    organ="brain_mri",
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
)
BLOOD = Recipe(
    name=BLOOD_SMEAR,
    organ="blood_smear",
    classes=(
        ModelClass(name=LEUKEMIA, words="leukaemia", tumor=True),
        ModelClass(name=NO_LEUKEMIA, words="no leukaemia", tumor=False),
    ),
    architecture=Architecture(stem=0, widths=(), blocks=(), strides=()),
    input=Input(side=GRID, channels=CHANNELS, normalisation="cells"),
    cached_side=GRID,
    class_shares=(0.5, 0.5),
    minutes=2,
)
GATE = Recipe(
    name="gate",
    organ=None,
    classes=(
        ModelClass(name=BRAIN_MRI, words="brain MRI", tumor=False),
        ModelClass(name=BLOOD_SMEAR, words="blood smear", tumor=False),
        ModelClass(name=OTHER, words="something else", tumor=False),
    ),
    architecture=Architecture(stem=16, widths=(40, 64, 96), blocks=(1, 1, 2), strides=(2, 2, 1)),
    input=Input(side=128, channels=3, normalisation="none"),
    cached_side=144,
    class_shares=(0.28, 0.25, 0.47),
    minutes=10,
    batch=48,
    smoothing=0.02,
)
RECIPES = {recipe.name: recipe for recipe in (GATE, BRAIN, BLOOD)}
