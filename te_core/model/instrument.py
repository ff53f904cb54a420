"""What an exchange says of a symbol."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A linear perpetual. All quantities are in base units (contracts x ``contract_size``).

    ``quantity_step``: smallest difference between two order sizes, > 0.
    ``minimum_quantity``, ``minimum_notional`` (quote currency): smallest order; 0 where there is none.
    ``own_minimum`` (quote currency): the operator's floor on an order's value; 0 without one.
    ``largest_market_quantity``: largest single market order, None where unlimited.
    ``contract_size``: base units in one contract; 1 where the exchange counts in base units.
    ``largest_leverage``: None where the exchange does not say.
    """

    symbol: str
    quantity_step: Decimal
    minimum_quantity: Decimal = Decimal(0)
    minimum_notional: Decimal = Decimal(0)
    own_minimum: Decimal = Decimal(0)
    price_tick: Decimal = Decimal(0)
    contract_size: Decimal = Decimal(1)
    largest_market_quantity: Decimal | None = None
    largest_leverage: int | None = None

    def __post_init__(self) -> None:
        if not self.quantity_step.is_finite() or self.quantity_step <= 0:
            raise ValueError(f"{self.symbol}: quantity_step must be above zero, not {self.quantity_step}")
        if not self.contract_size.is_finite() or self.contract_size <= 0:
            raise ValueError(f"{self.symbol}: contract_size must be above zero, not {self.contract_size}")

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round a signed base quantity toward zero to the quantity step."""
        steps = (quantity / self.quantity_step).to_integral_value(rounding=ROUND_DOWN)
        return (steps * self.quantity_step).normalize() + 0 if steps else Decimal(0)
