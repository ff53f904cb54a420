"""What an account holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class MarginMode(StrEnum):
    """How a position is secured: with its own margin, or with the whole account's."""

    ISOLATED = "isolated"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A one-way position. ``quantity`` is signed, in base units; 0 is flat.

    ``leverage`` and ``margin_mode`` are what the exchange has set for the symbol, None where it does not say.
    ``obstacle``: why this symbol alone cannot be traded, and what to do about it; empty where nothing is in the way.
    """

    symbol: str
    quantity: Decimal
    entry_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    unrealised_pnl: Decimal | None = None
    liquidation_price: Decimal | None = None
    obstacle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """The value of an account in its quote currency.

    ``wallet``: balance without unrealised profit. ``total``: with it. ``free``: usable as margin, None if not
    known.
    """

    wallet: Decimal
    total: Decimal
    free: Decimal | None = None
