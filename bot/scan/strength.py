"""How good a model is, as a doctor asks: sensitivity and specificity with their intervals, and what it learned from."""

from collections.abc import Iterable

from bot.chat.facts import learned_words
from bot.chat.texts import Texts
from bot.scan.track_record import card_of
from inference import track_record
from inference.registry import Entry
from inference.track_record import Rate
from storage.records import Scan


def strength_words(scan: Scan, texts: Texts, models: Iterable[Entry]) -> tuple[str, ...]:
    """A sentence or two for each figure on the card of the very model that read the scan.

    One that says so where the card is not among ``models`` any more; what nobody measured is left out.
    """
    card = card_of(scan, models)
    if card is None or scan.organ not in texts.organs:
        return (texts.plain("strength.unknown"),)
    finding = texts.organs[scan.organ].finding
    ill, well = (track_record.verdict_rates(card, with_finding=it) for it in (True, False))
    lines = []
    if ill:
        said = {"here": _rate(ill.signs, texts), "count": ill.pictures, "wrong": texts.percent(ill.no_signs.share)}
        lines.append(texts.plain("strength.sensitivity", finding=finding, **said))
    if well:
        said = {"here": _rate(well.no_signs, texts), "count": well.pictures, "wrong": texts.percent(well.signs.share)}
        lines.append(texts.plain("strength.specificity", **said))
    if lines:
        lines.append(texts.plain("strength.elsewhere"))
    return (*lines, texts.plain("strength.learned", learned=learned_words(scan.organ, card, texts)))


def _rate(rate: Rate, texts: Texts) -> str:
    share, low, high = (texts.percent(value) for value in (rate.share, rate.low, rate.high))
    return texts.plain("outcomes.rate", share=share, low=low, high=high)
