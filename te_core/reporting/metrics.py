"""Metrics that are computed from the engine's state when Prometheus scrapes it; they cost nothing otherwise."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import cast

from prometheus_client import Metric as MetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from te_core import __version__
from te_core.accounts.keeper import Keeper
from te_core.metrics import COUNTED, Metric
from te_core.model.reading import Unknown
from te_core.reporting.account_view import account_view, symbol_view
from te_core.reporting.command_view import standing_commands
from te_core.reporting.readiness import readiness, source_unready
from te_core.reporting.symbol_view import SymbolView, shown_status
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name=name, kind="gauge", text=text, labels=labels)


READ_OFF = (
    _gauge("te_info", "1; the version is a label", "version"),
    _gauge("te_started_at_seconds", "When the engine started, Unix time"),
    _gauge("te_ready", "1 while everything that must work works, as /readyz reports"),
    _gauge("te_source_ready", "1 while a source works, or is switched off", "source"),
    _gauge(
        "te_signal_age_seconds",
        "Seconds since the newest signal of a source on a symbol was received",
        "source",
        "symbol",
    ),
    _gauge("te_signal_depth", "Depth of that signal (target exposure), -1 … 1", "source", "symbol"),
    _gauge("te_account_ready", "1 while an account works, or is switched off", "account"),
    _gauge("te_account_read_age_seconds", "Seconds since an account's positions were last read", "account"),
    _gauge(
        "te_account_equity",
        "Equity by which positions are sized, quote currency; absent while unknown",
        "account",
    ),
    _gauge(
        "te_account_wallet",
        "Balance without unrealised profit, quote currency; absent while unknown",
        "account",
    ),
    _gauge(
        "te_account_total", "Balance with unrealised profit, quote currency; absent while unknown", "account"
    ),
    _gauge("te_account_exposure", "Absolute notional that counts towards limits, quote currency", "account"),
    _gauge("te_target_depth", "Target exposure of an account on a symbol, -1 … 1", "account", "symbol"),
    _gauge("te_goal", "Quantity that the target means, base units, signed", "account", "symbol"),
    _gauge("te_position", "Held quantity, base units, signed; absent while unknown", "account", "symbol"),
    _gauge(
        "te_difference",
        "Goal minus position, base units; absent while either is unknown",
        "account",
        "symbol",
    ),
    _gauge(
        "te_symbol_status", "1; the status, as te status shows it, is a label", "account", "symbol", "status"
    ),
    _gauge(
        "te_symbol_held_seconds",
        "Seconds for which a symbol has been held back; absent otherwise",
        "account",
        "symbol",
    ),
    _gauge(
        "te_halted",
        "1 while a symbol may only be reduced, by command or breaker",
        "account",
        "symbol",
    ),
    _gauge(
        "te_standing_commands",
        "Standing commands of operators and breakers; scope: an account or source, empty for all, else other",
        "topic",
        "state",
        "scope",
    ),
    _gauge(
        "te_breaker_used",
        "Usage of a breaker on sums: it trips at 1; account: empty for those over all accounts",
        "account",
        "breaker",
    ),
    _gauge(
        "te_breaker_tripped",
        "1 from when a breaker trips until it is lifted; account: empty for those over all accounts",
        "account",
        "breaker",
        "action",
    ),
    _gauge(
        "te_request_budget_left",
        "Remaining share of a request limit, as counted by the exchange plugin; 0 while the exchange is rate limiting",
        "account",
        "limit",
    ),
    _gauge("te_notices_waiting", "Notices queued for a notifier", "notifier"),
    _gauge("te_notices_dropped", "Notices that were dropped for a notifier", "notifier"),
    _gauge("te_journal_writable", "1 while the journal can be written"),
    _gauge("te_journal_bytes", "Size of the journal's files"),
)
CATALOGUE = tuple(sorted((*COUNTED, *READ_OFF), key=lambda metric: metric.name))
"""Every metric; docs/metrics.md lists them."""


Sample = tuple[str, tuple[str, ...], float]
"""A metric's name, the values of its labels, and its value."""


