"""What pictures with such a score showed in tests: from the card of the very model that read a scan."""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bot.settings import load_settings
from inference.card import ModelCard, ModelError, load_card
from inference.decision import scored_alike
from inference.registry import folders
from storage.records import Scan

log = logging.getLogger(__name__)


def observed_rate(scan: Scan) -> float | None:
    """The share of test pictures scored like this scan that showed a finding (0..1).

    None where the model that read it is no longer here, or where its card does not tell.
    """
    card = cards(load_models_dir()).get(scan.model_sha256)
    if card is None or set(card.class_names) != set(scan.probabilities):
        return None
    return scored_alike(scan.probabilities, card)


@cache
def load_models_dir() -> Path:
    """Where the models of this installation are; asked once."""
    return load_settings().models_dir


@cache
def cards(models_dir: Path) -> Mapping[str, ModelCard]:
    """SHA-256 (hex) of every weight file in ``models_dir`` -> the card of its model; read once."""
    found: dict[str, ModelCard] = {}
    for folder in folders(models_dir):
        try:
            card = load_card(folder)
        except ModelError as error:  # said when the bot starts; a scan read before is still told, without its record
            log.warning("no record of a model: %s", error)
            continue
        found |= dict.fromkeys(card.sha256.values(), card)
    return found
