"""What texts say of the models, filled in from their cards: kinds, training, how often they err.

A text of the knowledge holds ``{kinds}`` or ``{learned.blood_smear}`` where it tells one of these; nobody types them.
"""

import re
from collections.abc import Iterable, Mapping

from babel.numbers import format_decimal

from bot.chat.direction import LEFT_TO_RIGHT
from bot.chat.texts import Texts
from inference import track_record
from inference.card import ModelCard
from inference.registry import Entry
from inference.track_record import Rate

_VALUE = re.compile(r"\{([a-z_]+(?:\.[a-z_0-9]+)?)\}")


def facts(texts: Texts, models: Mapping[str, Entry]) -> dict[str, str]:
    """Name of a value -> its words, for the organs that ``models`` read."""
    found = {"not_sure": texts.plain("brief.not_sure"), "not_sure_study": texts.plain("study.not_sure_why")}
    for organ, entry in models.items():
        found[f"kinds.{organ}"] = texts.either([_label(organ, name, texts) for name in _ill(entry.card)])
        found[f"learned.{organ}"] = learned_words(organ, entry.card, texts)
        found[f"record.{organ}"] = record_words(organ, entry.card, texts)
    kinds = (
        texts.plain("facts.kinds", organ=texts.organs[organ].name, names=found[f"kinds.{organ}"]) for organ in models
    )
    found["kinds"] = _sentence(texts.listed(list(kinds), "list.semicolon")) if models else ""
    found["records"] = records_words([found[f"record.{organ}"] for organ in models], texts)
    return found


def filled(text: str, texts: Texts) -> str:
    """A text of the knowledge with its values: ``{organs}`` is what one may send, the others are those of ``facts``."""
    known = {"organs": texts.pictures, **texts.facts}
    return _VALUE.sub(lambda match: known.get(match[1]) or texts.plain("facts.unknown"), text)


def record_words(organ: str, card: ModelCard, texts: Texts) -> str:
    """How often the model of an organ was right in tests, line by line; "" where nobody has measured."""
    ill, well = (track_record.verdict_rates(card, with_finding=it) for it in (True, False))
    if ill is None or well is None:
        return ""
    said = texts.plain(
        "facts.record",
        organ=texts.organs[organ].name,
        finding=texts.organs[organ].finding,
        found=span_words(ill.signs, texts),
        missed=span_words(ill.no_signs, texts),
        false=span_words(well.signs, texts),
        clear=span_words(well.no_signs, texts),
    )
    return _sentence(said)


def records_words(told: Iterable[str], texts: Texts) -> str:
    """What ``record_words`` tells of each organ, and once how to read it; "" where nobody has measured any."""
    known = "\n\n".join(filter(None, told))
    return f"{known}\n\n{texts.plain('facts.rest')}" if known else ""


def span_words(rate: Rate, texts: Texts) -> str:
    """A share of a hundred with its interval, such as "95 (93 to 97)"; none and all are said of nothing else."""
    number, low, high = (round(100 * share) for share in (rate.share, rate.low, rate.high))
    sign = LEFT_TO_RIGHT if texts.locale.text_direction == "rtl" else ""  # or the sign lands behind its number
    said = f"{sign}<1" if number == 0 < rate.share else f"{sign}>99" if number == 100 > 100 * rate.share else number
    return texts.plain("facts.span", number=said, low=low, high=high)


def learned_words(organ: str, card: ModelCard, texts: Texts) -> str:
    """Of how many pictures, and of which, the model of an organ learned."""
    taught = track_record.training_pictures(card)
    total, ill = (format_decimal(n, locale=texts.locale) for n in (taught.pictures, taught.with_finding))
    said = texts.plain("facts.learned", total=total, ill=ill, finding=texts.organs[organ].finding)
    if not taught.kinds:
        return said
    names = texts.organs[organ].kinds
    kinds = [
        texts.plain("facts.kind", kind=names.get(kind, kind.upper()), number=format_decimal(count, locale=texts.locale))
        for kind, count in taught.kinds.items()
    ]
    return texts.plain("facts.learned_kinds", learned=said, kinds=texts.listed(kinds))


def _sentence(words: str) -> str:
    """With a capital letter at its start, where the script has them: an organ's name may stand there."""
    return words[:1].upper() + words[1:]


def _ill(card: ModelCard) -> list[str]:
    return [c.name for c in card.classes if c.tumor and not c.unknown_kind]


def _label(organ: str, name: str, texts: Texts) -> str:
    classes = texts.organs[organ].classes
    return classes[name].words if name in classes else name.replace("_", " ")
