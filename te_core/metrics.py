"""What the engine counts and measures for Prometheus: one closed catalogue, and the counters that fill as it runs.

Values that can be derived from the engine's state are not counted: ``te_core.reporting.metrics`` reads them at each
scrape. Labels are names from the settings and fixed words of the engine, never external input, so the number
of series is bounded by the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# `_created` doubles the number of series and is of no use to a scraper.
disable_created_metrics()  # type: ignore[no-untyped-call]

ALERT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3)
"""Seconds; TradingView gives up after 3."""
ORDER_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
SLIPPAGE_BUCKETS = (-0.01, -0.005, -0.002, -0.001, -0.0005, 0, 0.0005, 0.001, 0.002, 0.005, 0.01)
"""Fractions of the price; above zero is worse than expected."""
MOST_KINDS = 100
"""Maximum number of event kinds that are counted separately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of the catalogue."""

    name: str
    """Without the suffixes that Prometheus adds to histograms."""
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(default=(), repr=False)


COUNTED = (
    Metric(
        name="te_alerts_total",
        kind="counter",
        text="Webhook alerts by response: accepted, refused, unavailable (the sender is asked to retry)",
        labels=("source", "outcome"),
    ),
    Metric(
        name="te_alert_answer_seconds",
        kind="histogram",
        text="From receiving the whole alert to responding; the signal is durable by then",
        labels=("source",),
        buckets=ALERT_BUCKETS,
    ),
    Metric(
        name="te_signals_total",
        kind="counter",
        text="Signals of sources: accepted, superseded by a newer one, duplicate, failed (could not be persisted)",
        labels=("source", "outcome"),
    ),
    Metric(
        name="te_alert_to_order_seconds",
        kind="histogram",
        text="From a signal's arrival to the first order that it caused, per account and symbol",
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
        text="Average fill price relative to the price the order was decided at, as a fraction; above 0 is worse",
        labels=("account",),
        buckets=SLIPPAGE_BUCKETS,
    ),
    Metric(
        name="te_signal_slippage",
        kind="histogram",
        text="Average fill price of a signal's orders relative to the signal's price, as a fraction; above 0 is worse",
        labels=("account",),
        buckets=SLIPPAGE_BUCKETS,
    ),
    Metric(
        name="te_requests_total",
        kind="counter",
        text="Calls to an exchange plugin by kind (positions, place_order, …) and result (ok, or the kind of error)",
        labels=("account", "kind", "result"),
    ),
    Metric(
        name="te_request_seconds",
        kind="histogram",
        text="Duration of those calls, including waits for the exchange's request budget",
        labels=("account", "kind"),
        buckets=ORDER_BUCKETS,
    ),
    Metric(
        name="te_passes_total",
        kind="counter",
        text="Passes over an account: read, decide, start orders",
        labels=("account",),
    ),
    Metric(
        name="te_events_total",
        kind="counter",
        text="Events by kind, as sent to notifiers",
        labels=("kind",),
    ),
    Metric(
        name="te_event_loop_lag_seconds",
        kind="histogram",
        text="Delay of the event loop's heartbeat, sampled five times a second",
        buckets=LAG_BUCKETS,
    ),
)


class Metrics:
    """The counters of one engine. Every method is synchronous and takes about a microsecond."""

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
        self._counting: dict[tuple[str, ...], Counter] = {}
        """Series by metric and labels; ``labels()`` takes ten times as long to find one."""
        self._observing: dict[tuple[str, ...], Histogram] = {}

    def alert(self, source: str, status: int, seconds: float) -> None:
        """Count the response to an alert. ``source`` must be in the settings; ``status`` is the HTTP status."""
        outcome = "accepted" if status < 400 else "refused" if status < 500 else "unavailable"
        self._count("te_alerts_total", source, outcome)
        self._observe(max(seconds, 0.0), "te_alert_answer_seconds", source)

    def signal(self, source: str, outcome: str) -> None:
        """Count a signal."""
        self._count("te_signals_total", source, outcome)

    def ordered(self, account: str, seconds: float) -> None:
        """Record the seconds from a signal's arrival to its first order."""
        self._observe(max(seconds, 0.0), "te_alert_to_order_seconds", account)

    def order(self, account: str, outcome: str) -> None:
        """Count an order's outcome."""
        self._count("te_orders_total", account, outcome)

    def slippage(self, account: str, *, expected: Decimal, got: Decimal, sign: int) -> None:
        """Record the price of a fill. ``sign``: 1 for a buy, -1 for a sell."""
        if expected > 0:
            share = float((got - expected) / expected) * sign
            self._observe(share, "te_order_slippage", account)

    def signal_slippage(self, account: str, share: Decimal) -> None:
        """Record by what fraction an order's price was worse than its signal's."""
        self._observe(float(share), "te_signal_slippage", account)

    def request(self, account: str, kind: str, result: str, seconds: float) -> None:
        """Count a call to an exchange plugin, and record how long it took."""
        self._count("te_requests_total", account, kind, result)
        self._observe(max(seconds, 0.0), "te_request_seconds", account, kind)

    def made_pass(self, account: str) -> None:
        """Count a pass over an account."""
        self._count("te_passes_total", account)

    def event(self, kind: str) -> None:
        """Count an event; plugins define their own kinds, so kinds beyond ``MOST_KINDS`` count as ``other``."""
        if kind not in self._kinds:
            if len(self._kinds) >= MOST_KINDS:
                kind = "other"
            self._kinds.add(kind)
        self._count("te_events_total", kind)

    def lag(self, seconds: float) -> None:
        """Record the seconds by which the event loop was late."""
        self._histograms["te_event_loop_lag_seconds"].observe(max(seconds, 0.0))

    def forget(self, label: str, name: str) -> None:
        """Drop the series of a source or an account that is no longer in the settings."""
        for metric in COUNTED:
            if label in metric.labels:
                one = self._counters.get(metric.name) or self._histograms[metric.name]
                one.remove_by_labels({label: name})
        self._counting.clear()
        self._observing.clear()

    def _count(self, *series: str) -> None:
        counter = self._counting.get(series)
        if counter is None:
            name, *labels = series
            counter = self._counting[series] = self._counters[name].labels(*labels)
        counter.inc()

    def _observe(self, value: float, *series: str) -> None:
        histogram = self._observing.get(series)
        if histogram is None:
            name, *labels = series
            histogram = self._observing[series] = self._histograms[name].labels(*labels)
        histogram.observe(value)
