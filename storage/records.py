"""The frozen values that cross between storage and the rest; tables and statements are made from these fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from sqlalchemy import BigInteger, Boolean, Double, Integer, String, false, text

from storage.columns import KEY, JsonObject, JsonRows, JsonTuple, Kept, PersonText, UtcDateTime


@dataclass(frozen=True, slots=True)
class Person:
    """One chat partner, known by the private chat's id."""

    id: Annotated[int, Kept(KEY, primary_key=True)]
    chat_id: Annotated[int, Kept(BigInteger)]
    name: Annotated[str, Kept(PersonText, sealed=True)]
    language: Annotated[str, Kept(String(35))]
    consent_at: Annotated[datetime | None, Kept(UtcDateTime)]
    consent_version: Annotated[int | None, Kept(Integer)]
    blocked: Annotated[bool, Kept(Boolean)]
    created_at: Annotated[datetime, Kept(UtcDateTime)]
    utc_offset: Annotated[int | None, Kept(Integer)] = None
    """Minutes by which this person's clock is ahead of UTC; None until they said so."""
    forgets: Annotated[bool, Kept(Boolean, default=false())] = False
    """Whether this person wants scans to be deleted as soon as they are answered."""

    @classmethod
    def unregistered(cls, chat_id: int, language: str) -> Self:
        """Somebody of whom nothing is kept: no row has this id."""
        return cls(0, chat_id, "", language, None, None, blocked=False, created_at=datetime.now(UTC))

    @property
    def is_kept(self) -> bool:
        """Whether the database has a row of this person."""
        return self.id > 0

    @property
    def has_consented(self) -> bool:
        """Whether pictures of this person may be read."""
        return self.consent_at is not None


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of one scan, JPEG bytes of equal pixel size; ``overlay`` carries the heat map."""

    original: bytes
    overlay: bytes


@dataclass(frozen=True, slots=True)
class ScanFields:
    """What a scan says, before and after it is kept: the one place to add a field, together with its migration.

    ``source_key`` names the message and file it came from, unique per person, so that a redelivered update
    makes no second scan. ``organ``, ``verdict``, ``reason`` and ``label`` are the values of the inference enums.
    """

    source_key: Annotated[str, Kept(PersonText)]
    patient_label: Annotated[str | None, Kept(PersonText, sealed=True)]
    organ: Annotated[str, Kept(String(32))]
    verdict: Annotated[str, Kept(String(32))]
    reason: Annotated[str, Kept(String(32))]
    label: Annotated[str, Kept(String(64))]
    confidence: Annotated[float, Kept(Double)]
    """0 to 1."""
    probabilities: Annotated[Mapping[str, float], Kept(JsonObject)]
    prediction_set: Annotated[tuple[str, ...], Kept(JsonTuple)]
    gate: Annotated[Mapping[str, float], Kept(JsonObject)]
    model_name: Annotated[str, Kept(String(64))]
    model_version: Annotated[str, Kept(String(64))]
    model_sha256: Annotated[str, Kept(String(64))]
    picture_sha256: Annotated[str, Kept(String(64))]
    received_as: Annotated[str, Kept(String(16))]
    """'photo', 'document' or 'file' (command line)."""
    width: Annotated[int, Kept(Integer)]
    """Pixels, as is the height."""
    height: Annotated[int, Kept(Integer)]
    study: Annotated[Mapping[str, Any] | None, Kept(JsonObject, sealed=True)]
    """What is told of a study of many slices, in the bot's own form; None for a single picture."""
    edges: Annotated[tuple[str, ...], Kept(JsonTuple, default=text("'[]'"))] = field(default=(), kw_only=True)
    """Which side of the body lies at the left and the right edge of the picture, such as ("R", "L"); () untold."""
    cells: Annotated[tuple[tuple[float, ...], ...], Kept(JsonRows, default=text("'[]'"))]
    """The white cells that a smear was judged by: of each its place, size and heat, in the bot's own form."""


