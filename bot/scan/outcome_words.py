"""How the models do in this place, in plain words: one wording for /stats and the command line."""

from collections.abc import Iterable, Iterator

from bot.chat.statistics import DAYS
from bot.chat.texts import Texts
from bot.scan import wording
from bot.scan.outcomes import Compared, Drift, Performance
from inference.track_record import Rate


def outcome_lines(performances: Iterable[Performance], drifts: Iterable[Drift], texts: Texts) -> list[str]:
    """Plain text, a line each: what doctors found against what was told, and then what has moved."""
    known = tuple(performances)
    lines = [texts.plain("outcomes.title", count=sum(one.outcomes for one in known))] if known else []
    for one in known:
        lines += ["", *_performance(one, texts)]
    if moved := [drift_words(drift, texts) for drift in drifts]:
        lines += ["", texts.plain("outcomes.drift"), *moved]
    return lines or [texts.plain("outcomes.none")]


def _performance(one: Performance, texts: Texts) -> Iterator[str]:
    organ = wording.organ_words(one.organ, texts)
    yield texts.plain("outcomes.model", organ=organ, version=one.version, count=one.outcomes)
    figures = (
        ("outcomes.sensitivity", one.sensitivity),
        ("outcomes.specificity", one.specificity),
        ("outcomes.kind", one.kind),
    )
    for key, figure in figures:
        if figure.here is not None:
            said = texts.plain(key, hits=figure.hits, count=figure.of, here=_rate(figure.here, texts))
            yield said if key == "outcomes.kind" else f"{said} {_card(figure, texts)}"
    if one.something_else:
        hits = one.something_else_told_signs
        yield texts.plain("outcomes.something_else", count=one.something_else, hits=hits)


def _card(figure: Compared, texts: Texts) -> str:
    if figure.card is None:
        return texts.plain("outcomes.no_card")
    return texts.plain("outcomes.card", card=_rate(figure.card, texts))


def drift_words(drift: Drift, texts: Texts) -> str:
    """One sentence of plain text."""
    organ = wording.organ_words(drift.organ, texts) if drift.organ else ""
    values = {"here": _rate(drift.here, texts), "low": texts.percent(drift.low), "high": texts.percent(drift.high)}
    keys = {
        "not_sure": "outcomes.drift_not_sure",
        "certainty": "outcomes.drift_certainty",
        "refused": "outcomes.drift_refused",
    }
    return texts.plain(keys[drift.what], organ=organ, days=DAYS, **values)


def _rate(rate: Rate, texts: Texts) -> str:
    share, low, high = (texts.percent(value) for value in (rate.share, rate.low, rate.high))
    return texts.plain("outcomes.rate", share=share, low=low, high=high)
