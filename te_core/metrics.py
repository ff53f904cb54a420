"""What the engine counts and measures, for Prometheus: one closed catalogue, and the counters that fill as it runs.

What can be read off the engine's state is not counted: ``te_core.reporting.metrics`` reads it when it is asked for.
Labels are names of the settings and words of the engine's own, never anything that comes from outside, so the number
of series is bounded by the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# It makes a second series for each, of no use to anybody who scrapes.
disable_created_metrics()  # type: ignore[no-untyped-call]

ALERT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3)
"""Seconds; TradingView gives up after 3."""
ORDER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
SLIPPAGE_BUCKETS = (-0.01, -0.005, -0.002, -0.001, -0.0005, 0, 0.0005, 0.001, 0.002, 0.005, 0.01)
"""Shares of the price; above zero is worse than expected."""
MOST_KINDS = 100
"""Kinds of events that are counted apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric as it stands in the catalogue. ``name``: without the suffixes that Prometheus adds to histograms."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(default=(), repr=False)


COUNTED = (
    Metric(
        name="te_alerts_total",
        kind="counter",
        text="Alerts of webhooks by answer: accepted, refused, unavailable (the sender is told to come again)",
        labels=("source", "outcome"),
    ),
    Metric(
        name="te_alert_answer_seconds",
        kind="histogram",
        text="From the whole alert to its answer; the signal is durable by then",
        labels=("source",),
        buckets=ALERT_BUCKETS,
    ),
    Metric(
        name="te_signals_total",
        kind="counter",
        text="Signals of sources: accepted, superseded by a newer one, duplicate, failed (could not be kept)",
        labels=("source", "outcome"),
    ),
    Metric(
        name="te_alert_to_order_seconds",
        kind="histogram",
        text="From a signal's arrival to the first order that it led to, per account and symbol",
        labels=("account",),
        buckets=ORDER_BUCKETS,
    ),
    Metric(
        name="te_orders_total",
        kind="counter",
        text="Orders by outcome: filled, cancelled, rejected (by the exchange), refused (by a limit), unsent, lost",
        labels=("account", "outcome"),
    ),
    Metric(
        name="te_order_slippage",
        kind="histogram",
        text="Average price of filled orders against the price they were decided at, as a share; above 0 is worse",
        labels=("account",),
        buckets=SLIPPAGE_BUCKETS,
    ),
    Metric(
        name="te_signal_slippage",
        kind="histogram",
        text="Average price of a signal's orders against the price that it stated, as a share; above 0 is worse",
        labels=("account",),
        buckets=SLIPPAGE_BUCKETS,
    ),
    Metric(
        name="te_requests_total",
        kind="counter",
        text="Calls of an exchange plugin by kind (positions, place_order, …) and result (ok, or the kind of error)",
        labels=("account", "kind", "result"),
    ),
    Metric(
        name="te_request_seconds",
        kind="histogram",
        text="How long those calls took, waits for the exchange's budget included",
        labels=("account", "kind"),
        buckets=ORDER_BUCKETS,
    ),
    Metric(
        name="te_passes_total",
        kind="counter",
        text="Passes over an account: read, decide, begin",
        labels=("account",),
    ),
    Metric(
        name="te_events_total",
        kind="counter",
        text="Events by kind, as notifiers get them",
        labels=("kind",),
    ),
    Metric(
        name="te_event_loop_lag_seconds",
        kind="histogram",
        text="How late the event loop's heartbeat is, five times a second",
        buckets=LAG_BUCKETS,
    ),
)


class Metrics:
    """The counters of one engine. Everything here is synchronous and takes about a microsecond."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._kinds: set[str] = set()
        made: dict[str, Counter | Histogram] = {}
        for metric in COUNTED:
            if metric.kind == "counter":
                name = metric.name.removesuffix("_total")
                made[metric.name] = Counter(name, metric.text, metric.labels, registry=self.registry)
            else:
                made[metric.name] = Histogram(
                    metric.name, metric.text, metric.labels, buckets=metric.buckets, registry=self.registry
                )
        self._counters = {name: one for name, one in made.items() if isinstance(one, Counter)}
        self._histograms = {name: one for name, one in made.items() if isinstance(one, Histogram)}

    def alert(self, source: str, status: int, seconds: float) -> None:
        """Count the answer to an alert of a source of the settings. ``status``: HTTP's."""
        outcome = "accepted" if status < 400 else "refused" if status < 500 else "unavailable"
        self._count("te_alerts_total", source, outcome)
        self._histograms["te_alert_answer_seconds"].labels(source).observe(max(seconds, 0.0))

    def signal(self, source: str, outcome: str) -> None:
        """Count a signal."""
        self._count("te_signals_total", source, outcome)

    def ordered(self, account: str, seconds: float) -> None:
        """Note how long it took from a signal's arrival to its first order."""
        self._histograms["te_alert_to_order_seconds"].labels(account).observe(max(seconds, 0.0))

    def order(self, account: str, outcome: str) -> None:
        """Count an order's outcome."""
        self._count("te_orders_total", account, outcome)

    def slippage(self, account: str, *, expected: Decimal, got: Decimal, sign: int) -> None:
        """Note the price of a fill. ``sign``: 1 for what was bought, -1 for what was sold."""
        if expected > 0:
            share = float((got - expected) / expected) * sign
            self._histograms["te_order_slippage"].labels(account).observe(share)

    def signal_slippage(self, account: str, share: Decimal) -> None:
        """Note by what share an order's price was worse than its signal's."""
        self._histograms["te_signal_slippage"].labels(account).observe(float(share))

    def request(self, account: str, kind: str, result: str, seconds: float) -> None:
        """Count a call of an exchange plugin."""
        self._count("te_requests_total", account, kind, result)
        self._histograms["te_request_seconds"].labels(account, kind).observe(max(seconds, 0.0))

    def made_pass(self, account: str) -> None:
        """Count a pass over an account."""
        self._count("te_passes_total", account)

    def event(self, kind: str) -> None:
        """Count an event; plugins name kinds of their own, and whoever names too many gets ``other``."""
        if kind not in self._kinds:
            if len(self._kinds) >= MOST_KINDS:
                kind = "other"
            self._kinds.add(kind)
        self._count("te_events_total", kind)

    def lag(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._histograms["te_event_loop_lag_seconds"].observe(max(seconds, 0.0))

    def forget(self, label: str, name: str) -> None:
        """Drop the series of a source or an account that the settings no longer have."""
        for metric in COUNTED:
            if label in metric.labels:
                one = self._counters.get(metric.name) or self._histograms[metric.name]
                one.remove_by_labels({label: name})

    def _count(self, name: str, *labels: str) -> None:
        self._counters[name].labels(*labels).inc()
