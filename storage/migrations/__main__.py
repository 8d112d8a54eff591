"""``python -m storage.migrations "what changes"``: writes the step from the newest migration to the models."""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from storage.migrations import config, upgrade
from storage.sessions import opening_engine
from storage.url import parse


def _write(connection: Connection, message: str) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    number = len(list((Path(__file__).parent / "versions").glob("[0-9]*.py"))) + 1
    command.revision(settings, message, autogenerate=True, rev_id=f"{number:04}")


async def main(message: str) -> None:
    """Migrate an empty database, compare it with the models and write the difference as the next revision."""
    with tempfile.TemporaryDirectory() as folder:
        engine = opening_engine(parse(f"sqlite+aiosqlite:///{folder}/empty.db"))
        async with engine.begin() as connection:
            if any((Path(__file__).parent / "versions").glob("[0-9]*.py")):
                await connection.run_sync(upgrade)
            await connection.run_sync(_write, message)
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "change"))
