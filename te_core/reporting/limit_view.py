"""The configured limits, each with its current usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from te_core.accounts.exposure import Usage
from te_core.accounts.worker import AccountWorker
from te_core.model.policy import Limits
from te_core.reporting.explain import text
from te_core.runtime.instances import AccountRunner

ZERO = Decimal(0)
OF_ONE_ORDER = ("leverage", "order_notional", "price_distance", "liquidation_distance")
"""Limits that are checked with each order and have no usage in between."""


def show_limits(accounts: Mapping[str, AccountRunner]) -> list[dict[str, Any]]:
    """Return the limit of all accounts together, then those of each account.

    ``now`` and ``limit`` are in quote currency or orders, None if there is no usage or it is unknown;
    ``used``: 1 is all of it. ``account`` and ``symbol`` are empty if a limit is not specific to one.
    """
    rows = [row for name, runner in accounts.items() for row in _of_account(name, runner.worker)]
    for runner in accounts.values():
        if (total := runner.worker.settings.limits.total_exposure) is not None:
            return [_row("total_exposure", "", total, runner.worker.usage().total), *rows]
    return rows


def _of_account(name: str, worker: AccountWorker) -> Iterator[dict[str, Any]]:
    limits, usage = worker.settings.limits, worker.usage()
    symbol, largest = usage.largest
    for limit, used, where in (
        ("account_exposure", usage.account, ""),
        ("symbol_exposure", largest, symbol),
        ("orders_per_minute", Decimal(usage.orders_last_minute), ""),
    ):
        if (value := getattr(limits, limit)) is not None:
            yield _row(limit, name, Decimal(value), used, symbol=where)
    yield from _shares(name, worker, limits, usage)
    for limit in OF_ONE_ORDER:
        if (value := getattr(limits, limit)) is not None:
            yield _row(limit, name, Decimal(value), None)


def _shares(name: str, worker: AccountWorker, limits: Limits, usage: Usage) -> Iterator[dict[str, Any]]:
    """Yield the limits that are shares of the equity, converted into money."""
    seen = worker.beliefs.equity_seen
    equity = None if seen is None else max(worker.settings.policy.value_of(seen.value), ZERO)
    symbol, largest = usage.largest
    found = [
        ("symbol_share", limits.symbol_share, largest, symbol),
        ("direction_share", limits.direction_share, max(usage.long, usage.short), ""),
        *(
            (f"group_share.{group}", share, usage.groups.get(group, ZERO), "")
            for group, share in limits.group_share.items()
        ),
    ]
    for limit, share, used, where in found:
        if share is not None:
            money = None if equity is None else share * equity
            yield _row(limit, name, money, used, symbol=where)


def _row(
    name: str, account: str, limit: Decimal | None, now: Decimal | None, *, symbol: str = ""
) -> dict[str, Any]:
    used = None if limit is None or now is None or limit <= 0 else round(float(now / limit), 4)
    return {
        "name": name,
        "account": account,
        "symbol": symbol,
        "now": text(now),
        "limit": text(limit),
        "used": used,
    }
