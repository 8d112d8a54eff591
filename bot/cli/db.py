"""``tumorscan db upgrade|check|backup|prune|copy|rekey|dead-letters``: look after the database."""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.delivery.error_class import KilledError
from bot.errors import StartError
from bot.settings import load_settings
from storage import Database, StorageError, backups
from storage.copying import copy_database
from storage.inbox import DeadLetter
from storage.vault import key_id

PROBLEMS_FOUND = 1
"""Exit status of ``check`` when something is wrong, and of ``--again`` for an update that is no dead letter."""
_PLAIN_NOW = "Nothing is encrypted any more: take DATA_KEY away before the bot starts."
_FRAME = re.compile(r'File ".*?([^/\\"]+[/\\][^/\\"]+)", line (\d+), in (\S+)')
_KIND = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("upgrade", help="create the database, or bring its schema up to date")
    actions.add_parser("check", help="look for damage; changes nothing")
    backup = actions.add_parser("backup", help="write a consistent copy, also while the bot runs (SQLite)")
    backup.add_argument("file", type=Path, metavar="FILE", help="the new file to write")
    prune = actions.add_parser("prune", help="delete the copies in a folder that are older than RETENTION_DAYS")
    prune.add_argument("folder", type=Path, metavar="FOLDER", help="where backup has written; other files stay")
    again = actions.add_parser("rekey", help="encrypt everything with the first key of DATA_KEY; may be interrupted")
    again.add_argument("--plain", action="store_true", help="decrypt everything instead, to do without a key")
    copy = actions.add_parser(
        "copy", help="copy one database into another, SQLite or PostgreSQL; goes on after an interruption"
    )
    copy.add_argument("source", metavar="FROM", help="a database address like DATABASE_URL")
    copy.add_argument("target", metavar="TO", help="the address of an empty database, or of a new file")
    letters = actions.add_parser(
        "dead-letters", help="list the updates that could not be handled, without what they say"
    )
    letters.add_argument(
        "--again", type=int, nargs="+", metavar="UPDATE", help="have the bot try these again when it starts next"
    )


def run(args: argparse.Namespace) -> int:
    """Do it and say so in one line. Raises StartError when the database cannot be used."""
    if args.action == "copy":
        return _copy(args.source, args.target)
    settings = load_settings()
    url, keys = settings.database_url, settings.data_keys
    try:
        match args.action:
            case "upgrade":
                return asyncio.run(_upgrade(url, keys))
            case "check":
                return asyncio.run(_check(url, keys))
            case "backup":
                return asyncio.run(_backup(url, args.file))
            case "prune":
                return _prune(args.folder, settings.retention_days)
            case "rekey":
                return asyncio.run(_rekey(url, keys, plain=args.plain))
            case _:
                return asyncio.run(_again(url, args.again) if args.again else _dead_letters(url, keys))
    except StorageError as error:
        raise StartError(str(error)) from error


async def _upgrade(url: str, keys: Sequence[bytes]) -> int:
    database = await Database.open(url, keys=keys)
    await database.close()
    print("The database is up to date.")
    return 0


async def _check(url: str, keys: Sequence[bytes]) -> int:
    database = await Database.open(url, migrate=False, keys=keys)
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


def _copy(source: str, target: str) -> int:
    try:
        copied = asyncio.run(copy_database(source, target, _show_progress, load_settings().data_keys))
    except StorageError as error:
        raise StartError(str(error).replace("DATABASE_URL", "FROM or TO")) from error
    for name, table in copied.items():
        print(f"{name}: {table.rows} rows, {table.written} written now, sha256 {table.sha256[:16]}")
    print("The copy is whole: counts and hashes of both are the same.")
    return 0


def _prune(folder: Path, days: float | None) -> int:
    if days is None:
        raise StartError("RETENTION_DAYS is not set: set it to the number of days for which scans and copies are kept")
    gone = backups.prune(folder, datetime.now(UTC) - timedelta(days=days))
    print("\n".join(f"{file} is deleted." for file in gone) or "No copy is too old.")
    return 0


async def _rekey(url: str, keys: Sequence[bytes], *, plain: bool) -> int:
    if not keys:
        raise StartError("DATA_KEY is not set: set it to the key to work with; 'tumorscan key' makes one")
    database = await Database.open(url, keys=keys)
    try:
        changed = await database.rekey(_show_progress, plain=plain)
    finally:
        await database.close()
    print(
        f"{changed} {'row was' if changed == 1 else 'rows were'} changed. "
        + (_PLAIN_NOW if plain else f"All is encrypted with key {key_id(keys[0])}.")
    )
    return 0


def _show_progress(table: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{table}: {done} of {total}" + ("\n" if done == total else ""))
    sys.stderr.flush()


async def _dead_letters(url: str, keys: Sequence[bytes]) -> int:
    database = await Database.open(url, migrate=False, keys=keys)
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
