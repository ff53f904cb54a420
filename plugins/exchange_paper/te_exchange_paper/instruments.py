"""The symbols that the paper exchange offers: a built-in table of the main coins, and what settings change.

Steps, minimums and leverage limits are modelled on Bybit's linear perpetuals (``GET /v5/market/instruments-info``).
Exchanges change theirs now and then; where it matters, set yours in the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from te_core.api import Instrument, OrderRejected

# coin: (quantity step and minimum, price tick, largest market order, largest leverage)
_COINS: dict[str, tuple[str, str, str, int]] = {
    "BTC": ("0.001", "0.1", "119", 100),
    "ETH": ("0.01", "0.01", "724", 100),
    "SOL": ("0.1", "0.01", "9000", 100),
    "XRP": ("0.1", "0.0001", "700000", 75),
    "DOGE": ("1", "0.00001", "5991100", 75),
    "ADA": ("1", "0.0001", "1109600", 75),
    "BNB": ("0.01", "0.1", "500", 75),
    "TRX": ("1", "0.00001", "1300000", 75),
    "AVAX": ("0.1", "0.001", "13000", 75),
    "LINK": ("0.1", "0.001", "26000", 75),
    "SUI": ("0.1", "0.0001", "130000", 75),
    "TAO": ("0.001", "0.01", "400", 50),
    "HYPE": ("0.01", "0.001", "9000", 75),
    "LTC": ("0.1", "0.01", "6160", 50),
    "DOT": ("0.1", "0.0001", "90000", 75),
    "NEAR": ("0.1", "0.0001", "120000", 75),
    "BCH": ("0.01", "0.1", "450", 50),
    "UNI": ("0.1", "0.0001", "50000", 50),
    "AAVE": ("0.01", "0.01", "1500", 50),
    "ATOM": ("0.1", "0.0001", "40000", 50),
    "APT": ("0.01", "0.0001", "35000", 50),
    "ARB": ("0.1", "0.00001", "560000", 50),
    "OP": ("0.1", "0.0001", "200000", 50),
    "FIL": ("0.1", "0.0001", "55000", 50),
    "ETC": ("0.1", "0.001", "9000", 50),
    "XLM": ("1", "0.00001", "1000000", 50),
    "HBAR": ("1", "0.00001", "1300000", 50),
    "INJ": ("0.1", "0.001", "12000", 50),
    "ICP": ("0.1", "0.001", "25000", 50),
    "TON": ("0.1", "0.0001", "50000", 50),
}
_MINIMUM_NOTIONAL = Decimal(5)

_Positive = Annotated[Decimal, Field(gt=0)]
_NotNegative = Annotated[Decimal, Field(ge=0)]


class InstrumentOptions(BaseModel):
    """Settings of one symbol, in base units; absent keys keep the built-in value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantity_step: _Positive | None = None
    minimum_quantity: _NotNegative | None = None
    minimum_notional: _NotNegative | None = None
    price_tick: _NotNegative | None = None
    contract_size: _Positive | None = None
    largest_market_quantity: _Positive | None = None
    largest_leverage: Annotated[int, Field(ge=1)] | None = None

    def stated(self) -> dict[str, Any]:
        """Return the keys that settings state."""
        return self.model_dump(exclude_none=True)


def built_in(symbol: str, settle: str) -> Instrument | None:
    """Return the built-in instrument of a symbol such as ``BTCUSDT``; None if the table lacks the coin."""
    row = _COINS.get(symbol.removesuffix(settle)) if symbol.endswith(settle) else None
    if row is None:
        return None
    step, tick, largest, leverage = row
    return Instrument(
        symbol=symbol,
        quantity_step=Decimal(step),
        minimum_quantity=Decimal(step),
        minimum_notional=_MINIMUM_NOTIONAL,
        price_tick=Decimal(tick),
        largest_market_quantity=Decimal(largest),
        largest_leverage=leverage,
    )


def instrument(symbol: str, settle: str, stated: Mapping[str, InstrumentOptions]) -> Instrument | None:
    """Return the instrument of a symbol, settings over table; None if neither has it.

    A symbol that only settings have needs ``quantity_step`` there; absent keys mean no limit.
    """
    return overridden(built_in(symbol, settle), stated.get(symbol), symbol)


def overridden(base: Instrument | None, options: InstrumentOptions | None, symbol: str) -> Instrument | None:
    """Return ``base`` with what settings state; without a base, theirs if they have the ``quantity_step``."""
    if options is None:
        return base
    if base is not None:
        return replace(base, **options.stated())
    return Instrument(symbol=symbol, **options.stated()) if options.quantity_step is not None else None


class OfferedInstruments:
    """The instruments of one account: settings over the exchange's list, if there is one, or the built-in table."""

    def __init__(self, account: str, settle: str, stated: Mapping[str, InstrumentOptions]) -> None:
        self._account = account
        self._coin = settle
        self._stated = stated
        self._known: dict[str, Instrument | None] = {}

    def update(self, instruments: Mapping[str, Instrument | None]) -> None:
        """Replace instruments by those of an exchange; None: it does not trade the symbol."""
        self._known.update(instruments)

    def find(self, symbol: str) -> Instrument | None:
        """Return the instrument of a symbol; None if it is not offered."""
        if symbol not in self._known:  # with live prices: until the exchange's list was read
            self._known[symbol] = instrument(symbol, self._coin, self._stated)
        return self._known[symbol]

    def require(self, symbol: str) -> Instrument:
        """Return the instrument of a symbol. Raises ``OrderRejected`` with the remedy if it is not offered."""
        found = self.find(symbol)
        if found is None:
            raise OrderRejected(
                f"{symbol} is not offered: add accounts.{self._account}.instruments.{symbol} "
                'with its quantity_step to settings.toml (for example { quantity_step = "0.1" })',
                code="unknown_symbol",
            )
        return found
