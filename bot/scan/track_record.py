"""What pictures with such a score showed in tests: from the card of the very model that read a scan."""

from collections.abc import Iterable

from inference.card import ModelCard
from inference.registry import Entry
from inference.track_record import Rate, scored_alike
from storage.records import Scan


def card_of(scan: Scan, models: Iterable[Entry]) -> ModelCard | None:
    """The card of the model that read a scan; None where it is not among ``models`` any more."""
    card = next((entry.card for entry in models if scan.model_sha256 in entry.card.sha256.values()), None)
    return card if card and set(card.class_names) == set(scan.probabilities) else None


def observed_rate(scan: Scan, models: Iterable[Entry]) -> Rate | None:
    """The share of test pictures scored like this scan that showed a finding, at an even base.

    None where the model that read it is not among ``models``, or where its card does not tell.
    """
    card = card_of(scan, models)
    return scored_alike(scan.probabilities, card) if card else None
