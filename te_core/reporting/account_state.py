"""One account as JSON values: what is known about it and how old that is, what it holds, and what fails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from te_core.accounts.worker import AccountWorker
from te_core.model.money import EquitySample
from te_core.model.reading import Unknown
from te_core.reporting.account_view import READS, AccountView, account_view, plain_or_empty, symbol_view
from te_core.reporting.explain import text
from te_core.reporting.symbol_view import before, symbol_json
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner
from te_core.runtime.supervisor import Running
from te_core.settings.schema import Settings

_TITLE = re.compile(r"[A-Z][A-Za-z0-9.]{1,20}: ")
"""The exchange's name with which plugins start its messages; the account's own name already identifies it."""
_RAW = re.compile(r" [(\[].*$", re.S)
OLDER = "read before its newest order"
"""Why the free funds, and so the margin, are unknown although the equity is known."""


def account_state(engine: Engine, settings: Settings, name: str, runner: AccountRunner) -> dict[str, Any]:
    """Return an account. Every age is in seconds; unknown values are None, and ``read`` has the reason."""
    section, worker = settings.accounts[name], runner.worker
    steady, now = engine.clock.monotonic(), engine.clock.now()
    view = account_view(runner, steady)
    return {
        "plugin": section.plugin,
        "enabled": worker.settings.enabled,
        "shadow_of": section.shadow_of,
        "observing": worker.observing,
        **_money_of(engine, section.plugin, runner),
        "drift": worker.settings.policy.drift,
        "status": view.status,
        "reason": view.reason,
        "unready": view.unready,
        "trouble": _failure(runner, view, now),
        "retry_at": text(runner.health.retry_at),
        "key_expires_at": text(runner.key.expires_at),
        "read_age": _rounded(view.read_age),
        "fresh_for": view.fresh_for,
        "read": _reads(worker, view, steady, now),
        "equity": _equity(worker),
        "last_seen": last_seen(worker.books.last_seen),
        "prices": {symbol: text(seen.value) for symbol, seen in worker.beliefs.prices_seen.items()},
        "positions": _positions(worker, steady),
        "targets": {
            symbol: symbol_json(symbol_view(keeper, worker, view, steady), now)
            for symbol, keeper in worker.keepers.items()
            if keeper.target
        },
        "rejected_24h": engine.refusals.orders_of(worker.book),
        "still_open": list(worker.still_open),
        "foreign": {symbol: text(quantity) for symbol, quantity in worker.foreign.items()},
    }


def _money_of(engine: Engine, plugin: str, runner: AccountRunner) -> dict[str, Any]:
    """Return whether it is paper money, and its currency; None while that is unknown."""
    spec = engine.registry.exchanges.get(plugin)
    if runner.paper is None and spec is not None:  # it is switched off
        return {"paper": spec.capabilities.simulated, "currency": runner.currency}
    return {"paper": runner.paper, "currency": runner.currency}


def _equity(worker: AccountWorker) -> str | None:
    equity = worker.beliefs.equity()
    if isinstance(equity, Unknown):
        return None
    return text(worker.settings.policy.value_of(equity))


def last_seen(sample: EquitySample | None) -> dict[str, Any] | None:
    """Return the last equity sample of an account, possibly of an earlier run."""
    if sample is None:
        return None
    figures = ("at", "wallet", "total", "free", "unrealised", "gross", "net")
    return {name: text(getattr(sample, name)) for name in figures}


def _reads(worker: AccountWorker, view: AccountView, steady: float, now: datetime) -> dict[str, Any]:
    """Return the age of the newest answer of each kind, and in ``unknown`` why it is no longer valid."""
    beliefs, failing = worker.beliefs, worker.failing_reads
    equity, believed = beliefs.equity_seen, beliefs.equity()
    figures: dict[str, str | None] = dict.fromkeys(("wallet", "total", "free"))
    if equity is not None:
        figures = {name: text(getattr(equity.value, name)) for name in figures}
    newest = max((seen.asked_at for seen in beliefs.prices_seen.values()), default=None)
    unknown = believed.reason if isinstance(believed, Unknown) else ""
    older = equity is not None and _lacks_an_order(worker)
    if older:
        figures["free"] = None
    return {
        "positions": _read(view.read_age, view.unreadable, now),
        "equity": _read(_age(equity.asked_at if equity else None, steady), unknown, now)
        | figures
        | {"free_unknown": OLDER if older else None},
        "prices": _read(_age(newest, steady), failing.get("prices", ""), now),
    }


def _lacks_an_order(worker: AccountWorker) -> bool:
    """Return whether the equity was requested before the newest order: its free margin is then out of date."""
    return worker.beliefs.equity_lags or any(keeper.orders.open for keeper in worker.keepers.values())


def _age(at: float | None, steady: float) -> float | None:
    return None if at is None else max(steady - at, 0.0)


def _read(age: float | None, unknown: str, now: datetime) -> dict[str, Any]:
    return {"as_of": before(now, age), "age": _rounded(age), "unknown": plain_or_empty(unknown) or None}


def _positions(worker: AccountWorker, steady: float) -> dict[str, Any]:
    """Return the last accepted position of every symbol that is not flat."""
    return {
        symbol: {
            "size": text(position.quantity),
            "entry_price": text(position.entry_price),
            "unrealised_pnl": text(position.unrealised_pnl),
            "liquidation_price": text(position.liquidation_price),
            "leverage": text(position.leverage),
            "margin_mode": None if position.margin_mode is None else str(position.margin_mode),
            "read_age": _rounded(_age(evidence.seen_at, steady)) if evidence.seen else None,
        }
        for symbol, position in worker.beliefs.held().items()
        for evidence in (worker.beliefs.evidence(symbol),)
    }


def _failure(runner: AccountRunner, view: AccountView, now: datetime) -> dict[str, Any] | None:
    """Return what fails: in a few words, and in the exchange's words."""
    health, outages = runner.health, runner.outages
    reasons = outages.reasons()
    failing = sorted(
        reasons, key=lambda part: part not in READS
    )  # reads first: a stream only duplicates what they show
    if health.status not in (Running.DISABLED, Running.RUNNING):
        return _told(health.reason or str(health.status), health.since, health.retry_at, failing)
    if failing:
        return _told(reasons[failing[0]], outages.since(), health.retry_at, failing)
    if view.unready:
        since = before(now, view.read_age)
        return {**_told(view.reason, None, None, ("positions",)), "since": since}
    return None


def _told(
    reason: str, since: datetime | None, retry_at: datetime | None, parts: Iterable[str]
) -> dict[str, Any]:
    detail = plain_or_empty(reason)
    return {
        "cause": cause(detail),
        "detail": detail,
        "since": text(since),
        "retry_at": text(retry_at),
        "parts": list(parts),
    }


def cause(reason: str) -> str:
    """Return the short form of a reason: without the exchange's name, the request, and the literal response."""
    short = _RAW.sub("", _TITLE.sub("", reason, count=1)) or reason
    for part in ("account", "positions", "equity", "prices", "instruments"):
        short = short.removeprefix(f"{part}: ")
    return short


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
