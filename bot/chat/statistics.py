"""What administrators are told of the bot: numbers in words, and the data of their chart."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from babel.dates import format_date

from bot.chat.texts import Texts
from inference.analysis import Verdict
from reports.data import ChartData, CountList, DayCounts
from storage.statistics import Overview, Tally

DAYS = 30
"""What the figures are of."""
VERDICTS = (Verdict.TUMOR_SIGNS, Verdict.NO_TUMOR_SIGNS, Verdict.NOT_SURE)
MOST_REASONS = 12
WEEK = 7


def overview_words(overview: Overview, texts: Texts) -> str:
    """Telegram HTML: people, scans, what waits, what failed."""
    lines = [
        texts("stats.people", count=overview.people, consented=overview.consented, blocked=overview.blocked_us),
        texts("stats.active", count=overview.active, days=DAYS),
        texts("stats.scans", count=overview.scans),
        texts("stats.waiting", count=overview.waiting, held=overview.awaiting_consent),
    ]
    if overview.oldest_waiting is not None:
        lines.append(texts("stats.oldest", when=overview.oldest_waiting))
    lines.append(texts("stats.failures", count=overview.dead_letters))
    if overview.busiest:
        most = ", ".join(f"{chat_id} ({scans})" for chat_id, scans in overview.busiest)
        lines.append(texts("stats.busiest", list=most))
    return "\n".join(lines)


def chart_data(tallies: Iterable[Tally], today: date, texts: Texts) -> ChartData:
    """Columns for the last ``DAYS`` days, then scans by organ and verdict, and refusals by reason."""
    known = tuple(tallies)
    names = tuple(texts.plain(f"stats.{verdict}") for verdict in VERDICTS)
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    return ChartData(
        title=texts.plain("stats.title", count=DAYS),
        legend=(*names, texts.plain("stats.refused")),
        days=tuple(_day(day, known, texts, (today - day).days) for day in days),
        lists=(
            *_by_verdict(known, texts),
            CountList(texts.plain("stats.by_reason"), _by_reason(known)),
        ),
        nothing=texts.plain("stats.nothing"),
    )


def _day(day: date, tallies: Iterable[Tally], texts: Texts, ago: int) -> DayCounts:
    of_day = [tally for tally in tallies if tally.day == day]
    counts = [sum(t.count for t in of_day if t.subject == "verdict" and t.name == verdict) for verdict in VERDICTS]
    counts.append(sum(t.count for t in of_day if t.subject != "verdict"))
    words = format_date(day, "d MMM", locale=texts.locale) if ago % WEEK == 0 else ""
    return DayCounts(words, tuple(counts))


def _by_verdict(tallies: Iterable[Tally], texts: Texts) -> tuple[CountList, ...]:
    """A list for each organ."""
    sums = Counter[tuple[str, str]]()
    for tally in tallies:
        if tally.subject == "verdict":
            sums[tally.organ, tally.name] += tally.count
    title = texts.plain("stats.by_verdict")
    return tuple(
        CountList(
            f"{title}: {_organ(organ, texts)}",
            tuple((texts.plain(f"stats.{verdict}"), sums[organ, verdict]) for verdict in VERDICTS),
        )
        for organ in sorted({organ for organ, _ in sums})
    )


def _organ(organ: str, texts: Texts) -> str:
    return texts.organs[organ].name if organ in texts.organs else organ.replace("_", " ")


def _by_reason(tallies: Iterable[Tally]) -> tuple[tuple[str, int], ...]:
    """The reasons by their short names: an operator finds these in the texts, the code and the log."""
    sums = Counter[str]()
    for tally in tallies:
        if tally.subject != "verdict":
            name = tally.name if tally.subject == "refusal" else f"{tally.subject}: {tally.name}"
            sums[name.replace("_", " ")] += tally.count
    return tuple(sums.most_common(MOST_REASONS))
