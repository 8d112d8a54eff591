"""The frozen values that enter and leave this package."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """The one answer a picture gets."""

    TUMOR_SIGNS = "tumor_signs"
    NO_TUMOR_SIGNS = "no_tumor_signs"
    NOT_SURE = "not_sure"
    NOT_READABLE = "not_readable"


class Reason(StrEnum):
    """Why the verdict is what it is; each has its sentence in the locale files of the bot."""

    READ = "read"
    """The model is sure enough."""
    READ_PART = "read_part"
    """Whatever the verdict, it is about a part of the picture that was cut out: the slice on a screen."""
    READ_TURNED = "read_turned"
    """Whatever the verdict, the picture lay on its side or upside down, and was turned upright before it was read."""
    PART_TURNED = "part_turned"
    """As ``READ_PART``; the part was turned upright."""
    UNDECIDED = "undecided"
    """The prediction set holds a tumour class and the tumour-free one, or no operating point is met."""
    UNUSUAL_FINDING = "unusual_finding"
    """The model sees something unusual that is none of the kinds that it knows: neither signs nor their absence."""
    UNUSUAL_TURNED = "unusual_turned"
    """As ``UNUSUAL_FINDING``, in a picture that was turned upright."""
    NOT_A_SCAN = "not_a_scan"
    """The gate takes the picture for no organ that it knows, and can't tell what else it is."""
    PHOTO_OF_SCREEN = "photo_of_screen"
    """Refused by the gate: a photo of a screen or of a film."""
    PHOTO_OR_PAGE = "photo_or_page"
    """Refused by the gate: a photo of the world, a drawing, a page, a screenshot."""
    OTHER_MEDICAL = "other_medical"
    """Refused by the gate: another kind of medical picture (CT, X-ray, ultrasound, MRI of another part)."""
    OTHER_CELLS = "other_cells"
    """Refused by the gate: tissue or other cells under the microscope."""
    ON_ITS_SIDE = "on_its_side"
    """A slice that lies on its side, and which way is up can't be told."""
    TOO_DARK = "too_dark"
    """Refused by the gate, and so dark that nothing can be made out."""
    NO_WHITE_CELLS = "no_white_cells"
    """A blood smear without a white cell to judge."""
    SEVERAL_SLICES = "several_slices"
    """A sheet of many slices: each would have to be judged alone."""
    EMPTY = "empty"
    TOO_LARGE_FILE = "too_large_file"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    UNKNOWN_FORMAT = "unknown_format"
    BROKEN = "broken"
    """The format is known, the data are truncated or corrupted."""
    BLANK = "blank"
    """Every pixel is (nearly) the same: nothing to read."""
    FORM_UNSUPPORTED = "form_unsupported"
    """The file is whole, and of a rare form of its format that can't be opened."""
    RAW_PHOTO = "raw_photo"
    """What a camera's sensor saw (DNG, CR2, NEF ...), not developed."""
    FILM = "film"
    PDF_FILE = "pdf_file"
    OFFICE_FILE = "office_file"
    ARCHIVE_FILE = "archive_file"
    CD_COPY = "cd_copy"
    """The image of a whole disc."""
    WEB_LINK = "web_link"
    """A saved link or page, as portals give it."""
    MAIL_FILE = "mail_file"
    """A mail, or a page saved in one file as a mail is, without a picture that can be opened."""
    DICOM_WITHOUT_PICTURE = "dicom_without_picture"
    DICOM_SEVERAL_FRAMES = "dicom_several_frames"
    DICOM_UNSUPPORTED = "dicom_unsupported"
    DICOM_DIRECTORY = "dicom_directory"
    """The table of contents of a disc."""
    DICOM_CT = "dicom_ct"
    """Refused by the file's own word; so are the next ones."""
    DICOM_XRAY = "dicom_xray"
    DICOM_ULTRASOUND = "dicom_ultrasound"
    DICOM_NUCLEAR = "dicom_nuclear"
    DICOM_OTHER_KIND = "dicom_other_kind"
    DICOM_OTHER_PART = "dicom_other_part"
    MR_NOT_READ = "mr_not_read"
    """The file says that it is an MRI, and the gate can't make out a brain in it."""
    FRAMES_MISSING = "frames_missing"
    """A file of several frames that holds fewer than it states."""
    ARCHIVE_TOO_MANY = "archive_too_many"
    ARCHIVE_TOO_LARGE = "archive_too_large"
    """Unpacked, by what its directory states or by how it begins to grow."""
    ARCHIVE_NESTED = "archive_nested"
    ARCHIVE_LOCKED = "archive_locked"
    ARCHIVE_UNSAFE = "archive_unsafe"
    """Names that lead out of the archive, links, or one name twice."""
    ARCHIVE_BROKEN = "archive_broken"
    ARCHIVE_EMPTY = "archive_empty"
    """Nothing in it is a picture."""
    ARCHIVE_SEVERAL_PEOPLE = "archive_several_people"
    VOLUME_BROKEN = "volume_broken"
    """NIfTI, NRRD or MetaImage whose header is damaged or promises more voxels than there are."""
    VOLUME_UNSUPPORTED = "volume_unsupported"
    PDF_TOO_LONG = "pdf_too_long"
    PDF_EMPTY = "pdf_empty"
    PDF_LOCKED = "pdf_locked"
    OWN_REPORT = "own_report"
    """A report of this program, saved anew by another one: its pictures were read already."""


