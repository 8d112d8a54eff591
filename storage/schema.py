"""The tables, the same on SQLite and PostgreSQL; what leaves this package are the values of ``records``."""

from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
)
from sqlalchemy.dialects import sqlite

from storage.columns import KEY, RECORD, SEALED, UtcDateTime, columns_of
from storage.records import Broadcast, Invitation, Outcome, Person, Scan

REVISION = max(step.name for step in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))[:4]
"""The newest migration, by its file. A database that says so, and a new file, are opened without loading Alembic."""

METADATA = MetaData(
    # Every constraint has a name, since a migration can only change what has one.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_SEALED = {SEALED: True}

PEOPLE = Table(
    "people",
    METADATA,
    *columns_of(Person),
    Column("role", String(16), nullable=False, default="user"),
    Column("next_number", Integer, nullable=False, default=1),
    UniqueConstraint("chat_id"),
    CheckConstraint("role IN ('user', 'admin')", name="role_known"),
    CheckConstraint("(consent_at IS NULL) = (consent_version IS NULL)", name="consent_whole"),
    CheckConstraint("next_number >= 1", name="next_number_positive"),
    # Ids are never given twice: an analysis that outlives its deleted person must find nobody, not the next one.
    sqlite_autoincrement=True,
    info={RECORD: ("chat_id",)},
)
"""One row for each chat partner."""

SCANS = Table(
    "scans",
    METADATA,
    *columns_of(Scan),
    # Since when a scan is hidden: it can be brought back for a while, and then it goes (see ``Scans.purge``).
    Column("deleted_at", UtcDateTime, nullable=True, index=True),
    UniqueConstraint("public_id"),
    UniqueConstraint("person_id", "number"),
    UniqueConstraint("person_id", "source_key"),
    # What a history page counts and walks without the table: numbers only grow, so newest first is it read backwards.
    Index(None, "person_id", "deleted_at", "number"),
    Index(None, "person_id", "picture_sha256"),
    CheckConstraint("number >= 1", name="number_positive"),
    CheckConstraint("verdict IN ('tumor_signs', 'no_tumor_signs', 'not_sure')", name="verdict_known"),
    CheckConstraint("confidence >= 0 AND confidence <= 1", name="confidence_is_probability"),
    CheckConstraint("received_as IN ('photo', 'document', 'file')", name="received_as_known"),
    CheckConstraint("width > 0 AND height > 0", name="size_positive"),
    sqlite_autoincrement=True,
    info={RECORD: ("public_id",)},
)
"""Scans without their pictures, so that a history page reads small rows only."""

PICTURES = Table(
    "pictures",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("scan_id", KEY, ForeignKey("scans.id", ondelete="CASCADE"), nullable=False),
    Column("original", LargeBinary, nullable=False, info=_SEALED),
    Column("overlay", LargeBinary, nullable=False, info=_SEALED),
    UniqueConstraint("scan_id"),
    info={RECORD: ("scan_id",)},
)
"""The two JPEGs of a scan; they go when it goes."""

SLICES = Table(
    "slices",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("scan_id", KEY, ForeignKey("scans.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("series", String(64), nullable=False),
    Column("verdict", String(32), nullable=False),
    Column("score", Double, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("picture", LargeBinary, nullable=False, info=_SEALED),
    Column("heat", LargeBinary, nullable=False, info=_SEALED),
    UniqueConstraint("scan_id", "number"),
    CheckConstraint("number >= 1", name="number_positive"),
    info={RECORD: ("scan_id", "number")},
)
"""The slices of a study, each with its small heat map; they go when its scan goes."""

ACCESS = Table(
    "access",
    METADATA,
    Column("id", KEY, primary_key=True),
    # Of the chat and not of the person: who is blocked stays so when all that is kept of them is deleted.
    Column("chat_id", BigInteger, nullable=False),
    Column("invited_at", UtcDateTime),
    Column("blocked_at", UtcDateTime),
    UniqueConstraint("chat_id"),
    CheckConstraint("invited_at IS NOT NULL OR blocked_at IS NOT NULL", name="says_something"),
)
"""Who has accepted an invitation, and whom an administrator has blocked."""

INVITATIONS = Table(
    "invitations",
    METADATA,
    *columns_of(Invitation),
    UniqueConstraint("code"),
    CheckConstraint("uses_left >= 0 AND uses_left <= uses", name="uses_counted"),
    # Ids are never given twice: a button below an old one must find nothing, not the next one.
    sqlite_autoincrement=True,
)
"""Codes that let people in."""

USAGE = Table(
    "usage",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("person_id", KEY, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("scans", Integer, nullable=False),
    UniqueConstraint("person_id", "day"),
)
"""How many scans a person was given on a day (UTC); a scan that is deleted still counts."""

TALLIES = Table(
    "tallies",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("day", Date, nullable=False),
    Column("subject", String(16), nullable=False),
    Column("organ", String(32), nullable=False),
    Column("name", String(64), nullable=False),
    Column("count", Integer, nullable=False),
    Column("certainty", Double, nullable=False),
    UniqueConstraint("day", "subject", "organ", "name"),
)
"""How often each verdict and refusal was given on a day (UTC): numbers alone, which outlive scans and people."""

BROADCASTS = Table(
    "broadcasts",
    METADATA,
    *columns_of(Broadcast),
    CheckConstraint("state IN ('draft', 'sending', 'done', 'stopped')", name="state_known"),
    sqlite_autoincrement=True,  # as with invitations
)
"""Messages of administrators to everybody."""

RECIPIENTS = Table(
    "recipients",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("broadcast_id", KEY, ForeignKey("broadcasts.id", ondelete="CASCADE"), nullable=False),
    Column("person_id", KEY, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("taken_at", UtcDateTime),
    # Which replica took it, where there are several.
    Column("replica_id", BigInteger),
    UniqueConstraint("broadcast_id", "person_id"),
    Index(None, "state"),
    Index(None, "person_id"),
    CheckConstraint("state IN ('waiting', 'sending', 'sent', 'blocked', 'failed')", name="state_known"),
)
"""Whom a broadcast under way goes to, and what became of each; its end deletes them."""

OUTCOMES = Table(
    "outcomes",
    METADATA,
    *columns_of(Outcome),
    UniqueConstraint("scan_id"),
    info={RECORD: ("scan_id",)},
)
"""What a doctor found, where people told it; they go when their scans go."""

INBOX = Table(
    "inbox",
    METADATA,
    # The order of arrival. Update ids don't tell it: after a silent week Telegram begins anew at a random one.
    Column("id", KEY, primary_key=True),
    Column("update_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger),
    Column("payload", Text, nullable=False, info=_SEALED),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("kills", Integer, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("error", Text, info=_SEALED),
    Column("received_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    # Which replica handles it, where there are several, and how many have taken it so far. No foreign key: what belongs
    # to a replica that is gone belongs to nobody, whichever database it was copied from.
    Column("replica_id", BigInteger),
    Column("claims", Integer, nullable=False, server_default="0"),
    UniqueConstraint("update_id"),
    Index(None, "chat_id"),
    # Unfinished rows have no such time, so this finds them at the start, and later those that are old.
    Index(None, "finished_at"),
    CheckConstraint(
        "state IN ('waiting', 'working', 'awaiting_consent', 'done', 'dead_letter')",
        name="state_known",
    ),
    CheckConstraint("attempts >= 0 AND kills >= 0", name="attempts_counted"),
    info={RECORD: ("update_id",)},
)
"""Raw updates from their receipt until their handler is done; then the bare id, to know it when it comes again."""

REPLICAS = Table(
    "replicas",
    METADATA,
    # Drawn by chance: a number is never given twice, in copies neither.
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False),
    Column("version", String(64), nullable=False),
    Column("models", String(64), nullable=False),
    Column("messages_per_second", Integer, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
)
"""Processes that share this database, and when each was last alive by the database's clock."""

LEASES = Table(
    "leases",
    METADATA,
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("replica_id", BigInteger, ForeignKey("replicas.id", ondelete="CASCADE"), nullable=False),
    Index(None, "replica_id"),
)
"""Which replica handles what a chat sends: one at a time, so that a person's order is kept."""

ALLOWANCES = Table(
    "allowances",
    METADATA,
    Column("name", String(16), primary_key=True),
    Column("available", Double, nullable=False),
    Column("filled_at", UtcDateTime, nullable=False),
)
"""What all replicas together may send."""

OF_REPLICAS = frozenset({"replicas", "leases", "allowances"})
"""Tables about processes: they mean nothing in a copy."""

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("id", KEY, primary_key=True),
    Column("person_id", KEY, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("receipt", String(64), nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    UniqueConstraint("person_id", "receipt"),
)
"""Of scans that were forgotten: a hash that tells their message when it comes again, and nothing of what it said."""

DATA_KEYS = Table(
    "data_keys",
    METADATA,
    Column("key_id", String(8), primary_key=True),
    Column("first_used_at", UtcDateTime, nullable=False),
)
"""Which keys something here may be sealed with; "" where something may be plain. Never a key itself."""


_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it."""


def create_newest(connection: Connection) -> None:
    """Make all tables of an empty database as the migrations would, which takes a tenth of their time."""
    METADATA.create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION), {"version_num": REVISION})


def insert_into(table: Table, *, on_sqlite: bool) -> Any:
    """The INSERT that knows ON CONFLICT; PostgreSQL's takes a while to load, so only where it is used."""
    if on_sqlite:
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
