"""What a container becomes: slices in their order, series told apart, and a count of all that was set aside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from inference.analysis import ModelIdentity, Reason, Verdict
from inference.study.limits import MAX_PIXEL_BYTES, MOST_SLICES


class Kind(StrEnum):
    """What the slices came in."""

    ZIP = "zip"
    TAR = "tar"
    DICOM = "dicom"
    """One DICOM file of several frames."""
    TIFF = "tiff"
    VOLUME = "volume"
    """NIfTI, NRRD or MetaImage."""
    PDF = "pdf"
    SHEET = "sheet"
    """Several slices side by side in one picture."""
    ALBUM = "album"
    FOLDER = "folder"


class SetAside(StrEnum):
    """Why something of a container was not judged."""

    OTHER_FILE = "other_file"
    """A viewer's program, a directory, a text, a picture beside DICOM files that are its originals."""
    SCOUT = "scout"
    """A localizer: taken to plan the others."""
    OTHER_PART = "other_part"
    """Its tags say that it shows another part of the body, or that it was not made by MRI."""
    DERIVED = "derived"
    """Computed from others: a projection, a colour map, a screen saved by the scanner."""
    UNREADABLE = "unreadable"
    THINNED = "thinned"
    """Left out evenly, since there were more slices than are looked at."""
    NOT_TAKEN = "not_taken"
    """Judged, but taken for none of the organs: the top of the head, air, a page of text."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture of a study, decoded; plain, as it goes from one process to another."""

    pixels: bytes
    """Row by row, 8 bits a channel."""
    shape: tuple[int, ...]
    """(H, W) in grey, (H, W, 3) in colour."""
    width: int
    """Pixels as stored, before it was made smaller."""
    height: int
    tells_directions: bool = False
    """Whether its file says how it lies in the body."""
    is_unclear: bool = False
    """Whether it lies on a side, and which way is up can't be told."""


@dataclass(frozen=True, slots=True)
class SliceFinding:
    """One slice, judged."""

    organ: str | None
    """None: the gate takes it for no organ."""
    reason: Reason
    verdict: Verdict
    """What this slice alone would be told."""
    probabilities: Mapping[str, float]
    score: float
    """Calibrated probability of any tumour class; 0 where the gate refused."""
    tta_disagreement: float
    place: tuple[float, float]
    """Where the heat is strongest: (x, y) as shares of the slice's width and height."""
    gate: Mapping[str, float] | None
    model: ModelIdentity | None
    shown: bytes
    """JPEG of the slice."""
    heat: bytes
    """PNG, grey: the heat over the slice, made small; b"" where the gate refused."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Tile:
    """One slice on a contact sheet."""

    number: int
    shown: bytes
    """JPEG."""
    heat: bytes
    """PNG, grey, of any size."""
    marked: bool


@dataclass(frozen=True, slots=True)
class Series:
    """Slices of one kind in their order."""

    slices: tuple[Slice, ...]
    sequence: str | None = None
    """Such as "T1c" or "FLAIR"; None where no tag tells."""
    plane: str | None = None
    """"axial", "coronal", "sagittal" or None."""
    spacing: float | None = None
    """Millimetres from one slice to the next, as looked at; None where nothing tells."""
    edges: tuple[str, ...] = ()
    """See ``tags.edges``; () where its slices differ."""


@dataclass(frozen=True, slots=True)
class Study:
    """What was found in a container."""

    kind: Kind
    series: tuple[Series, ...]
    set_aside: Mapping[SetAside, int] = field(default_factory=dict)
    sha256: str = ""
    """SHA-256 (hex) of the bytes as received."""
    turned: bool = False
    """Whether slices of it were turned upright, or what holds them."""

    def __post_init__(self) -> None:
        """Raise ValueError for more than ever comes out of a container: what a worker says is not believed."""
        if len(self.slices) > MOST_SLICES or sum(len(one.pixels) for one in self.slices) > 4 * MAX_PIXEL_BYTES:
            raise ValueError("too many slices")

    @property
    def slices(self) -> tuple[Slice, ...]:
        """All slices, series after series."""
        return tuple(one for series in self.series for one in series.slices)