class _Families:
    """The collector that an encoder expects, over given families."""

    def __init__(self, families: Iterable[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[MetricFamily]:
        yield from self._families


async def exposition(engine: Engine, accept: str) -> tuple[bytes, str]:
    """Return every metric in the requested format (``accept``: the HTTP header), and the content type.

    Accounts are processed in separate turns, and the text is encoded in a thread, so that no alert waits for a scrape.
    """
    found = {m.name: GaugeMetricFamily(m.name, m.text, labels=m.labels) for m in READ_OFF}

    def add(samples: Iterable[Sample]) -> None:
        for name, labels, value in samples:
            found[name].add_metric(labels, float(value))

    add(_of_the_engine(engine))
    add(_of_sources(engine))
    add(_of_commands(engine))
    add(_of_breakers(engine))
    for name, runner in list(engine.accounts.items()):
        add(_of_an_account(name, runner, engine.clock.monotonic()))
        await asyncio.sleep(0)
    encode, content_type = choose_encoder(accept)
    whole = cast("Collector", _Families([*engine.metrics.registry.collect(), *found.values()]))
    return await asyncio.to_thread(encode, whole), content_type


def _of_the_engine(engine: Engine) -> Iterator[Sample]:
    yield "te_info", (__version__,), 1
    yield "te_started_at_seconds", (), engine.started_at.timestamp()
    yield "te_ready", (), readiness(engine)["ready"]
    yield "te_journal_writable", (), not engine.journal_problem()
    yield "te_journal_bytes", (), engine.journal_size()
    for name, notifier in engine.notifiers.runners.items():
        yield "te_notices_waiting", (name,), notifier.waiting
        yield "te_notices_dropped", (name,), notifier.dropped


def _of_sources(engine: Engine) -> Iterator[Sample]:
    now = engine.netting.time.now()
    for name, runner in engine.sources.items():
        yield "te_source_ready", (name,), not source_unready(runner)
        for symbol, signal in engine.netting.intake.by_source(name).items():
            yield "te_signal_age_seconds", (name, symbol), (now - signal.received_at).total_seconds()
            yield "te_signal_depth", (name, symbol), float(signal.depth)


def _of_commands(engine: Engine) -> Iterator[Sample]:
    rows = standing_commands(engine.commands.controls, engine.commands.scopes())
    names = {"", *engine.accounts, *engine.sources}
    counts = Counter(
        (row["topic"], row["state"], row["scope"] if row["scope"] in names else "other") for row in rows
    )
    for labels, number in counts.items():
        yield "te_standing_commands", labels, number


def _of_breakers(engine: Engine) -> Iterator[Sample]:
    used: dict[tuple[str, str], float] = {}
    tripped: dict[tuple[str, str, str], bool] = {}
    for one in engine.breakers.shown():
        if one.trip is not None:
            tripped[one.account, one.trip.name, one.trip.action] = True
        elif one.level is not None:
            key = (one.account, one.level.name)
            used[key] = max(used.get(key, 0.0), float(one.level.used))
            tripped.setdefault((*key, one.level.action), False)
    for key, share in used.items():
        yield "te_breaker_used", key, share
    for labels, whether in tripped.items():
        yield "te_breaker_tripped", labels, whether


def _of_an_account(name: str, runner: AccountRunner, now: float) -> Iterator[Sample]:
    worker, view = runner.worker, account_view(runner, now)
    yield "te_account_ready", (name,), not view.unready
    if view.read_age is not None:
        yield "te_account_read_age_seconds", (name,), view.read_age
    equity = worker.beliefs.equity()
    if not isinstance(equity, Unknown):
        yield "te_account_equity", (name,), float(worker.settings.policy.value_of(equity))
        yield "te_account_wallet", (name,), float(equity.wallet)
        yield "te_account_total", (name,), float(equity.total)
    yield "te_account_exposure", (name,), float(worker.exposure)
    if runner.account is not None:
        for limit, left in runner.account.request_budgets().items():
            yield "te_request_budget_left", (name, limit), left
    for symbol, keeper in worker.keepers.items():
        if keeper.target is not None:
            yield from _of_a_symbol((name, symbol), keeper, symbol_view(keeper, worker, view, now))


def _of_a_symbol(key: tuple[str, str], keeper: Keeper, seen: SymbolView) -> Iterator[Sample]:
    yield "te_target_depth", key, float(seen.depth)
    yield "te_symbol_status", (*key, shown_status(seen)), 1
    yield "te_halted", key, bool(seen.halt)
    if seen.phase == "held":
        yield "te_symbol_held_seconds", key, seen.phase_age
    if seen.quantity is not None:
        yield "te_goal", key, float(seen.quantity)
    held = keeper.known_position()
    if seen.unreadable or isinstance(held, Unknown):
        return
    yield "te_position", key, float(held.quantity)
    if seen.quantity is not None:
        yield "te_difference", key, float(seen.quantity - held.quantity)
