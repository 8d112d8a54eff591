"""Which keys a database needs, and bringing everything in it under one key, or back to plain."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, select, update

from storage.columns import SEALED
from storage.data_keys import note_key
from storage.schema import DATA_KEYS, METADATA
from storage.sessions import Sessions
from storage.vault import PLAIN, Vault, missing_key

BATCH = 50
"""Rows of one transaction: a bot that runs meanwhile waits for no more than these."""
TABLES: Sequence[Table] = tuple(
    table for table in METADATA.sorted_tables if any(column.info.get(SEALED) for column in table.columns)
)
"""Where something is sealed."""
Progress = Callable[[str, int, int], None]
"""Told after every batch: the table, how many of its rows are done, and how many there were at the beginning."""


def look_for_keys(connection: Connection, vault: Vault) -> frozenset[str]:
    """The ids under which something may be kept. Raises DataKeyError when one of those is not given."""
    known = frozenset(connection.scalars(select(DATA_KEYS.c.key_id)))
    if missing := sorted(known - {PLAIN, *vault.key_ids}):
        raise missing_key(missing[0], has_keys=bool(vault.key_ids))
    return known


def admit_keys(connection: Connection, vault: Vault) -> frozenset[str]:
    """Note the key of what will be kept from now on; returns the ids under which something else may be kept.

    Raises DataKeyError when one of those is not given.
    """
    known = look_for_keys(connection, vault)
    if vault.seals_with not in known:
        note_key(connection, vault.seals_with)
    return known - {vault.seals_with}


async def rekey(sessions: Sessions, target: Vault, progress: Progress) -> int:
    """Keep everything as ``target`` does that is not kept so yet; returns how many rows that changed.

    May be interrupted and run again at any time, also beside a bot that was started with the same keys. Raises
    DataKeyError for what can't be opened; what was done before stays done.
    """
    before = await sessions.read(lambda at: set(at.scalars(select(DATA_KEYS.c.key_id))))
    await sessions.write(lambda at: note_key(at, target.seals_with))
    changed = 0
    for table in TABLES:
        count = select(func.count()).select_from(table)
        total, last, done = await sessions.read(partial(_scalar, statement=count)), 0, 0
        batch = partial(_rekey_batch, table=table, vault=sessions.vault, target=target)
        while ids := (found := await sessions.write(partial(batch, last=last), durable=True))[0]:
            last, done, changed = ids[-1], done + len(ids), changed + found[1]
            progress(table.name, done, max(done, total))
    if before - {target.seals_with}:
        # Last of all: were this run cut short, the next one would do it. Gaps of the file may hold what rows once were.
        await sessions.compact()
        others = delete(DATA_KEYS).where(DATA_KEYS.c.key_id != target.seals_with)
        await sessions.write(lambda at: at.execute(others).rowcount, durable=True)
    return changed


def _scalar(at: Connection, statement: Select[Any]) -> int:
    return int(at.scalar(statement) or 0)


def _rekey_batch(at: Connection, last: int, *, table: Table, vault: Vault, target: Vault) -> tuple[list[int], int]:
    """The ids of the next rows after ``last``, and how many of them were changed."""
    rows = at.execute(select(table).where(table.c.id > last).order_by(table.c.id).limit(BATCH).with_for_update()).all()
    fresh = 0
    for row in rows:
        kept: dict[str, Any] = dict(row._mapping)
        old = {
            column.name: kept[column.name]
            for column in table.columns
            if column.info.get(SEALED) and not target.is_current(kept[column.name])
        }
        if old:
            named = {name: value for name, value in kept.items() if name not in old}
            opened = vault.of(table).opened({**named, **old})
            sealed = target.of(table).values({name: opened[name] for name in old}, **named)
            at.execute(update(table).where(table.c.id == row.id).values(sealed))
            fresh += 1
    return [row.id for row in rows], fresh
