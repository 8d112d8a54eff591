"""The tables, the same on SQLite and PostgreSQL; what leaves this room are the values of ``records``."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

REVISION = "0002"
"""The newest migration. A database that says so is opened without loading Alembic, which costs 0.2 s at the start."""

Key = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both: SQLite makes a column its row id only when its type reads INTEGER, and that holds 64 bits."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite forgets the zone, so it is checked on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware time into UTC; ValueError for a naive one, whose meaning is anybody's guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def storable(text: str) -> str:
    """Drop NUL, which PostgreSQL refuses, and replace lone surrogates, which UTF-8 cannot say."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


class PersonText(TypeDecorator[str]):
    """Text that a person typed, so that it may hold anything."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Make it storable."""
        return None if value is None else storable(value)


class Base(DeclarativeBase):
    """Names every constraint, since a migration can only change what has a name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class PersonRow(Base):
    """One chat partner."""

    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("chat_id"),
        CheckConstraint("role IN ('user', 'admin')", name="role_known"),
        CheckConstraint("(consent_at IS NULL) = (consent_version IS NULL)", name="consent_whole"),
        CheckConstraint("next_number >= 1", name="next_number_positive"),
        # Ids are never given twice: an analysis that outlives its deleted person must find nobody, not the next one.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    chat_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(PersonText)
    language: Mapped[str] = mapped_column(String(35))
    consent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    consent_version: Mapped[int | None] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(String(16), default="user")
    blocked: Mapped[bool] = mapped_column(default=False)
    next_number: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ScanRow(Base):
    """One scan without its pictures, so that a history page reads small rows only."""

    __tablename__ = "scans"
    __table_args__ = (
        UniqueConstraint("public_id"),
        # Also what a history page walks: numbers only grow, so newest first is this index read backwards.
        UniqueConstraint("person_id", "number"),
        UniqueConstraint("person_id", "source_key"),
        Index(None, "person_id", "picture_sha256"),
        CheckConstraint("number >= 1", name="number_positive"),
        CheckConstraint("verdict IN ('tumor_signs', 'no_tumor_signs', 'not_sure')", name="verdict_known"),
        CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_is_probability"),
        CheckConstraint("received_as IN ('photo', 'document', 'file')", name="received_as_known"),
        CheckConstraint("width > 0 AND height > 0", name="size_positive"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    person_id: Mapped[int] = mapped_column(Key, ForeignKey("people.id", ondelete="CASCADE"))
    public_id: Mapped[str] = mapped_column(String(7))
    number: Mapped[int] = mapped_column(Integer)
    source_key: Mapped[str] = mapped_column(PersonText)
    patient_label: Mapped[str | None] = mapped_column(PersonText)
    organ: Mapped[str] = mapped_column(String(32))
    verdict: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(String(64))
    confidence: Mapped[float]
    probabilities: Mapped[dict[str, float]] = mapped_column(JSON)
    prediction_set: Mapped[list[str]] = mapped_column(JSON)
    gate: Mapped[dict[str, float]] = mapped_column(JSON)
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(64))
    model_sha256: Mapped[str] = mapped_column(String(64))
    picture_sha256: Mapped[str] = mapped_column(String(64))
    received_as: Mapped[str] = mapped_column(String(16))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    messages: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    file_ids: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)


class PictureRow(Base):
    """The two JPEGs of a scan; they go when it goes."""

    __tablename__ = "pictures"
    __table_args__ = (UniqueConstraint("scan_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    scan_id: Mapped[int] = mapped_column(Key, ForeignKey("scans.id", ondelete="CASCADE"))
    original: Mapped[bytes] = mapped_column(LargeBinary)
    overlay: Mapped[bytes] = mapped_column(LargeBinary)


class InboxRow(Base):
    """A raw update from its receipt until its handler is done; then the bare id, to know it when it comes again."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("update_id"),
        Index(None, "chat_id"),
        # Unfinished rows have no such time, so this finds them at the start, and later those that are old.
        Index(None, "finished_at"),
        CheckConstraint("state IN ('waiting', 'working', 'held', 'done', 'set_aside')", name="state_known"),
        CheckConstraint("attempts >= 0 AND kills >= 0", name="attempts_counted"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    """The order of arrival. Update ids don't tell it: after a silent week Telegram begins anew at a random one."""
    update_id: Mapped[int] = mapped_column(BigInteger)
    chat_id: Mapped[int | None] = mapped_column(BigInteger)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    kills: Mapped[int] = mapped_column(Integer, default=0)
    messages: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
