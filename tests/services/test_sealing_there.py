"""Encryption at rest, on PostgreSQL: nothing can be read in its tables, and keys come and go as on SQLite."""

import pytest
from sqlalchemy import text

from storage import Database
from storage.errors import DataKeyError
from storage.schema import METADATA
from storage.sessions import Sessions
from storage.url import parse
from tests.unit.storage.test_sealing import NAME, NEW, OLD, fill, found, read_all


async def in_tables(url: str) -> bytes:
    """Every value of every table, as its bytes."""
    sessions, kept = Sessions(parse(url)), b""
    for table in METADATA.sorted_tables:
        rows = await sessions.read(lambda at, table=table: at.execute(text(f"SELECT * FROM {table.name}")).all())  # type: ignore[misc] # noqa: S608
        kept += b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
    await sessions.close()
    return kept


async def test_keys_come_change_and_go(url: str) -> None:
    database = await Database.open(url)
    await fill(database)
    await database.close()
    assert NAME in found(await in_tables(url))

    for keys in ([OLD], [NEW, OLD]):
        database = await Database.open(url, keys=keys)
        await read_all(database)
        assert await database.rekey(lambda *_: None) > 0
        assert found(await in_tables(url)) == []
        await read_all(database)
        await database.close()
    with pytest.raises(DataKeyError):
        await Database.open(url, keys=[OLD])

    database = await Database.open(url, keys=[NEW])
    await database.rekey(lambda *_: None, plain=True)
    await database.close()
    database = await Database.open(url)
    await read_all(database)
    await database.close()
