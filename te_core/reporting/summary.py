"""The results of each account over a period, and what needs attention: for the daily summary and on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.journal.reader import JournalReader
from te_core.model.money import EquitySample
from te_core.model.reading import Unknown
from te_core.reporting.explain import text
from te_core.runtime.breakers import in_words
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """The journal's data on an account: its value then, and the transfers since (in; out below zero)."""

    sample: EquitySample | None = None
    moved: Decimal = ZERO


def read_since(journal: JournalReader, books: Mapping[str, str], at: datetime) -> dict[str, Since]:
    """Read the accounts' data at a time, or as soon after it as possible. Blocks for some milliseconds."""
    return {name: _since(journal, book, at) for name, book in books.items()}


def _since(journal: JournalReader, book: str, at: datetime) -> Since:
    sample = journal.equity_at(book, at)
    if sample is None:
        return Since()
    flows = journal.flows_since(book, sample.at)
    return Since(sample=sample, moved=sum((f.amount for f in flows if not f.kind.trading), ZERO))


def summary(engine: Engine, readiness: Mapping[str, Any], before: Mapping[str, Since]) -> dict[str, Any]:
    """Return JSON values: each account's value, profit and exposure; all live ones together; what needs attention.

    Profit is the change of the value less transfers; None if the value is unknown now or then.
    """
    accounts = {
        name: _account(engine, runner, before.get(name, Since())) for name, runner in engine.accounts.items()
    }
    live = [one for one in accounts.values() if not one["simulated"]]
    return {
        "at": text(engine.clock.now()),
        "accounts": accounts,
        "live": {key: _sum(live, key) for key in ("equity", "profit")} if len(live) > 1 else None,
        "attention": list(_attention(engine, readiness)),
    }


def _account(engine: Engine, runner: AccountRunner, before: Since) -> dict[str, Any]:
    worker = runner.worker
    equity, seen = worker.beliefs.equity(), worker.books.last_seen
    known = not isinstance(equity, Unknown)
    total = equity.total if not isinstance(equity, Unknown) else seen.total if seen is not None else None
    sample = before.sample
    profit = total - sample.total - before.moved if sample is not None and total is not None else None
    return {
        "equity": text(total),
        "as_of": None if known or seen is None else text(seen.at),
        "profit": text(profit),
        "since": text(sample.at) if sample is not None else None,
        "moved": text(before.moved),
        "gross": text(seen.gross) if seen is not None else None,
        "net": text(seen.net) if seen is not None else None,
        "positions": len(worker.beliefs.held()),
        "simulated": _is_simulated(engine, worker.name),
    }


def _is_simulated(engine: Engine, name: str) -> bool:
    assert engine.resolved is not None
    section = engine.resolved.settings.accounts.get(name)
    spec = engine.registry.exchanges.get(section.plugin) if section is not None else None
    return spec is not None and spec.capabilities.simulated


def _sum(accounts: list[dict[str, Any]], key: str) -> str | None:
    """Return the sum; None if one of the values is unknown."""
    values = [one[key] for one in accounts]
    known = [Decimal(value) for value in values if value is not None]
    return text(sum(known, ZERO)) if len(known) == len(values) else None


def _attention(engine: Engine, readiness: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"not ready: {reason}" for reason in readiness["reasons"])
    yield from readiness["halts"]
    yield from readiness["observing"]
    for one in engine.breakers.shown():
        if one.trip is not None and one.trip.action == "warn":
            yield in_words(one.account, one.trip)
    for name in engine.sources:
        if (since := engine.netting.heartbeat.since(name)) is not None:
            yield f"source {name}: silent since {since:%d %b %H:%M} UTC"
    for name, account in engine.accounts.items():
        yield from (f"account {name}: still open: {left}" for left in account.worker.still_open)
        if foreign := account.worker.foreign:
            yield f"account {name}: holds what the engine never opened: {', '.join(foreign)}"
    for name, notifier in engine.notifiers.runners.items():
        if notifier.dropped:
            yield f"notifier {name}: {notifier.dropped} notices could not be sent"


def summary_lines(found: Mapping[str, Any]) -> list[str]:
    """Return a summary as text: a line for each account, then what needs attention."""
    lines = [_account_line(name, one) for name, one in found["accounts"].items()]
    if (live := found["live"]) is not None:
        lines.append(f"all live accounts: {_amount(live['equity'])}, {_profit(live['profit'])}")
    attention = [f"! {line}" for line in found["attention"]]
    return [*(lines or ["no accounts"]), *(attention or ["nothing needs attention"])]


def _account_line(name: str, one: Mapping[str, Any]) -> str:
    paper = " (paper)" if one["simulated"] else ""
    seen = f", last seen {_time(one['as_of'])}" if one["as_of"] else ""
    since = f" since {_time(one['since'])}" if one["since"] else ""
    moved = f", {_amount(one['moved'], sign=True)} paid in" if Decimal(one["moved"]) else ""
    held = f"{one['positions']} position{'' if one['positions'] == 1 else 's'}"
    exposure = f", exposure {_amount(one['gross'])} (net {_amount(one['net'], sign=True)})"
    exposed = exposure if one["positions"] and one["gross"] is not None else ""
    return f"{name}{paper}: {_amount(one['equity'])}{seen}, {_profit(one['profit'])}{since}{moved}; {held}{exposed}"


def _profit(value: str | None) -> str:
    return "profit not known" if value is None else f"profit {_amount(value, sign=True)}"


def _amount(value: str | None, *, sign: bool = False) -> str:
    if value is None:
        return "not known"
    rounded = round(Decimal(value), 2) or ZERO
    return f"{rounded:+,.2f}" if sign and rounded else f"{rounded:,.2f}"


def _time(value: str) -> str:
    return f"{datetime.fromisoformat(value):%d %b %H:%M} UTC"
