"""The page at / of the status port: health and metrics drawn as SVG, for people who run no Grafana."""

import html
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from bot.operations.health import Sample, Watch
from bot.operations.metrics import Phase
from bot.operations.prometheus import SECONDS, PrometheusMetrics

REFRESH = 10
"""Seconds until a browser asks anew."""
_STARTED = time.monotonic()
_STYLE = """
:root{--paper:#f6f7f9;--card:#fff;--ink:#1b2733;--soft:#5c6b7a;--line:#dde3ea;--bar:#2f6fb2;--mark:#8fb8e0;
--good:#1f7a4d;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--paper:#12181f;--card:#1b232c;--ink:#e8edf2;--soft:#9aa8b6;--line:#2c3742;
--bar:#6aa5e0;--mark:#2f5f92;--good:#5cc995;--bad:#ff8a80}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px}h1{font-size:22px;margin:0}h2{font-size:15px;margin:0 0 12px}
p{color:var(--soft);margin:4px 0 20px}.row{display:grid;gap:12px;margin-bottom:12px}
.lamps{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}.tiles{grid-template-columns:repeat(auto-fit,minmax(120px,1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.lamp{display:flex;gap:10px;align-items:center}.lamp svg{flex:none}.tile b{display:block;font-size:24px;font-weight:600}
.tile,.none{color:var(--soft)}.tile b{color:var(--ink)}svg{display:block;max-width:100%;height:auto}
svg text{fill:var(--soft);font:13px system-ui,sans-serif}svg .value{fill:var(--ink)}
"""


def page(watch: Watch, metrics: PrometheusMetrics) -> str:
    """The whole page, in one file that asks for nothing else."""
    health = watch.health()
    lamps = {"Fetching": health.fetching, "Database": health.database, "Workers": health.workers, "Ready": health.ready}
    tiles = {
        "updates taken in": f"{sum(metrics.values('updates_total').values()):.0f}",
        "waiting now": f"{health.waiting}",
        "age of the oldest": _span(health.oldest),
        "scans read": f"{sum(metrics.values('scans_total').values()):.0f}",
        "pictures refused": f"{sum(metrics.values('refusals_total').values()):.0f}",
        "sent once more": f"{sum(metrics.values('send_retries_total').values()):.0f}",
        "workers replaced": f"{metrics.values('worker_restarts').get((), 0):.0f}",
    }
    scans = {f"{organ}: {verdict}": value for (organ, verdict), value in metrics.values("scans_total").items()}
    refusals = {reason: value for (reason,), value in metrics.values("refusals_total").items()}
    charts = (
        _card("Updates that wait, last half hour", _course([sample.backlog.updates for sample in watch.samples])),
        _card("Updates a minute, last half hour", _course(_per_minute(watch.samples))),
        _card("Scans", _bars(scans)),
        _card("Refusals", _bars(refusals)),
        _card("Phases of a scan: half of them, and 95 of 100, took at most (seconds)", _phases(metrics)),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH}">'
        f'<meta name="viewport" content="width=device-width"><title>TumorScan Bot</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>TumorScan Bot</h1><p>{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, running for "
        f"{_span(time.monotonic() - _STARTED)}. Metrics count from the start of the program and tell of nobody.</p>"
        f'<div class="row lamps">{"".join(_lamp(name, on) for name, on in lamps.items())}</div>'
        f'<div class="row tiles">{"".join(_tile(*pair) for pair in tiles.items())}</div>'
        f'<div class="row charts">{"".join(charts)}</div></main></body></html>'
    )


def quantile(share: float, upper: Sequence[float], counts: Sequence[float]) -> float:
    """The value below which ``share`` of a histogram lies; ``counts`` are of each bucket, the last one without end.

    Between a bucket's ends it is taken to be even; what lies beyond the last end is told as that end.
    """
    wanted, below, lower = share * sum(counts), 0.0, 0.0
    for end, count in zip(upper, counts, strict=False):
        if count and below + count >= wanted:
            return lower + (end - lower) * (wanted - below) / count
        below, lower = below + count, end
    return lower


