"""What one round of reads of an account gave, shared by all symbols of a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from te_core.model.position import Equity, Position
from te_core.model.reading import Reading, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """Every position of an account (a symbol that is absent is flat), true at ``since`` or later.

    ``since`` is in monotonic seconds: comparing a read with our own orders needs a clock that never steps.
    """

    positions: Mapping[str, Position]
    since: float

    def of(self, symbol: str) -> Position:
        """Return one symbol's position."""
        return self.positions.get(symbol) or Position(symbol=symbol, quantity=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Equity, positions and prices of an account, read at the same time and shared by all symbols of a pass."""

    equity: Reading[Equity]
    holdings: Holdings | Unknown
    prices: Reading[Mapping[str, Decimal]]

    def readings(self) -> Mapping[str, object]:
        """Return the readings by name."""
        return {"equity": self.equity, "positions": self.holdings, "prices": self.prices}

    def price(self, symbol: str) -> Decimal | None:
        """Price of a symbol, or None when it is not known."""
        return None if isinstance(self.prices, Unknown) else self.prices.value.get(symbol)
