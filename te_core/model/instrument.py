"""An exchange's trading rules for a symbol."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A linear perpetual. All quantities are in base units (contracts x ``contract_size``)."""

    symbol: str
    quantity_step: Decimal
    """Smallest difference between two order sizes, > 0."""
    minimum_quantity: Decimal = Decimal(0)
    """Smallest order; 0 if there is no minimum."""
    minimum_notional: Decimal = Decimal(0)
    """Smallest value of an order, in quote currency; 0 if there is no minimum."""
    own_minimum: Decimal = Decimal(0)
    """The operator's minimum value of an order, in quote currency; 0 if there is none."""
    price_tick: Decimal = Decimal(0)
    contract_size: Decimal = Decimal(1)
    """Base units per contract; 1 if the exchange counts in base units."""
    largest_market_quantity: Decimal | None = None
    """Largest single market order; None if unlimited."""
    largest_leverage: int | None = None
    """None if the exchange does not report it."""

    def __post_init__(self) -> None:
        if not self.quantity_step.is_finite() or self.quantity_step <= 0:
            raise ValueError(f"{self.symbol}: quantity_step must be above zero, not {self.quantity_step}")
        if not self.contract_size.is_finite() or self.contract_size <= 0:
            raise ValueError(f"{self.symbol}: contract_size must be above zero, not {self.contract_size}")

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round a signed base quantity toward zero to the quantity step."""
        steps = (quantity / self.quantity_step).to_integral_value(rounding=ROUND_DOWN)
        return (steps * self.quantity_step).normalize() + 0 if steps else Decimal(0)
