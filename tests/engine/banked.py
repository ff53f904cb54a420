"""An exchange that counts money: fees, average entries, deposits; and a scene around one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.api import CashFlow, Equity, FlowKind, Known, OrderReport, OrderRequest, Position
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.scene import Exchange, Scene

D = Decimal
ZERO, ONE = D(0), D(1)
FEE = D("0.001")


class Banked(Exchange):
    """``wallet`` moves with fees, realised profit and payments; positions are valued at the price."""

    def __init__(self, clock: VirtualClock, uid: str, **how: Any) -> None:
        super().__init__(clock, uid, **how)
        self.wallet = D(10_000)
        self.paid_in = ZERO
        self.tells_price = True
        self.slippage = ZERO
        self.flows: list[CashFlow] = []
        self.asked: list[str] = []

    def worth(self) -> Decimal:
        """Return the true value of the account."""
        return self.wallet + sum((self._profit(held) for held in self.held.values()), ZERO)

    def deposit(self, amount: str, *, told: FlowKind | None = None) -> None:
        """Deposit or withdraw."""
        self.wallet += D(amount)
        self.paid_in += D(amount)
        if told is not None:
            self.pay(amount, told, counted=True)

    def pay(self, amount: str, kind: FlowKind, *, symbol: str | None = None, counted: bool = False) -> None:
        """Pay or receive funding, and report it."""
        self.wallet += ZERO if counted else D(amount)
        now = self.clock.now()
        self.flows.append(
            CashFlow(key=str(len(self.flows)), kind=kind, amount=D(amount), at=now, symbol=symbol)
        )

    def _profit(self, held: Position) -> Decimal:
        entry = held.entry_price or ZERO
        return held.quantity * (self.price[held.symbol] - entry)

    def _set(self, symbol: str, quantity: Decimal) -> None:
        before = self.held.get(symbol) or Position(symbol=symbol, quantity=ZERO)
        super()._set(symbol, quantity)
        if quantity == before.quantity:
            return
        price, entry, change = self.price[symbol], before.entry_price or ZERO, quantity - before.quantity
        if before.quantity * change >= 0:
            entry = (before.quantity * entry + change * price) / quantity
        else:
            closed = before.quantity if before.quantity * quantity <= 0 else -change
            self.wallet += closed * (price - entry)
            entry = price if before.quantity * quantity < 0 else entry
        self.held[symbol] = replace(self.held[symbol], entry_price=entry if quantity else None)

    def fill(self, order: OrderRequest, share: Decimal = ONE) -> OrderReport:
        report = super().fill(order, share)
        filled = report.filled or ZERO
        price = self.price[order.symbol] * (1 + order.side.sign * self.slippage)
        fee = FEE * filled * self.price[order.symbol]
        self.wallet -= fee + filled * abs(price - self.price[order.symbol])
        told = replace(report, average_price=price, fee=fee, fee_currency="USDT")
        self.orders[order.client_order_id] = told
        return told if self.tells_price else replace(report, average_price=None)

    async def equity(self) -> Known[Equity]:
        return Known(value=Equity(wallet=self.wallet, total=self.worth()), as_of=self.clock.now())

    async def positions(self) -> Known[Mapping[str, Position]]:
        known = await super().positions()
        shown = {
            symbol: replace(held, unrealised_pnl=self._profit(held)) for symbol, held in known.value.items()
        }
        return replace(known, value=shown)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        del symbol
        self.asked.append(client_order_id)
        return self.orders.get(client_order_id)

    async def cash_flows(self, since: datetime) -> list[CashFlow]:
        return [flow for flow in self.flows if flow.at >= since]


class Bank(Scene):
    """A scene whose accounts keep track of money."""

    make_exchange = Banked

    def bank(self, key: str = "none") -> Banked:
        """Return the account that a key opens."""
        found = self.exchange(key)
        assert isinstance(found, Banked)
        return found

    def tripped(self) -> list[tuple[str, str, str]]:
        """Return account, name and symbol of every breaker that tripped, as ``te status`` shows it."""
        rows = self.whole_state()["breakers"]
        return [(row["account"], row["name"], row["symbol"]) for row in rows if row["tripped_at"]]


@asynccontextmanager
async def bank(folder: Path, *, streams: bool = False, **settings: Any) -> AsyncIterator[Bank]:
    """Open a scene with a running engine and accounts that keep track of money."""
    opened = Bank(folder, streams=streams, **settings)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()
