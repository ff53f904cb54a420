"""An exchange's own bookkeeping, and an account's books fed from it as the engine does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from te_core.model.money import Fill
from te_core.model.order import Side
from te_core.rules.profit import SUSPECT, Change, Holding, Money, Valuation, filled, valued

D = Decimal
START = datetime(2026, 3, 1, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
ZERO, BEGIN, CENT = D(0), D(10_000), D("0.01")


@dataclass
class Exchange:
    """Independent bookkeeping: cash moves with every trade, the value is cash plus positions."""

    tells_apart: bool
    tells_entry: bool = True
    cash: Decimal = BEGIN
    paid_in: Decimal = ZERO
    prices: dict[str, Decimal] = field(default_factory=lambda: {"BTCUSDT": D(100), "ETHUSDT": D(20)})
    held: dict[str, Decimal] = field(default_factory=dict)
    entries: dict[str, Decimal] = field(default_factory=dict)

    def trade(self, symbol: str, change: Decimal, fee: Decimal) -> None:
        price, before = self.prices[symbol], self.held.get(symbol, D(0))
        after = before + change
        if before * change >= 0:
            worth = before * self.entries.get(symbol, D(0)) + change * price
            self.entries[symbol] = worth / after if after else D(0)
        elif before * after < 0:
            self.entries[symbol] = price
        self.held[symbol] = after
        self.cash -= change * price + fee

    def deposit(self, amount: Decimal) -> None:
        self.cash += amount
        self.paid_in += amount

    @property
    def total(self) -> Decimal:
        return self.cash + sum((quantity * self.prices[s] for s, quantity in self.held.items()), D(0))

    def seen(self, at: datetime) -> Valuation:
        unrealised = {s: q * (self.prices[s] - self.entries[s]) for s, q in self.held.items() if q}
        wallet = self.total - sum(unrealised.values(), D(0)) if self.tells_apart else self.total
        held: Mapping[str, Holding] = {
            s: Holding(
                quantity=self.held[s],
                entry=self.entries[s] if self.tells_entry else None,
                price=self.prices[s],
                unrealised=one,
            )
            for s, one in unrealised.items()
        }
        return Valuation(at=at, wallet=wallet, total=self.total, held=held)


class Counting:
    """An account's books, fed as the engine does."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.money, self.at = exchange, Money(), START
        self.changes: list[Change] = []
        self.orders = 0
        self.look()

    def note(self, counted: tuple[Money, Change]) -> Change:
        self.money, change = counted
        self.changes.append(change)
        return change

    def look(self) -> Change:
        """Observe the value; an unexplained change must be seen twice."""
        self.at += timedelta(seconds=1)
        self.value()
        self.at += SUSPECT
        return self.value()

    def value(self) -> Change:
        return self.note(valued(self.money, self.exchange.seen(self.at)))

    def order(
        self,
        symbol: str,
        change: Decimal,
        fee: Decimal,
        *,
        told: bool = True,
        shares: Mapping[str, Decimal] | None = None,
    ) -> Change:
        price = self.exchange.prices[symbol]
        self.exchange.trade(symbol, change, fee)
        self.orders += 1
        fill = Fill(
            client_order_id=str(self.orders),
            account="a",
            symbol=symbol,
            side=Side.of(change),
            quantity=abs(change),
            at=self.at,
            price=price if told else None,
            fee=fee if told else None,
            shares=shares or {},
        )
        self.counted(fill)
        return self.note(filled(self.money, fill, reference=price * D("1.01")))

    def counted(self, fill: Fill) -> None:
        """For subclasses that also count fills."""

    @property
    def profit(self) -> Decimal:
        return sum((change.result for change in self.changes), D(0))

    @property
    def transfers(self) -> Decimal:
        return sum((change.transfer for change in self.changes), D(0))

    @property
    def by_symbol(self) -> Decimal:
        return sum((sum(change.symbols.values(), D(0)) for change in self.changes), D(0))
