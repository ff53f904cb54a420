"""Sums over the positions of an account, updated one position at a time.

This keeps the cost of an order or a price independent of the number of positions. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from te_core.api import MarginMode
from te_exchange_paper.holding import ZERO, Holding

_EXACT = Context(prec=2000)
"""Sums must return to exactly their old value when a position is removed, so nothing is rounded."""

_Change = Callable[[Decimal, Decimal], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Margin and unrealised profit of the isolated and of the cross positions, in settle currency."""

    isolated_margin: Decimal = ZERO
    isolated_profit: Decimal = ZERO
    cross_margin: Decimal = ZERO
    cross_profit: Decimal = ZERO
    cross_value: Decimal = ZERO
    """Unsigned value of the cross positions at their marks."""

    @property
    def margin(self) -> Decimal:
        """Margin of all positions."""
        return _EXACT.add(self.isolated_margin, self.cross_margin)

    @property
    def profit(self) -> Decimal:
        """Unrealised profit of all positions."""
        return _EXACT.add(self.isolated_profit, self.cross_profit)

    def plus(self, holding: Holding) -> Totals:
        """Return the sums with one more position."""
        return self._changed(holding, _EXACT.add)

    def minus(self, holding: Holding) -> Totals:
        """Return the sums without one of the positions."""
        return self._changed(holding, _EXACT.subtract)

    def _changed(self, holding: Holding, change: _Change) -> Totals:
        if not holding.quantity:
            return self
        if holding.margin_mode is MarginMode.ISOLATED:
            return Totals(
                isolated_margin=change(self.isolated_margin, holding.margin),
                isolated_profit=change(self.isolated_profit, holding.unrealised),
                cross_margin=self.cross_margin,
                cross_profit=self.cross_profit,
                cross_value=self.cross_value,
            )
        return Totals(
            isolated_margin=self.isolated_margin,
            isolated_profit=self.isolated_profit,
            cross_margin=change(self.cross_margin, holding.margin),
            cross_profit=change(self.cross_profit, holding.unrealised),
            cross_value=change(self.cross_value, holding.value),
        )


def counted(holdings: Iterable[Holding]) -> Totals:
    """Return the sums over those positions."""
    totals = Totals()
    for holding in holdings:
        totals = totals.plus(holding)
    return totals
