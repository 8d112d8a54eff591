"""``tumorscan db upgrade|check|backup FILE|dead-letters``: look after the database that DATABASE_URL names."""

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from bot.delivery.error_class import KilledError
from bot.errors import StartError
from bot.settings import load_settings
from storage import Database, StorageError
from storage.inbox import DeadLetter

PROBLEMS_FOUND = 1
"""Exit status of ``check`` when something is wrong, and of ``--again`` for an update that is no dead letter."""
_FRAME = re.compile(r'File ".*?([^/\\"]+[/\\][^/\\"]+)", line (\d+), in (\S+)')
_KIND = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("upgrade", help="create the database, or bring its schema up to date")
    actions.add_parser("check", help="look for damage; changes nothing")
    backup = actions.add_parser("backup", help="write a consistent copy, also while the bot runs (SQLite)")
    backup.add_argument("file", type=Path, metavar="FILE", help="the new file to write")
    letters = actions.add_parser(
        "dead-letters", help="list the updates that could not be handled, without what they say"
    )
    letters.add_argument(
        "--again", type=int, nargs="+", metavar="UPDATE", help="have the bot try these again when it starts next"
    )


def run(args: argparse.Namespace) -> int:
    """Do it and say so in one line. Raises StartError when the database cannot be used."""
    url = load_settings().database_url
    try:
        match args.action:
            case "upgrade":
                return asyncio.run(_upgrade(url))
            case "check":
                return asyncio.run(_check(url))
            case "backup":
                return asyncio.run(_backup(url, args.file))
            case _:
                return asyncio.run(_again(url, args.again) if args.again else _dead_letters(url))
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


async def _dead_letters(url: str) -> int:
    database = await Database.open(url, migrate=False)
    try:
        letters = await database.inbox.dead_letters()
    finally:
        await database.close()
    print("\n".join(map(line_about, letters)) or "There are no dead letters.")
    return 0


def line_about(letter: DeadLetter) -> str:
    """When, how often, what kind of error and where; its words are left out, since they may be a person's."""
    frames = _FRAME.findall(letter.error)
    place = " at {}:{} in {}".format(*frames[-1]) if frames else ""
    found = _KIND.match(letter.error.rstrip().rpartition("\n")[2])
    kind = found[0].rpartition(".")[2] if found else "unknown"
    # The attempt that brought it here is not in the count, unless the process was killed in it.
    tries = letter.attempts + (kind != KilledError.__name__)
    times = f"received {letter.received_at:%Y-%m-%d %H:%M}, given up {letter.finished_at:%Y-%m-%d %H:%M} UTC"
    return f"{letter.update_id}: {times}, tried {tries} times, {kind}{place}"


async def _again(url: str, update_ids: Sequence[int]) -> int:
    database = await Database.open(url, migrate=False)
    try:
        found = {update_id: await database.inbox.try_again(update_id) for update_id in dict.fromkeys(update_ids)}
    finally:
        await database.close()
    for update_id, known in found.items():
        print(f"{update_id} " + ("is handled when the bot starts next." if known else "is no dead letter."))
    return 0 if all(found.values()) else PROBLEMS_FOUND
