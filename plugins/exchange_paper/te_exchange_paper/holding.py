"""Compute entry, margin and profit of one position. Pure.

The entry is stored as ``cost`` instead of a rounded price: a reduction takes a share of it and a close the rest, so
that no rounding error accumulates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal

from te_core.api import MarginMode
from te_exchange_paper.maintenance import Maintenance

ZERO = Decimal(0)
_MONEY = Decimal("1E-8")
_WIDE = Context(prec=80)
"""Rounding to eight places must not fail for an absurdly large amount."""


def money(amount: Decimal) -> Decimal:
    """Round to eight places of the settle currency, as exchanges do."""
    return amount.quantize(_MONEY, context=_WIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A one-way position in one symbol, with the leverage and margin mode of its next orders.

    Amounts are in settle currency.
    """

    symbol: str
    leverage: int = 1
    margin_mode: MarginMode = MarginMode.ISOLATED
    quantity: Decimal = ZERO
    """Signed, in base units; 0 is flat."""
    cost: Decimal = ZERO
    """Signed: quantity x entry price."""
    margin: Decimal = ZERO
    """Set aside at entry: cost / leverage."""
    mark: Decimal = ZERO
    """Price of the last valuation; 0 while flat."""

    @property
    def entry_price(self) -> Decimal | None:
        """Average entry price; None while flat."""
        return self.cost / self.quantity if self.quantity else None

    @property
    def unrealised(self) -> Decimal:
        """Profit of closing it at its mark, without fee."""
        return money(self.quantity * self.mark) - self.cost

    @property
    def value(self) -> Decimal:
        """Unsigned value at its mark."""
        return abs(self.quantity) * self.mark

    def is_safe(self, maintenance: Maintenance) -> bool:
        """Return whether margin plus profit exceed the maintenance margin."""
        return self.margin + self.unrealised > money(maintenance.margin(self.value))

    def closing_part(self, quantity: Decimal) -> Decimal:
        """Return the unsigned part of a signed order that reduces this position; the rest of the order opens."""
        opposite = self.quantity * quantity < 0
        return min(abs(quantity), abs(self.quantity)) if opposite else ZERO

    def reduced(self, quantity: Decimal, price: Decimal) -> tuple[Holding, Decimal]:
        """Close an unsigned part; return the rest and the realised profit without fee."""
        held = abs(self.quantity)
        sign = 1 if self.quantity > 0 else -1
        if quantity == held:
            rest = replace(self, quantity=ZERO, cost=ZERO, margin=ZERO, mark=ZERO)
            return rest, sign * money(held * price) - self.cost
        cost = money(self.cost * quantity / held)
        rest = replace(
            self,
            quantity=self.quantity - sign * quantity,
            cost=self.cost - cost,
            margin=self.margin - money(self.margin * quantity / held),
        )
        return rest, sign * money(quantity * price) - cost

    def increased(self, quantity: Decimal, price: Decimal) -> Holding:
        """Add a signed quantity on the same side, with its own margin at the current leverage."""
        cost = money(quantity * price)
        return replace(
            self,
            quantity=self.quantity + quantity,
            cost=self.cost + cost,
            margin=self.margin + money(abs(cost) / self.leverage),
        )
