"""What a report is made of: plain values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the probability chart."""

    words: str
    probability: float
    chance: str
    """The probability as the reader's language writes it, such as "91%"."""
    highlighted: bool
    """In the prediction set."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement of the report comes from."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Words:
    """Headings and lines that every report has, in the reader's language.

    ``number`` holds ``{number}``, ``model_line`` ``{name}`` and ``{version}``, ``page`` ``{page}`` and ``{pages}``,
    ``check_how`` ``{code}``.
    """

    title: str
    patient: str
    no_patient: str
    received: str
    scan: str
    number: str
    result: str
    original: str
    overlay: str
    weak: str
    strong: str
    scores: str
    scores_note: str
    figure: str
    strength: str
    limits: str
    seek_help: str
    sources: str
    made_by: str
    model: str
    model_line: str
    weights: str
    picture: str
    picture_hash: str
    check: str
    check_how: str
    square: str
    """What the square of the code is called, for whoever can't see it."""
    notes: str
    not_a_diagnosis: str
    page: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which model spoke about which bytes."""

    model_name: str
    model_version: str
    model_sha256: str
    picture_sha256: str
    picture_words: str
    """How the picture came: 'photo (Telegram made it smaller)' or 'file, exact bytes', and its size in pixels."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Which side of the body lies at the edges of the picture, as far as the file told it."""

    words: str
    """A sentence: what the letters mean, or that nothing tells left from right."""
    left: str = ""
    """The letter at the left edge of the picture, such as "R"; "" where nothing tells."""
    right: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """How a reader can check that the report is as it was made."""

    code: str
    address: str
    """What the square code leads to."""


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """The slices of a study, or the cells of a smear, on one picture."""

    heading: str
    picture: bytes
    """JPEG."""
    words: str
    """What it means, and what was set aside."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that one PDF shows; all texts are already in the reader's language.

    Texts may hold any script and any character that a person typed: the report escapes them. ``original`` and
    ``overlay`` are JPEG bytes of the same pixel size and are passed through untouched.
    """

    public_id: str
    number: int
    created_at: datetime
    """Aware; the file says it too."""
    created_words: str
    """The same as the reader's language writes it."""
    patient_label: str | None
    organ_words: str
    verdict_words: str
    """One line: the result in words."""
    explanation: str
    """A few plain sentences: what this result means."""
    bars: tuple[Bar, ...]
    figure_words: str
    """What the heat map shows and what it does not."""
    limits: tuple[str, ...]
    seek_help: tuple[str, ...]
    sources: tuple[Source, ...]
    provenance: Provenance
    original: bytes
    overlay: bytes
    words: Words
    language: str
    """The code of the reader's language."""
    right_to_left: bool = False
    """Whether that language is written so; then left and right of the page change places."""
    slices: ContactSheet | None = None
    cells: ContactSheet | None = None
    strength: tuple[str, ...] = ()
    """How good the model was in tests, and what it learned from."""
    place: str = ""
    """Which slice of which series is shown; "" where there is nothing to tell."""
    sides: Sides | None = None
    """None for what has no left and right, such as a smear."""
    verification: Verification | None = None
    """None: the bot does not sign its reports, which then say nothing of it."""
    paper: Literal["a4", "letter"] = "a4"


@dataclass(frozen=True, slots=True)
class DicomData:
    """A report and its heat map on their way into DICOM files (see ``reports.dicom``)."""

    identity: Mapping[str, str]
    """DICOM keyword -> value, as the file that was read has them."""
    report: bytes
    """PDF."""
    overlay: bytes
    """JPEG: the picture with its heat map."""
    title: str
    """What the document is called."""
    picture_title: str
    made: datetime
    """Aware."""
    model: str
    """Name and version."""


@dataclass(frozen=True, slots=True)
class DayCounts:
    """One column of a chart of days."""

    words: str
    """Below the column; "" where there is no room for all."""
    counts: tuple[int, ...]
    """One for each name of the legend, stacked from below."""


@dataclass(frozen=True, slots=True)
class CountList:
    """Bars below a heading, each with its number."""

    title: str
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ChartData:
    """What a chart for administrators shows (see ``reports.chart``)."""

    title: str
    legend: tuple[str, ...]
    days: tuple[DayCounts, ...]
    lists: tuple[CountList, ...]
    nothing: str
    """Said where there is nothing to show."""
