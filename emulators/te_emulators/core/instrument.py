"""A linear perpetual contract and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Instrument:
    """Sizes are in the exchange's order unit (contracts); ``contract_size`` is in base coin per contract."""

    symbol: str
    base: str
    price: Decimal
    contract_size: Decimal = Decimal(1)
    size_step: Decimal
    min_size: Decimal
    max_market_size: Decimal
    max_limit_size: Decimal
    min_notional: Decimal | None = None
    tick: Decimal
    min_leverage: Decimal = Decimal(1)
    max_leverage: Decimal
    maintenance_rate: Decimal = Decimal("0.005")
    taker_fee: Decimal = Decimal("0.0006")
    maker_fee: Decimal = Decimal("0.0002")
    quote: str = "USDT"
    tradable: bool = True
    row: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)
    """The exchange's own row of this contract, as the wire layer answers it."""

    def notional(self, size: Decimal, price: Decimal) -> Decimal:
        """Value in quote coin; never negative."""
        return abs(size) * self.contract_size * price
