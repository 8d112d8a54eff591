"""``tumorscan db upgrade|check|backup FILE``: look after the database that DATABASE_URL names."""

import argparse
import asyncio
from pathlib import Path

from bot.errors import StartError
from bot.settings import load_settings
from storage import Database, StorageError

PROBLEMS_FOUND = 1
"""Exit status of ``check`` when something is wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the three actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("upgrade", help="create the database, or bring its schema up to date")
    actions.add_parser("check", help="look for damage; changes nothing")
    backup = actions.add_parser("backup", help="write a consistent copy, also while the bot runs (SQLite)")
    backup.add_argument("file", type=Path, metavar="FILE", help="the new file to write")


def run(args: argparse.Namespace) -> int:
    """Do it and say so in one line. Raises StartError when the database cannot be used."""
    url = load_settings().database_url
    try:
        match args.action:
            case "upgrade":
                return asyncio.run(_upgrade(url))
            case "check":
                return asyncio.run(_check(url))
            case _:
                return asyncio.run(_backup(url, args.file))
    except StorageError as error:
        raise StartError(str(error)) from error


async def _upgrade(url: str) -> int:
    database = await Database.open(url)
    await database.close()
    print("The database is up to date.")
    return 0


async def _check(url: str) -> int:
    database = await Database.open(url, migrate=False)
    try:
        problems = await database.check()
    finally:
        await database.close()
    print("\n".join(problems) or "The database is sound.")
    return PROBLEMS_FOUND if problems else 0


async def _backup(url: str, file: Path) -> int:
    database = await Database.open(url, migrate=False)
    try:
        await database.backup(file)
    finally:
        await database.close()
    print(f"The copy is in {file}.")
    return 0
