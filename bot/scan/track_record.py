"""What pictures with such a score showed in tests: from the card of the very model that read a scan."""

from collections.abc import Iterable

from inference.decision import scored_alike
from inference.registry import Entry
from storage.records import Scan


def observed_rate(scan: Scan, models: Iterable[Entry]) -> float | None:
    """The share of test pictures scored like this scan that showed a finding (0..1).

    None where the model that read it is not among ``models``, or where its card does not tell.
    """
    card = next((entry.card for entry in models if scan.model_sha256 in entry.card.sha256.values()), None)
    if card is None or set(card.class_names) != set(scan.probabilities):
        return None
    return scored_alike(scan.probabilities, card)
