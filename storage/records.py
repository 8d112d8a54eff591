"""The frozen values that cross between storage and the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Person:
    """One chat partner, known by the private chat's id."""

    id: int
    chat_id: int
    name: str
    language: str
    consent_at: datetime | None
    consent_version: int | None
    role: str
    blocked: bool
    created_at: datetime

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
class NewScan:
    """A scan that is about to be kept.

    ``source_key`` names the message and file it came from, unique per person, so that a redelivered update
    makes no second scan. ``organ``, ``verdict``, ``reason`` and ``label`` are the values of the inference enums.
    """

    source_key: str
    patient_label: str | None
    organ: str
    verdict: str
    reason: str
    label: str
    confidence: float
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    gate: Mapping[str, float]
    model_name: str
    model_version: str
    model_sha256: str
    picture_sha256: str
    received_as: str
    """'photo', 'document' or 'file' (command line)."""
    width: int
    height: int
    pictures: Pictures


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan as it is kept, without its pictures."""

    id: int
    person_id: int
    public_id: str
    """Such as ``A7K2-Q9``: no letter or digit that can be taken for another."""
    number: int
    """1, 2, 3 ... per person; never used again after a deletion."""
    source_key: str
    patient_label: str | None
    organ: str
    verdict: str
    reason: str
    label: str
    confidence: float
    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    gate: Mapping[str, float]
    model_name: str
    model_version: str
    model_sha256: str
    picture_sha256: str
    received_as: str
    width: int
    height: int
    created_at: datetime
    messages: Mapping[str, int] = field(default_factory=dict)
    """Step of the journey ('status', 'picture', 'report') -> Telegram message id it became."""
    file_ids: Mapping[str, str] = field(default_factory=dict)
    """'picture' or 'report' -> Telegram file id, to send it again without uploading."""


@dataclass(frozen=True, slots=True)
class ScanPage:
    """One page of a history, newest first."""

    scans: tuple[Scan, ...]
    page: int
    """From 1."""
    pages: int
    total: int
