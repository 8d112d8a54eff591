"""Alembic's entry: runs migrations on the connection that it is handed, or on an async engine of its own."""

import asyncio
from typing import Literal

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.types import TypeDecorator

from storage.schema import METADATA


def plain_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types as the plain ones beneath: a migration must not change when they do."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


def run(connection: Connection) -> None:
    """Run what is missing, all of it or nothing."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        # SQLite can hardly alter a table: Alembic makes a new one, copies the rows and swaps the two.
        render_as_batch=True,
        compare_type=True,
        render_item=plain_type,
        # Alembic thinks that SQLite cannot undo DDL. It can, once the driver does not commit behind our back.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone() -> None:
    """Connect to ``sqlalchemy.url`` and run there."""
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url") or "")
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_alone())
else:
    run(given)