OF_A_PART: Final = frozenset({Reason.READ_PART, Reason.PART_TURNED})
"""What was read is a part of the picture."""
TURNED: Final = frozenset({Reason.READ_TURNED, Reason.PART_TURNED, Reason.UNUSUAL_TURNED})
"""What was read, and is shown, is turned against the picture as it was sent."""
OF_UNUSUAL: Final = frozenset({Reason.UNUSUAL_FINDING, Reason.UNUSUAL_TURNED})


def of_turned(reason: Reason) -> Reason:
    """The reason of an answer about what was turned upright."""
    if reason in OF_A_PART:
        return Reason.PART_TURNED
    return Reason.UNUSUAL_TURNED if reason in OF_UNUSUAL else Reason.READ_TURNED


class PictureError(Exception):
    """The bytes are not a picture that can be read; ``reason`` says which of the known causes it is."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model spoke: printed in every reply and report."""

    name: str
    version: str
    sha256: str
    """SHA-256 (hex) of the weight file that was run."""


UNUSUAL: Final = 0.5
"""Heat from which on a white cell looks unusual by itself: half of the scale, where the map outlines a spot."""


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """One white cell that a smear was judged by."""

    x: float
    """The middle of its nucleus as a share of the picture's width."""
    y: float
    """Likewise of the height."""
    radius: float
    """Of a disc as large as the nucleus, as a share of the picture's long side."""
    heat: float
    """What it says by itself on the scale of the heat map, 0 to 1."""

    @property
    def unusual(self) -> bool:
        """Whether it is counted among those that look unusual."""
        return self.heat >= UNUSUAL


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was seen in one picture.

    ``probabilities`` are calibrated, keyed by class name, and sum to 1; they are empty when the gate refused, and what
    the model of the nearest organ would have said stands under ``withheld``. ``shown`` is the cleaned picture as people
    see it (JPEG, no metadata, long side at most ``imaging.SHOWN_SIDE``), ``overlay`` the heat map blended over it
    (JPEG, same size), ``heatmap`` the map alone (PNG, 8-bit grey, same size; 0 = no evidence, 255 = the card's fixed
    full scale). The last two are None when the picture was refused.
    """

    organ: str | None
    """The name in the card of the model that read it; None when the gate refused."""
    verdict: Verdict
    reason: Reason
    label: str | None
    confidence: float | None
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    withheld: Mapping[str, float]
    gate: Mapping[str, float] | None
    """The gate's probability of each class of its card (every organ, and "other"), summing to 1; None with a hint."""
    model: ModelIdentity | None
    picture_sha256: str
    """SHA-256 (hex) of the bytes as received."""
    width: int
    """Pixels of the decoded picture before it was made smaller for showing."""
    height: int
    shown: bytes
    overlay: bytes | None
    heatmap: bytes | None
    edges: tuple[str, ...] = ()
    """Which side of the body lies at the left and the right edge, such as ("R", "L"); () where the file tells nothing.
    """
    cells: tuple[JudgedCell, ...] = ()
    """The white cells that a smear was judged by, the largest nuclei first; none for a model that reads no cells."""


@dataclass(frozen=True, slots=True)
class PictureWords:
    """What is written on the picture that goes into the chat, each a few words long."""

    sent: str
    """Above the picture as it came."""
    heat_map: str
    """Above the heat map."""
    none: str
    """At the end of the colour bar that means nothing."""
    strong: str
    nothing_stood_out: str
    """Below the picture when the heat map shows nothing."""
    cells: str
    """Above the white cells that counted most."""
