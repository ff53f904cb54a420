"""Entries and journals for the tests of this folder."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.money import EquitySample, Fill, Flow, FlowKind
from te_core.model.order import Intent, IntentState, OrderOutcome, Side
from te_core.model.position import MarginMode
from te_core.model.signal import QuarantinedInput, Signal
from te_core.model.target import Confirmation, Goal, Target, Term

FIFTH_UNDONE = (
    "DROP TABLE tallies",
    "ALTER TABLE accounts DROP COLUMN paper",
    "ALTER TABLE accounts DROP COLUMN currency",
    "ALTER TABLE intents DROP COLUMN stop",
    "DROP TABLE best_prices",
    *(f"DROP TABLE {table}" for table in ("fills", "flows", "equity", "breakers")),
    *(
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table in ("targets", "intents")
        for column in ("cause", "caused_at")
    ),
)
"""SQL that turns an empty journal of the newest schema into one of the fourth."""
NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class StoppedClock:
    """Always returns the same time, with or without an event loop."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def open_journal(folder: Path, *, inline: bool = True, **options: Any) -> Journal:
    ids = (f"journal-{n}" for n in itertools.count(1))
    clock = options.pop("clock", StoppedClock())
    return Journal.open(
        folder / "journal.sqlite3", clock=clock, new_id=ids.__next__, inline=inline, **options
    )


def signal(source: str = "tradingview", symbol: str = "BTCUSDT", depth: str = "0.5", **more: Any) -> Signal:
    times = {"time": NOW, "received_at": NOW}
    return Signal(source=source, symbol=symbol, depth=Decimal(depth), **{**times, **more})


def full_signal() -> Signal:
    return signal(
        depth="-0.1408",
        leverage=Decimal("3"),
        price=Decimal("3263.5500"),
        time=NOW - timedelta(seconds=1.5),
        sequence="0017",
        delivery_id="Δ-17",
        rule="sequence",
        exits=Exits(
            take_profit=(Exit(value=Decimal("3300.50"), unit=ExitUnit.PRICE, share=Decimal("0.5")),),
            stop_loss=Exit(value=Decimal("1.5"), unit=ExitUnit.PERCENT),
        ),
        detail={"comment": "Entry", "nested": {"list": [1, 2.5, None, True]}},
    )


def quarantined(source: str = "tradingview", body: str = "{}", **more: Any) -> QuarantinedInput:
    values = {"received_at": NOW, "field": "size", "reason": "not finite"}
    return QuarantinedInput(source=source, body=body, **{**values, **more})


def target(account: str = "paper", symbol: str = "BTCUSDT", revision: int = 1, **more: Any) -> Target:
    values = {
        "depth": Decimal("0.0500"),
        "leverage": 3,
        "margin_mode": MarginMode.ISOLATED,
        "reason": "signal",
        "created_at": NOW,
        "price": Decimal("65000.1"),
        "terms": (
            Term(source="tradingview", weight=Decimal("0.1"), depth=Decimal("0.5"), time=NOW, note="expired"),
        ),
    }
    return Target(account=account, symbol=symbol, revision=revision, **{**values, **more})


def goal(account: str = "paper", symbol: str = "BTCUSDT", revision: int = 1, **more: Any) -> Goal:
    values = {
        "quantity": Decimal("-0.010"),
        "leverage": 3,
        "margin_mode": MarginMode.CROSS,
        "depth": Decimal("-0.05"),
        "equity": Decimal(10000),
        "price": Decimal(65000),
        "unrounded": Decimal("-0.0230769230769"),
        "contract_size": Decimal(1),
        "quantity_step": Decimal("1E-3"),
        "sized_at": NOW,
        "notes": ("rounded toward zero",),
    }
    return Goal(account=account, symbol=symbol, revision=revision, **{**values, **more})


def intent(order: str = "o1", account: str = "paper", symbol: str = "BTCUSDT", **more: Any) -> Intent:
    values = {
        "revision": 1,
        "step": 1,
        "chunk": 1,
        "side": Side.SELL,
        "quantity": Decimal("0.01"),
        "reduce_only": False,
        "leverage": 3,
        "margin_mode": MarginMode.ISOLATED,
        "reference_price": Decimal("65000"),
        "created_at": NOW,
    }
    return Intent(client_order_id=order, account=account, symbol=symbol, **{**values, **more})


def order_outcome(order: str = "o1", state: IntentState = IntentState.FILLED, **more: Any) -> OrderOutcome:
    values = {"at": NOW, "filled": Decimal("0.01"), "average_price": Decimal("65001.5"), "reason": ""}
    return OrderOutcome(client_order_id=order, state=state, **{**values, **more})


def confirmation(
    account: str = "paper", symbol: str = "BTCUSDT", revision: int = 1, **more: Any
) -> Confirmation:
    values = {"quantity": Decimal("-0.01"), "at": NOW}
    return Confirmation(account=account, symbol=symbol, revision=revision, **{**values, **more})


def fill(order: str = "o1", **more: Any) -> Fill:
    values = {
        "account": "paper",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "quantity": Decimal("0.1"),
        "at": NOW,
        "price": Decimal(65000),
        "fee": Decimal("-0.5"),
        "fee_currency": "USDT",
        "realised": None,
        "shares": {"tradingview": Decimal("0.4")},
    }
    return Fill(client_order_id=order, **{**values, **more})


def sample(minutes: float, total: str = "10000", account: str = "paper") -> EquitySample:
    at = NOW - timedelta(minutes=minutes)
    return EquitySample(account=account, at=at, wallet=Decimal(total), total=Decimal(total), gross=Decimal(7))


def flow(key: str = "f1", **more: Any) -> Flow:
    values = {"account": "paper", "kind": FlowKind.FUNDING, "amount": Decimal("-1.5"), "at": NOW}
    return Flow(key=key, **{**values, "symbol": "BTCUSDT", **more})


def event(text: str = "outage over", **more: Any) -> Event:
    return Event(**{"at": NOW, "kind": "outage", "text": text, "account": "paper", **more})


@contextmanager
def written(journal: Journal) -> Iterator[list[str]]:
    """Collect the SQL that the journal's writer executes within the block, including values."""
    executed: list[str] = []
    connection = cast("sqlite3.Connection", journal._committer.connection.connection.dbapi_connection)
    connection.set_trace_callback(executed.append)
    yield executed
    connection.set_trace_callback(None)
