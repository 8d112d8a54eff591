"""Says in the log, once a day, what has moved away from the models' cards."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from bot.chat.context import Services
from bot.chat.statistics import DAYS
from bot.scan.outcome_words import drift_words
from bot.scan.outcomes import drifts
from inference.card import GATE, load_card
from storage.errors import StorageDownError

EVERY = timedelta(days=1)
_log = logging.getLogger(__name__)


async def watch_drift(services: Services) -> None:
    """Look now and every day, until cancelled; a database that fails is looked at again the next day."""
    gate = await asyncio.to_thread(load_card, services.settings.models_dir / GATE)
    texts = services.languages.default.texts
    while True:
        since = (datetime.now(UTC) - timedelta(days=DAYS - 1)).date()
        try:
            tallies = await services.database.statistics.tallies(since)
        except StorageDownError as error:
            services.storage.failed(error)
        else:
            for drift in drifts(tallies, services.models, gate):
                _log.warning("drift: %s (tumorscan outcomes shows more)", drift_words(drift, texts))
        await asyncio.sleep(EVERY.total_seconds())