@dataclass(frozen=True, slots=True)
class KeptSlice:
    """One judged slice of a study."""

    number: int
    """From 1, over all series."""
    series: str
    """Such as "T1c axial"; "" where no tag told."""
    verdict: str
    score: float
    """Probability of any finding, 0 to 1."""
    agrees: bool
    """Whether its neighbours show the same at the same place."""
    picture: bytes
    """JPEG."""
    heat: bytes
    """PNG, grey: the heat over the slice, made small."""


@dataclass(frozen=True, slots=True)
class NewScan(ScanFields):
    """A scan that is about to be kept, with its pictures; those of a study are of its most telling slice."""

    pictures: Pictures
    slices: tuple[KeptSlice, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan(ScanFields):
    """A scan as it is kept, without its pictures."""

    id: Annotated[int, Kept(KEY, primary_key=True)]
    person_id: Annotated[int, Kept(KEY, "people.id")]
    public_id: Annotated[str, Kept(String(7))]
    """Such as ``A7K2-Q9``: no letter or digit that can be taken for another."""
    number: Annotated[int, Kept(Integer)]
    """1, 2, 3 ... per person; never used again after a deletion."""
    created_at: Annotated[datetime, Kept(UtcDateTime)]
    messages: Annotated[Mapping[str, int], Kept(JsonObject)] = field(default_factory=dict)
    """Step of the journey ('status', 'picture', 'report') -> Telegram message id it became."""
    file_ids: Annotated[Mapping[str, str], Kept(JsonObject)] = field(default_factory=dict)
    """'picture' or 'report' -> Telegram file id, to send it again without uploading; with the language: 'report.de'.

    'source' -> that of a DICOM file that was read, which can be fetched again for what it says of its study."""
    passes: Annotated[bool, Kept(Boolean, default=false())] = False
    """Whether it is deleted as soon as it is answered."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """One page of a history, newest first."""

    scans: tuple[Scan, ...]
    page: int
    """From 1."""
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that lets people in, as long as it has uses left and has not run out."""

    id: Annotated[int, Kept(KEY, primary_key=True)]
    code: Annotated[str, Kept(String(32))]
    uses: Annotated[int, Kept(Integer)]
    """How many people it may let in, in all."""
    uses_left: Annotated[int, Kept(Integer)]
    expires_at: Annotated[datetime, Kept(UtcDateTime)]
    created_at: Annotated[datetime, Kept(UtcDateTime)]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A message of an administrator to everybody."""

    id: Annotated[int, Kept(KEY, primary_key=True)]
    text: Annotated[str, Kept(PersonText)]
    """Plain, as it was typed."""
    created_by: Annotated[int, Kept(BigInteger)]
    """Chat id of the administrator."""
    created_at: Annotated[datetime, Kept(UtcDateTime)]
    state: Annotated[str, Kept(String(16))]
    """'draft', 'sending', 'done' or 'stopped'."""
    recipients: Annotated[int, Kept(Integer)]
    """How many it was to reach, those who can't be reached included."""
    sent: Annotated[int, Kept(Integer)]
    blocked: Annotated[int, Kept(Integer)]
    """Skipped, since they have blocked the bot or been blocked."""
    failed: Annotated[int, Kept(Integer)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a doctor found in what a scan shows, as the person told it."""

    id: Annotated[int, Kept(KEY, primary_key=True)]
    scan_id: Annotated[int, Kept(KEY, "scans.id")]
    found: Annotated[str, Kept(PersonText, sealed=True)]
    """A class of the model, or one of ``storage.outcomes.NOTHING`` and ``SOMETHING_ELSE``."""
    noted_at: Annotated[datetime, Kept(UtcDateTime)]
    shared_at: Annotated[datetime | None, Kept(UtcDateTime)]
    """When the person said yes to handing the picture on with this; None: they did not."""
