"""The metrics of a bot with a status port, kept by the official Prometheus client."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.operations.metrics import Ending, Metrics, Phase, UpdateKind

PREFIX = "tumorscan"
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0, 120.0)
"""Upper ends of the histograms' buckets: from a commit to a worker that ran out of time twice."""
MOST_REASONS = 64
"""Different reasons that are told apart; they come from a fixed list, and this keeps it so."""


class PrometheusMetrics(Metrics):
    """Counts and times; each bot has its own, so that two in one process don't add up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.last_asked = self.last_answered = time.monotonic()
        self._updates = self._counter("updates", "Updates that were taken in", "kind")
        self._ended = self._counter("updates_ended", "Attempts to handle an update, by how they ended", "ending")
        self._handling = Histogram(
            f"{PREFIX}_update_seconds", "How long an update was handled", buckets=SECONDS, registry=self.registry
        )
        self._phases = Histogram(
            f"{PREFIX}_phase_seconds", "Phases of a scan", ["phase"], buckets=SECONDS, registry=self.registry
        )
        self._scans = self._counter("scans", "Scans that were read", "organ", "verdict")
        self._refusals = self._counter("refusals", "Pictures that were refused", "reason")
        self._repeats = self._counter("send_retries", "Requests to Telegram that were made again", "cause")
        self._reasons: set[str] = set()
        for kind in UpdateKind:
            self._updates.labels(kind)
        for ending in Ending:
            self._ended.labels(ending)
        for phase in Phase:
            self._phases.labels(phase)
        for cause in ("failure", "limit"):
            self._repeats.labels(cause)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", words, labels, registry=self.registry)

    def gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        """Have ``value`` asked for at each look."""
        Gauge(f"{PREFIX}_{name}", words, registry=self.registry).set_function(value)

    def update_came(self, kind: UpdateKind) -> None:
        """Count it by its kind."""
        self._updates.labels(kind).inc()

    def update_ended(self, ending: Ending, seconds: float) -> None:
        """Count it by its ending, and its time."""
        self._ended.labels(ending).inc()
        self._handling.observe(seconds)

    def scan_kept(self, organ: str, verdict: str) -> None:
        """Count it."""
        self._scans.labels(organ, verdict).inc()

    def refused(self, reason: str) -> None:
        """Count it; reasons beyond the bound share one name."""
        if len(self._reasons) < MOST_REASONS:
            self._reasons.add(reason)
        self._refusals.labels(reason if reason in self._reasons else "other").inc()

    def send_repeated(self, cause: str) -> None:
        """Count it."""
        self._repeats.labels(cause).inc()

    def fetched(self, *, answered: bool) -> None:
        """Note when."""
        self.last_asked = time.monotonic()
        if answered:
            self.last_answered = self.last_asked

    def phase_took(self, phase: Phase, seconds: float) -> None:
        """Note how long."""
        self._phases.labels(phase).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus's own format."""
        return generate_latest(self.registry)

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of this name, by the values of their labels in the order of the labels' names."""
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for sample in samples
            if sample.name == f"{PREFIX}_{name}"
        }
