"""Which keys something in a database may be sealed with: their ids, noted by everything that seals."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from storage.schema import DATA_KEYS, insert_into


def note_key(at: Connection, key_id: str) -> None:
    """Note that something may be sealed with this key; nothing happens when that is known."""
    statement = insert_into(DATA_KEYS, on_sqlite=at.dialect.name == "sqlite").on_conflict_do_nothing()
    at.execute(statement, {"key_id": key_id, "first_used_at": datetime.now(UTC)})