def _lamp(name: str, on: bool) -> str:
    colour, word = ("--good", "works") if on else ("--bad", "does not work")
    if name == "Ready":
        word = "yes" if on else "no"
    # The state is told by a word and a shape too: not everybody tells green from red.
    shape = '<circle cx="9" cy="9" r="8" ' if on else '<path d="M9 1 18 17H0Z" '
    return (
        f'<div class="card lamp"><svg width="18" height="18" aria-hidden="true">{shape}style="fill:var({colour})"/>'
        f"</svg><span><b>{name}</b><br>{word}</span></div>"
    )


def _tile(words: str, value: str) -> str:
    return f'<div class="card tile"><b>{html.escape(value)}</b>{html.escape(words)}</div>'


def _card(title: str, drawn: str) -> str:
    return f'<section class="card"><h2>{html.escape(title)}</h2>{drawn}</section>'


def _nothing() -> str:
    return '<span class="none">Nothing yet.</span>'


def _course(values: Sequence[float]) -> str:
    """A line through the values, oldest first, with the highest one written beside it."""
    if len(values) < 2:
        return _nothing()
    width, height, top = 420, 110, max(max(values), 1.0)
    points = [
        (40 + (width - 50) * number / (len(values) - 1), height - 18 - (height - 34) * value / top)
        for number, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    floor = height - 18
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="from {values[0]:.0f} to {values[-1]:.0f}, '
        f'at most {max(values):.0f}">'
        f'<path d="M40 {floor}H{width - 10}" style="stroke:var(--line)"/><text x="34" y="{floor + 4}" '
        f'text-anchor="end">0</text><text x="34" y="20" text-anchor="end">{top:.0f}</text>'
        f'<polyline points="{line}" style="fill:none;stroke:var(--bar);stroke-width:2"/></svg>'
    )


def _bars(values: Mapping[str, float], unit: str = "") -> str:
    return _double_bars([(name, value, value, f"{value:.0f}{unit}") for name, value in _largest(values)])


def _largest(values: Mapping[str, float], most: int = 10) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda pair: -pair[1])[:most]


def _double_bars(rows: Iterable[tuple[str, float, float, str]]) -> str:
    """One bar a row, the longer value lighter behind the shorter one, and the words for both at its end."""
    rows = list(rows)
    longest = max((long for _, _, long, _ in rows), default=0.0)
    if not longest:
        return _nothing()
    width, step = 420, 26
    drawn = []
    for number, (name, short, long, words) in enumerate(rows):
        y = number * step
        room = 128.0
        drawn.append(
            f'<text x="196" y="{y + 17}" text-anchor="end">{html.escape(name.replace("_", " "))}</text>'
            f'<rect x="204" y="{y + 5}" height="16" rx="3" width="{max(1.0, room * long / longest):.1f}" '
            f'style="fill:var(--mark)"/>'
            f'<rect x="204" y="{y + 5}" height="16" rx="3" width="{max(1.0, room * short / longest):.1f}" '
            f'style="fill:var(--bar)"/>'
            f'<text class="value" x="{210 + room * long / longest:.1f}" y="{y + 17}">{html.escape(words)}</text>'
        )
    return f'<svg viewBox="0 0 {width} {len(rows) * step + 4}" role="img">{"".join(drawn)}</svg>'


def _phases(metrics: PrometheusMetrics) -> str:
    counted = metrics.values("phase_seconds_bucket")
    rows = []
    for phase in Phase:
        # Labels by name: le comes before phase. Buckets add up in Prometheus; here each for itself.
        sums = [counted.get((_end(end), phase.value), 0.0) for end in (*SECONDS, float("inf"))]
        each = [after - before for before, after in zip([0.0, *sums[:-1]], sums, strict=True)]
        if sums[-1]:
            half, most = quantile(0.5, SECONDS, each), quantile(0.95, SECONDS, each)
            rows.append((phase.value, half, most, f"{half:.2f}, {most:.2f}"))
    return _double_bars(rows)


def _end(seconds: float) -> str:
    return "+Inf" if seconds == float("inf") else str(float(seconds))


def _per_minute(samples: Sequence[Sample]) -> list[float]:
    pairs = zip(list(samples)[:-1], list(samples)[1:], strict=True)
    return [
        60 * max(0.0, after.updates - before.updates) / max(1e-3, (after.at - before.at).total_seconds())
        for before, after in pairs
    ]


def _span(seconds: float) -> str:
    """In the largest unit that says something."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
