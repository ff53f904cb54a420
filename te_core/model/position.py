"""Positions and equity of an account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class MarginMode(StrEnum):
    """Whether a position is secured by its own margin, or by the whole account's."""

    ISOLATED = "isolated"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A one-way position. None: the exchange does not report it."""

    symbol: str
    quantity: Decimal
    """Signed, in base units; 0 is flat."""
    entry_price: Decimal | None = None
    leverage: Decimal | None = None
    """The symbol's current setting at the exchange."""
    margin_mode: MarginMode | None = None
    """The symbol's current setting at the exchange."""
    unrealised_pnl: Decimal | None = None
    liquidation_price: Decimal | None = None
    obstacle: str = ""
    """Why this symbol alone cannot be traded, and what to do about it; empty if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """The value of an account in its quote currency."""

    wallet: Decimal
    """The balance without unrealised profit."""
    total: Decimal
    """The balance with unrealised profit."""
    free: Decimal | None = None
    """Usable as margin; None if unknown."""
