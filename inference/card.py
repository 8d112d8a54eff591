"""The model card: what a model folder says about itself, checked when it is loaded."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

MODELS_DIR = Path(__file__).parent / "models"
GATE = "gate"
OTHER = "other"
"""The gate's last class: a picture of none of its organs."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""Of an organ or a class: it goes into file names, keys of texts and columns of the database."""
View = Literal["plain", "mirrored"]
"""A way to look at a picture: as it is, or left for right."""


class ModelError(Exception):
    """A model folder is missing, incomplete or altered; the message names the file and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Architecture(_Part):
    """Arguments of ``inference.architecture.build``: enough to rebuild the Keras model without pickled code."""

    backbone: Literal["", "efficientnet_lite0"] = ""
    """Read the pooled ends of this net's last two stages (see ``inference.efficientnet``); the rest is then empty."""
    stem: int = 0
    widths: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()

    @property
    def features(self) -> int:
        """How many numbers the model's output ``features`` holds."""
        return self.widths[-1]


class Member(_Part):
    """A second, smaller net that reads the same picture at another ``side``; its logits are mixed into the first's."""

    architecture: Architecture
    side: int
    classes: int


class LesionArchitecture(_Part):
    """Arguments of ``inference.lesion_net``: a pretrained backbone, class maps, a lesion map, and perhaps a member."""

    backbone: Literal["efficientnet_lite0"]
    width: int
    """Channels that the strides are fused into."""
    abnormal: bool = False
    """Whether a map of its own draws whatever is unusual, a tumour or a finding of another kind."""
    member: Member | None = None

    @property
    def features(self) -> int:
        """How many numbers the model's output ``features`` holds."""
        return self.width + (self.member.architecture.features if self.member else 0)


class Input(_Part):
    """How a picture becomes the tensor [1, side, side, channels] (see ``inference.preprocess``)."""

    side: int
    channels: Annotated[int, Field(ge=1, le=80)]
    normalisation: Literal["none", "percentile", "stain", "cells"]
    """"cells": no picture but what is measured of each white cell in it, one place a cell (``cells.measures``)."""
    textures: Annotated[int, Field(ge=0, le=64)] = 0
    """So many of the channels of "cells" are read by a pretrained net (``cells.textures``), whose file lies beside."""
    crop: Literal["none", "head"] = "none"
    """"head": only the box around the tissue is read, so that margins and burned-in marks take no part."""


class OperatingPoints(_Part):
    """Thresholds on the calibrated probability.

    For an expert, both on the probability of any tumour class: signs are reported at or above ``positive``, absence at
    or below ``negative``; in between the answer is "not sure". For the gate: a picture is accepted as an organ when
    that organ's probability is at or above ``positive``.
    """

    positive: Annotated[float, Field(ge=0, le=1)]
    negative: Annotated[float, Field(ge=0, le=1)]
    finding: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Above this share of what is no tumour, a finding of another kind keeps absence from being reported."""


class ScoreBin(_Part):
    """Pictures that took no part in the training and whose probability of any tumour lay in ``low`` <= p < ``high``."""

    low: float
    high: float
    pictures: int
    tumors: int
    """How many of them show a tumour (for the blood smears: leukaemia)."""


class StudyRule(_Part):
    """How slices of one person become one answer (see ``inference.study.case``)."""

    ordered: bool = True
    """Whether slices lie one behind another, so that neighbours can agree; fields of a smear do not."""
    extent_mm: Annotated[float, Field(gt=0)] = 8.0
    """What a finding has to reach through, in millimetres."""
    whole_mm: Annotated[float, Field(gt=0)] = 150.0
    """What all slices of a series span where nothing tells their distance."""
    least: Annotated[int, Field(ge=1)] = 2
    most: Annotated[int, Field(ge=1)] = 8
    """So many slices at least and at most, whatever the millimetres say."""
    distance: Annotated[float, Field(gt=0)] = 0.2
    """How far the strongest heat may move from a slice to the next, as a share of the picture's side."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Without an order: the share of the pictures that has to agree."""
    series_share: Annotated[float, Field(gt=0, le=1)] = 0.33
    """The share of the series that has to show signs."""
    lone_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """The share of slices that may show signs alone in a study that is told "no signs"."""


