"""Numbers as BloFin writes them."""

from __future__ import annotations

from decimal import Decimal


def long(value: Decimal) -> str:
    """Return a number with 18 decimals, as in orders and balances."""
    return f"{value:.18f}"
