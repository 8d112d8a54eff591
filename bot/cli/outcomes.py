"""``tumorscan outcomes [export DIR]``: what doctors found against what was told here, and pictures to train on."""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.chat.languages import open_models
from bot.chat.statistics import DAYS
from bot.cli.outcomes_export import export
from bot.errors import StartError
from bot.scan.outcome_words import outcome_lines
from bot.scan.outcomes import drifts, performances
from bot.settings import Settings, load_settings
from inference.card import GATE, load_card
from storage import Database, StorageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action; without one the figures are shown."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    exported = actions.add_parser(
        "export", help="write pictures and findings of those who agreed to that, for python -m inference.training"
    )
    exported.add_argument("folder", type=Path, metavar="DIR", help="the new folder to write")


def run(args: argparse.Namespace) -> int:
    """Do it. Raises StartError when the database or a model can't be used."""
    settings = load_settings()
    try:
        return asyncio.run(_export(settings, args.folder) if args.action == "export" else _show(settings))
    except StorageError as error:
        raise StartError(str(error)) from error


async def _show(settings: Settings) -> int:
    models, languages = open_models(settings.models_dir)
    database = await _open(settings)
    try:
        counts = await database.outcomes.counts()
        tallies = await database.statistics.tallies((datetime.now(UTC) - timedelta(days=DAYS - 1)).date())
    finally:
        await database.close()
    moved = drifts(tallies, models, load_card(settings.models_dir / GATE))
    print("\n".join(outcome_lines(performances(counts, models.values()), moved, languages.default.texts)))
    return 0


async def _export(settings: Settings, folder: Path) -> int:
    models, _ = open_models(settings.models_dir)
    database = await _open(settings)
    try:
        cards = {organ: entry.card for organ, entry in models.items()}
        lines = await export(database, cards, folder, settings.group_key)
    finally:
        await database.close()
    print("\n".join(lines))
    return 0


async def _open(settings: Settings) -> Database:
    return await Database.open(settings.database_url, migrate=False, keys=settings.data_keys)