Role = Literal["tumor", "finding", "clear"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What a class means for the verdict: signs, something unusual of another kind, or nothing to report."""


Arithmetic = Literal["float16", "int8"]
"""Of the LiteRT file: float16 weights, or convolutions in 8-bit integers with the rest in float32."""


class ModelClass(_Part):
    """One output of the model and the words that people see for it."""

    name: Name
    words: str
    role: Role = "clear"
    unknown_kind: bool = False
    """A tumour class that says nothing about the kind: a tumour, but of a kind that the model can't tell."""

    @property
    def tumor(self) -> bool:
        """Whether the class is a sign of what the organ's expert looks for."""
        return self.role == "tumor"


class ModelCard(_Part):
    """``card.json``. Figures and provenance are for people; the rest drives the analyser."""

    name: str
    version: str
    organ: Name | None
    """What the model reads; None for the gate, whose classes are the organs that it lets in and, last, ``OTHER``."""
    slices: bool = False
    """A picture is a slice of a volume: several may lie on one sheet, or belong to one series."""
    classes: tuple[ModelClass, ...]
    architecture: Architecture | LesionArchitecture
    input: Input
    arithmetic: Arithmetic = "float16"
    """How the LiteRT file counts; ``weights.npz`` is float16 either way."""
    temperature: Annotated[float, Field(gt=0)]
    operating_points: OperatingPoints
    conformal: dict[str, float]
    """Class name -> quantile q: the class is in the prediction set when its probability is >= 1 - q."""
    role_conformal: dict[Role, float] = {}
    """The same for roles, "tumor" and "clear", by the sum of their classes: what the verdict rests on, where given."""
    heatmap_full_scale: Annotated[float, Field(gt=0)]
    """The class-map value (logit units) that is drawn at full strength; fixed, never stretched per picture."""
    views: tuple[View, ...] = ("plain",)
    """What serving reads of each picture: logits and maps are the mean over these views."""
    max_tta_disagreement: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The answer is "not sure" when two views differ by more than this in the probability of any tumour."""
    reliability: tuple[ScoreBin, ...] = ()
    """What pictures with such a score really showed; empty when that was not measured."""
    study: StudyRule = StudyRule()
    """How several slices of one person are judged together."""
    sha256: dict[str, str]
    """File name -> SHA-256 (hex) of every weight file in the folder."""
    trained_on: list[dict[str, Any]]
    figures: dict[str, Any]
    intended_use: str
    out_of_scope: str
    known_failures: list[str]
    made_with: dict[str, str]

    @model_validator(mode="after")
    def _classes_fit(self) -> Self:
        names = self.class_names
        if len(set(names)) != len(names):
            raise ValueError("classes: two have the same name")
        if self.organ is None and (len(names) < 2 or names[-1] != OTHER):
            raise ValueError(f"classes: a gate has one for each organ and then {OTHER!r}; only a gate has no organ")
        if self.organ == OTHER:
            raise ValueError(f"organ: {OTHER!r} is what the gate calls a picture of no organ")
        if self.organ and not {"tumor", "clear"} <= {c.role for c in self.classes}:
            raise ValueError("classes: an expert needs at least one with the role tumor and one that is clear")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the model's outputs."""
        return tuple(c.name for c in self.classes)

    @property
    def organs(self) -> tuple[str, ...]:
        """The organs that a gate lets in, in the order of its outputs."""
        return self.class_names[:-1]


def load_card(folder: Path) -> ModelCard:
    """Read and check ``folder/card.json`` and the checksums of its weight files.

    Raises ModelError naming the file and the fix.
    """
    path = folder / "card.json"
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: install the package again, or run python -m inference.training export"
        ) from None
    except ValidationError as error:
        raise ModelError(f"{path} is not a valid model card: {error}") from None
    for name, expected in card.sha256.items():
        verify_file(folder / name, expected)
    return card


def verify_file(path: Path, expected: str) -> None:
    """Raise ModelError unless the file's SHA-256 is ``expected`` (hex)."""
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing: install the package again, or run python -m inference.training export"
        ) from None
    if actual != expected:
        raise ModelError(
            f"{path} was altered (SHA-256 {actual[:12]}…, the card says {expected[:12]}…): reinstall the package"
        )
